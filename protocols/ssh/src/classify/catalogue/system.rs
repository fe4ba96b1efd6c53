//! Programs that tell about the machine: its users, processes, devices, network and logs.

use super::plain;
use crate::classify::{
    own::{self, NO_OPTIONS},
    reader::{
        ANY,
        Operands::{FirstOf, Names, None, Numbers, Words},
        Options, Reader,
        Uses::{Listed, Own},
    },
};

pub(super) const READERS: &[Reader] = &[
    Reader { name: "arch", uses: Listed(NO_OPTIONS, None) },
    Reader { name: "dmesg", uses: Listed(DMESG, None) },
    Reader { name: "false", uses: Listed(NO_OPTIONS, None) },
    Reader { name: "findmnt", uses: Listed(plain("Abln", ""), None) },
    Reader { name: "free", uses: Listed(plain("bghklmtw", ""), None) },
    Reader { name: "getent", uses: Listed(NO_OPTIONS, FirstOf(DATABASES)) },
    Reader { name: "groups", uses: Listed(NO_OPTIONS, Words(1)) },
    Reader { name: "hostid", uses: Listed(NO_OPTIONS, None) },
    Reader { name: "hostname", uses: Listed(plain("AIdfis", ""), None) },
    Reader { name: "id", uses: Listed(plain("GZagnruz", ""), Words(1)) },
    Reader { name: "ip", uses: Own(own::ip) },
    Reader { name: "journalctl", uses: Own(own::journalctl) },
    Reader { name: "last", uses: Listed(plain("0123456789Fadiwx", "n"), Words(2)) },
    Reader { name: "locale", uses: Listed(plain("a", ""), None) },
    Reader { name: "logname", uses: Listed(NO_OPTIONS, None) },
    Reader { name: "lsblk", uses: Listed(plain("JOSabdfilmnprst", "o"), None) },
    Reader { name: "lscpu", uses: Listed(plain("J", ""), None) },
    Reader { name: "lsmod", uses: Listed(NO_OPTIONS, None) },
    Reader { name: "mountpoint", uses: Listed(plain("dq", ""), Names) },
    Reader { name: "netstat", uses: Listed(plain("46Walnprstu", ""), None) },
    Reader { name: "nproc", uses: Listed(NPROC, None) },
    Reader { name: "pgrep", uses: Listed(plain("aclfinovx", "GPUgstu"), Words(1)) },
    Reader { name: "pidof", uses: Listed(plain("sx", ""), Words(ANY)) },
    Reader { name: "printenv", uses: Listed(NO_OPTIONS, Words(ANY)) },
    Reader { name: "ps", uses: Listed(PS, FirstOf(PS_WORDS)) },
    Reader { name: "ss", uses: Listed(plain("046Haeilmnoprstux", ""), None) },
    Reader { name: "sysctl", uses: Own(own::sysctl) },
    Reader { name: "systemctl", uses: Own(own::systemctl) },
    Reader { name: "true", uses: Listed(NO_OPTIONS, None) },
    Reader { name: "tty", uses: Listed(plain("s", ""), None) },
    Reader { name: "uname", uses: Listed(plain("aimnoprsv", ""), None) },
    Reader { name: "uptime", uses: Listed(plain("ps", ""), None) },
    Reader { name: "users", uses: Listed(NO_OPTIONS, None) },
    Reader { name: "vmstat", uses: Listed(plain("adfmnsw", ""), Numbers(2)) },
    Reader { name: "w", uses: Listed(plain("fhios", ""), Words(1)) },
    Reader { name: "who", uses: Listed(plain("HTabdlmpqrstu", ""), None) },
    Reader { name: "whoami", uses: Listed(NO_OPTIONS, None) },
];

const DMESG: Options =
    Options { flags: "TLkrtux", valued: "fl", long: &["--ctime", "--facility=", "--level="] };

const NPROC: Options = Options { flags: "", valued: "", long: &["--all", "--ignore="] };

const PS: Options = Options {
    flags: "AHLTaedfjly",
    valued: "CGUgopstu",
    long: &["--forest", "--no-headers", "--ppid=", "--sort="],
};

/// Letters without a dash, as the BSDs' `ps` has them.
const PS_WORDS: &[&str] = &["a", "au", "aux", "auxf", "auxw", "auxww", "ax", "axjf", "axu", "x"];

/// What `getent` looks up.
const DATABASES: &[&str] =
    &["ahosts", "group", "hosts", "networks", "passwd", "protocols", "services"];
