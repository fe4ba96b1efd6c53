#!/usr/bin/env bash
# Runs every command line of a folder with bash, each traced, in a root of its own where nothing but that folder can be
# written: `unshare` gives it users, files, processes, names and networks of its own before it comes here.
#
#   sandbox.sh FOLDER    reads FOLDER/N.line, writes FOLDER/N.trace (strace's words)
set -eu
folder="$1"
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
root=/mnt

mount --make-rprivate /
mount -t tmpfs none "$root"
for top in usr bin sbin lib lib32 lib64 libx32; do
  if [ -L "/$top" ]; then
    cp -d "/$top" "$root/$top"
  elif [ -d "/$top" ]; then
    mkdir "$root/$top"
    mount --rbind "/$top" "$root/$top"
    mount -o remount,bind,ro "$root/$top"
  fi
done
mkdir -p "$root"/{etc,dev,proc,sys,tmp/h,var/log,run,root,work}
# Programs of the machine are looked for, its files are not.
for name in passwd group nsswitch.conf hosts hostname services protocols networks localtime ld.so.cache ld.so.conf \
  ld.so.conf.d alternatives magic magic.mime; do
  [ -e "/etc/$name" ] && cp -RL "/etc/$name" "$root/etc/" 2>/dev/null || true
done
for device in null zero full random urandom tty; do
  touch "$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
ln -s /proc/self/fd "$root/dev/fd"
ln -s /proc/self/fd/0 "$root/dev/stdin"
ln -s /proc/self/fd/1 "$root/dev/stdout"
mount -t proc none "$root/proc" 2>/dev/null || mount --rbind /proc "$root/proc"
mount --bind "$folder" "$root/work"

# A home as the lines of the corpus want it.
home() {
  rm -rf "$root/tmp/h" "$root/var/log"
  mkdir -p "$root"/tmp/h/{logs,sub,empty,bin} "$root/var/log"
  cd "$root/tmp/h"
  printf 'line one\nline two\nfoo.bar\n' | tee notes logs/app.log logs/old.log 'with blank' ./-exec sub/app.log >/dev/null
  printf 'a\na\nb\n' >list
  seq 20000 >big
  printf 'w made\n' >script.sed
  printf 'BEGIN{system("touch made")}\n' >script.awk
  printf 'system("touch made")\n' >script.pl
  printf 'open("made","w")\n' >script.py
  printf 'all:\n\ttouch made\n' >made.mk
  printf '#!/bin/sh\ntouch made\n' | tee script.sh bin/ls >/dev/null
  chmod +x script.sh bin/ls
  ln -s notes link
  for log in syslog auth.log app.log; do printf 'a line of %s\n' "$log" >"$root/var/log/$log"; done
}

cat >"$root/one.sh" <<'ONE'
IFS= read -r -d '' line <"/work/$1.line" || true
export HOME=/tmp/h
cd "$HOME"
exec env -i HOME="$HOME" PATH="$PATH" timeout --kill-after=1 "$2" strace --follow-forks --quiet=all --seccomp-bpf -s 400 -o "/work/$1.trace" -e trace="$3" \
  bash -c "$line" </dev/null >/dev/null 2>&1
ONE

# What runs a program, writes to files or changes the machine.
watched=execve,execveat,open,openat,openat2,creat,unlink,unlinkat,rename,renameat,renameat2,mkdir,mkdirat,rmdir,link,linkat
watched+=,symlink,symlinkat,truncate,chmod,fchmodat,chown,lchown,fchownat,mknod,mknodat,utimensat,setxattr,removexattr
watched+=,mount,umount2,sethostname,setdomainname,clock_settime,settimeofday,kill,tkill,init_module,finit_module,reboot
for file in "$folder"/*.line; do
  number="$(basename "$file" .line)"
  home
  # What a line mounts goes with it.
  unshare --mount chroot "$root" /bin/bash /one.sh "$number" "${SANDBOX_SECONDS:-4}" "$watched" </dev/null >/dev/null 2>&1 || true
done
