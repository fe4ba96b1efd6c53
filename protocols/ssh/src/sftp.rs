//! SFTP as it is spoken: version 3 of draft-ietf-secsh-filexfer-02, with the extensions and the reading of OpenSSH (its file
//! PROTOCOL). Packets are taken apart and made here, in exactly their declared length. Nothing is judged, and nobody is
//! talked to: that is `channel::files`.

mod attributes;
mod fields;
mod packet;
mod reply;
mod request;
mod tally;

pub(crate) use attributes::Attributes;
pub(crate) use fields::Malformed;
pub(crate) use packet::{Frames, Packet};
pub(crate) use reply::{
    Answer, Expected, Limits, Status, extensions, hello, limits, name, one_name, status, status_of,
    version,
};
pub(crate) use request::{Named, Names, OpenFlags, Request, Use, Verb, question};
pub(crate) use tally::Tally;

/// The version that is spoken.
const VERSION: u32 = 3;

/// The numbers of the packets (draft-ietf-secsh-filexfer-02, section 3).
pub(crate) mod kind {
    pub(crate) const INIT: u8 = 1;
    pub(crate) const VERSION: u8 = 2;
    pub(crate) const OPEN: u8 = 3;
    pub(crate) const CLOSE: u8 = 4;
    pub(crate) const READ: u8 = 5;
    pub(crate) const WRITE: u8 = 6;
    pub(crate) const LSTAT: u8 = 7;
    pub(crate) const FSTAT: u8 = 8;
    pub(crate) const SETSTAT: u8 = 9;
    pub(crate) const FSETSTAT: u8 = 10;
    pub(crate) const OPENDIR: u8 = 11;
    pub(crate) const READDIR: u8 = 12;
    pub(crate) const REMOVE: u8 = 13;
    pub(crate) const MKDIR: u8 = 14;
    pub(crate) const RMDIR: u8 = 15;
    pub(crate) const REALPATH: u8 = 16;
    pub(crate) const STAT: u8 = 17;
    pub(crate) const RENAME: u8 = 18;
    pub(crate) const READLINK: u8 = 19;
    pub(crate) const SYMLINK: u8 = 20;
    pub(crate) const STATUS: u8 = 101;
    pub(crate) const HANDLE: u8 = 102;
    pub(crate) const DATA: u8 = 103;
    pub(crate) const NAME: u8 = 104;
    pub(crate) const ATTRS: u8 = 105;
    pub(crate) const EXTENDED: u8 = 200;
    pub(crate) const EXTENDED_REPLY: u8 = 201;
}

/// The extensions of OpenSSH's that are judged.
pub(crate) mod extension {
    pub(crate) const POSIX_RENAME: &str = "posix-rename@openssh.com";
    pub(crate) const STATVFS: &str = "statvfs@openssh.com";
    pub(crate) const FSTATVFS: &str = "fstatvfs@openssh.com";
    pub(crate) const HARDLINK: &str = "hardlink@openssh.com";
    pub(crate) const FSYNC: &str = "fsync@openssh.com";
    pub(crate) const LSETSTAT: &str = "lsetstat@openssh.com";
    pub(crate) const LIMITS: &str = "limits@openssh.com";
    pub(crate) const EXPAND_PATH: &str = "expand-path@openssh.com";
    pub(crate) const COPY_DATA: &str = "copy-data";

    /// Each with the version that is understood. What is not here is not offered, and not passed on.
    pub(crate) const KNOWN: &[(&str, &[u8])] = &[
        (POSIX_RENAME, b"1"),
        (STATVFS, b"2"),
        (FSTATVFS, b"2"),
        (HARDLINK, b"1"),
        (FSYNC, b"1"),
        (LSETSTAT, b"1"),
        (LIMITS, b"1"),
        (EXPAND_PATH, b"1"),
        (COPY_DATA, b"1"),
    ];
}

#[cfg(test)]
mod tests;
