#!/usr/bin/env bash
# Fills a folder with what the image of a node consists of: the binaries, the shared libraries that they are linked with, the
# authorities of the system (for identity providers and buckets), and a user without a name. It builds a release first;
# --binaries takes those of another build.
#
#   bash deploy/container/stage.sh [--out DIR] [--binaries DIR]
#
# The image runs on hosts of the architecture that this runs on. Without a container engine, the folder can be tried as it is:
#   sudo chroot --userspec=65532:65532 target/image /usr/bin/countersign version
set -euo pipefail
ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
cd "$ROOT"
# shellcheck source=../build-env.sh
source deploy/build-env.sh

OUT="$ROOT/target/image" BINARIES=''
while [ $# -gt 0 ]; do
  case "$1" in
    --out) OUT="$2"; shift 2 ;;
    --binaries) BINARIES="$2"; shift 2 ;;
    *) sed -n '2,10s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
  esac
done
# Whose user and group in the image: no name of the host has them.
IMAGE_USER=65532

if [ -z "$BINARIES" ]; then
  cs_toolchain
  cargo build --release --locked -p countersign-node -p countersign-admin -p countersign-postgres --bins
  BINARIES="$CARGO_TARGET_DIR/release"
fi

# copy_with_libraries BINARY: it, its loader and its libraries, each where the loader looks for it.
copy_with_libraries() {
  local binary="$1" library
  install -D -m 755 "$binary" "$OUT/usr/bin/$(basename "$binary")"
  strip --strip-debug "$OUT/usr/bin/$(basename "$binary")" 2>/dev/null || cs_say "strip is not there: the image is larger than it need be"
  ldd "$binary" | grep -oE '/[^ ]+' | while read -r library; do
    [ -e "$OUT$library" ] || install -D -m 755 "$(readlink -f "$library")" "$OUT$library"
  done
}

rm -rf "$OUT"
mkdir -p "$OUT"/{etc/countersign,etc/ssl/certs,proc,tmp,var/lib/countersign}
for name in countersign countersignctl; do
  [ -x "$BINARIES/$name" ] || cs_fail "$BINARIES/$name is not there: build first, or leave --binaries out"
  copy_with_libraries "$BINARIES/$name"
done
[ ! -e /etc/ssl/certs/ca-certificates.crt ] || install -m 644 /etc/ssl/certs/ca-certificates.crt "$OUT/etc/ssl/certs/"
printf 'countersign:x:%s:%s::/var/lib/countersign:/\n' "$IMAGE_USER" "$IMAGE_USER" >"$OUT/etc/passwd"
printf 'countersign:x:%s:\n' "$IMAGE_USER" >"$OUT/etc/group"
# Names of hosts come from files, then from the resolver.
printf 'hosts: files dns\n' >"$OUT/etc/nsswitch.conf"
chmod 1777 "$OUT/tmp"
chmod 700 "$OUT/var/lib/countersign"
if [ "$(id -u)" = 0 ]; then chown "$IMAGE_USER:$IMAGE_USER" "$OUT/var/lib/countersign"; fi
cs_say "staged $(du -sh "$OUT" | cut -f1) in $OUT"
