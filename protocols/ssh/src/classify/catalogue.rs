//! What is known of programs by their names: those that only tell something, in the ways listed; those that run the command
//! behind them; and those that run whatever they are told. A program that is on no list does whatever it does.
//!
//! A way of calling a program is listed only where it is harmless in GNU's, util-linux', procps', `BusyBox`' and the
//! BSDs' program of that name. Not listed although they look harmless, because they are not:
//! - `sort` and `tac` write temporary files, `top` makes a folder for its settings; `uniq IN OUT`, `xxd IN OUT` and
//!   `tree -o` write files;
//! - `egrep`, `fgrep`, `zcat` and `which` are shell scripts; `getconf` runs another one for some names; `diff -l` runs `pr`;
//! - `printf` sets variables in bash, by `-v` and by `%n`: `PATH` among them; `jq` reads modules from anywhere;
//! - `date -d` sets the kernel's idea of summer time on older BSDs; `git` runs what its configuration says.

mod files;
mod system;

use super::{
    command::Wrapper,
    own::NO_OPTIONS,
    reader::{Options, Reader},
};

/// What is known of a program.
pub(super) enum Role {
    /// It tells something, in the ways listed.
    Reader(Reader),
    /// It runs the command behind its own options.
    Wrapper(Wrapper),
    /// It is a shell.
    Shell,
    /// It runs others, or whatever it is told.
    Runner,
    /// Nothing is known of it.
    Other,
}

/// What is known of the program of this name.
pub(super) fn role(name: &str) -> Role {
    let reader = files::READERS.iter().chain(system::READERS).find(|reader| reader.name == name);
    if let Some(reader) = reader {
        return Role::Reader(*reader);
    }
    if let Some(wrapper) = WRAPPERS.iter().find(|wrapper| wrapper.name == name) {
        return Role::Wrapper(*wrapper);
    }
    if SHELLS.contains(&name) {
        return Role::Shell;
    }
    // `python3.11` and `perl5.36` are what `python` and `perl` are.
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-');
    if RUNNERS.contains(&name) || RUNNERS.contains(&stem) { Role::Runner } else { Role::Other }
}

const fn plain(flags: &'static str, valued: &'static str) -> Options {
    Options { flags, valued, long: &[] }
}

/// Programs that run the command behind their own options.
const WRAPPERS: &[Wrapper] = &[
    Wrapper { name: "env", options: NO_OPTIONS, operands: 0 },
    Wrapper { name: "nice", options: plain("", "n"), operands: 0 },
    Wrapper { name: "nohup", options: NO_OPTIONS, operands: 0 },
    Wrapper { name: "setsid", options: plain("w", ""), operands: 0 },
    Wrapper { name: "sudo", options: plain("n", "gu"), operands: 0 },
    Wrapper { name: "timeout", options: plain("", "ks"), operands: 1 },
];

/// Shells that are looked into where they are given a text by `-c`.
const SHELLS: &[&str] = &["ash", "bash", "dash", "ksh", "sh", "zsh"];

/// Programs that run others, or whatever they are told: interpreters, editors, pagers, what reaches other hosts, builds,
/// packages, containers, and what takes a command among its options.
const RUNNERS: &[&str] = &[
    "ansible",
    "ansible-playbook",
    "apt",
    "apt-get",
    "aptitude",
    "ar",
    "at",
    "awk",
    "batch",
    "bc",
    "bpftrace",
    "busybox",
    "capsh",
    "cargo",
    "cc",
    "chroot",
    "chrt",
    "cmake",
    "cpio",
    "cron",
    "crontab",
    "csh",
    "ctr",
    "curl",
    "dc",
    "dd",
    "debugfs",
    "dialog",
    "dnf",
    "doas",
    "docker",
    "dpkg",
    "dpkg-query",
    "ed",
    "egrep",
    "emacs",
    "ex",
    "expect",
    "fakeroot",
    "fgrep",
    "firejail",
    "fish",
    "flock",
    "ftp",
    "gawk",
    "gcc",
    "gdb",
    "gem",
    "getconf",
    "git",
    "go",
    "gpg",
    "helm",
    "ionice",
    "irb",
    "java",
    "journalctl-remote",
    "jq",
    "julia",
    "k3s",
    "kubectl",
    "less",
    "logrotate",
    "ltrace",
    "lua",
    "luajit",
    "m4",
    "mail",
    "make",
    "man",
    "mawk",
    "more",
    "most",
    "mount",
    "msfconsole",
    "mutt",
    "mysql",
    "nano",
    "nawk",
    "nc",
    "ncat",
    "nerdctl",
    "netcat",
    "nmap",
    "node",
    "nodejs",
    "npm",
    "npx",
    "nsenter",
    "numactl",
    "nvim",
    "octave",
    "openssl",
    "parallel",
    "perl",
    "perf",
    "pg",
    "php",
    "pip",
    "pkexec",
    "podman",
    "prlimit",
    "proot",
    "psql",
    "pstack",
    "pwsh",
    "python",
    "R",
    "rake",
    "rbash",
    "redis-cli",
    "rksh",
    "rlwrap",
    "rpm",
    "rsync",
    "ruby",
    "run-parts",
    "runc",
    "runuser",
    "rview",
    "rvim",
    "scp",
    "screen",
    "script",
    "service",
    "setarch",
    "setpriv",
    "sftp",
    "snap",
    "socat",
    "sort",
    "split",
    "sqlite",
    "ssh",
    "sshpass",
    "start-stop-daemon",
    "stdbuf",
    "strace",
    "strings",
    "su",
    "systemd-run",
    "tac",
    "tar",
    "taskset",
    "tclsh",
    "tcpdump",
    "tcsh",
    "tee",
    "telnet",
    "time",
    "tmux",
    "toybox",
    "tsc",
    "unshare",
    "unzip",
    "vi",
    "view",
    "vim",
    "vimdiff",
    "vipw",
    "visudo",
    "watch",
    "wget",
    "which",
    "whiptail",
    "xargs",
    "xterm",
    "yarn",
    "yash",
    "yum",
    "zcat",
    "zip",
    "zypper",
];

#[cfg(test)]
pub(super) fn readers() -> impl Iterator<Item = &'static Reader> {
    files::READERS.iter().chain(system::READERS)
}
