//! What an agent can ask for, read from its packets and written for the target. Only what is known here is ever passed on.

use super::{
    Attributes, Malformed, Packet, Status, extension,
    fields::{Fields, Writing},
    kind,
};
use bytes::Bytes;

/// A request.
#[derive(Debug)]
pub(crate) enum Request {
    /// Something is done to files by their names.
    Named(Named),
    /// Something is done with what was opened before.
    Opened(Bytes, Use),
    /// How much can be asked for at once.
    Limits,
    /// It is not passed on, and answered like this.
    Refused(Status),
}

/// What is done, and to what.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Named {
    pub(crate) verb: Verb,
    pub(crate) names: Names,
}

/// The names of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Names {
    One(Bytes),
    /// What there is, and what is to be.
    Two(Bytes, Bytes),
}

/// What is done to files by their names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Verb {
    Open(OpenFlags, Attributes),
    OpenFolder,
    Stat,
    /// Of a link itself.
    StatLink,
    SetStat(Attributes),
    /// Of a link itself.
    SetStatLink(Attributes),
    Remove,
    MakeFolder(Attributes),
    RemoveFolder,
    ReadLink,
    RealPath,
    ExpandPath,
    FileSystem,
    Rename,
    /// Over what has the name.
    RenameOver,
    HardLink,
    SymbolicLink,
}

/// How a file is opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct OpenFlags(u32);

impl OpenFlags {
    const READ: u32 = 1;
    const WRITE: u32 = 2;
    const CREATE: u32 = 8;
    const EXCLUSIVE: u32 = 32;
    /// All that there are, by their names.
    const WORDS: [(u32, &'static str); 6] = [
        (Self::READ, "read"),
        (Self::WRITE, "write"),
        (4, "append"),
        (Self::CREATE, "create"),
        (16, "truncate"),
        (Self::EXCLUSIVE, "exclusive"),
    ];

    fn known(flags: u32) -> Option<Self> {
        let all = Self::WORDS.iter().fold(0, |all, (flag, _)| all | flag);
        let opens = flags & (Self::READ | Self::WRITE) != 0;
        // Alone it says nothing: POSIX leaves it open, and hosts follow a link with it that is followed by nothing else here.
        let lonely = flags & Self::EXCLUSIVE != 0 && flags & Self::CREATE == 0;
        (flags & !all == 0 && opens && !lonely).then_some(Self(flags))
    }

    /// Whether the contents can be told through it.
    pub(crate) fn reads(self) -> bool {
        self.0 & Self::READ != 0
    }

    /// Whether opening it, or what is done with it then, can change the contents: OpenSSH's server empties a file that is
    /// opened for reading and to be truncated.
    pub(crate) fn writes(self) -> bool {
        self.0 & !Self::READ != 0
    }

    /// Whether the name must not be there yet.
    pub(crate) fn is_exclusive(self) -> bool {
        self.0 & Self::EXCLUSIVE != 0
    }

    fn words(self) -> String {
        let set = Self::WORDS.iter().filter(|(flag, _)| self.0 & flag != 0);
        set.map(|(_, word)| *word).collect::<Vec<_>>().join(",")
    }
}

/// What is done with what was opened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Use {
    Read {
        offset: u64,
        length: u32,
    },
    /// The data is the end of the packet.
    Write {
        offset: u64,
        length: usize,
    },
    List,
    Stat,
    SetStat(Attributes),
    FileSystem,
    Sync,
    /// Onto another handle, within the target.
    Copy {
        onto: Bytes,
    },
    Close,
}

impl Request {
    /// Reads a packet. Extensions count where they were offered.
    pub(crate) fn read(packet: &Packet, offered: &[&str]) -> Result<Self, Malformed> {
        let mut fields = Fields::of(packet.body());
        let one = |verb, mut fields: Fields<'_>| {
            let names = Names::One(fields.kept()?);
            fields.end()?;
            Ok(Self::Named(Named { verb, names }))
        };
        match packet.kind() {
            kind::OPEN => open(fields),
            kind::OPENDIR => one(Verb::OpenFolder, fields),
            kind::STAT => one(Verb::Stat, fields),
            kind::LSTAT => one(Verb::StatLink, fields),
            kind::REMOVE => one(Verb::Remove, fields),
            kind::RMDIR => one(Verb::RemoveFolder, fields),
            kind::READLINK => one(Verb::ReadLink, fields),
            kind::REALPATH => one(Verb::RealPath, fields),
            kind::SETSTAT => with_attributes(Verb::SetStat, fields),
            kind::MKDIR => with_attributes(Verb::MakeFolder, fields),
            kind::RENAME => two(Verb::Rename, fields),
            // OpenSSH's PROTOCOL, 4.1: what the link leads to comes first, against the draft.
            kind::SYMLINK => two(Verb::SymbolicLink, fields),
            kind::READ
            | kind::WRITE
            | kind::FSTAT
            | kind::FSETSTAT
            | kind::READDIR
            | kind::CLOSE => opened(packet.kind(), fields),
            kind::EXTENDED => {
                let name = fields.string()?;
                let known = offered.iter().find(|offered| offered.as_bytes() == name);
                match known {
                    Some(&extension::STATVFS) => one(Verb::FileSystem, fields),
                    Some(&extension::EXPAND_PATH) => one(Verb::ExpandPath, fields),
                    Some(name) => extended(name, fields),
                    None => Ok(Self::Refused(Status::NotSupported)),
                }
            }
            _ => Ok(Self::Refused(Status::NotSupported)),
        }
    }
}

fn open(mut fields: Fields<'_>) -> Result<Request, Malformed> {
    let (name, flags) = (fields.kept()?, fields.number()?);
    let attributes = Attributes::read(fields)?;
    Ok(match (OpenFlags::known(flags), attributes) {
        (Some(flags), Ok(attributes)) => {
            Request::Named(Named { verb: Verb::Open(flags, attributes), names: Names::One(name) })
        }
        (None, _) | (_, Err(_)) => Request::Refused(Status::NotSupported),
    })
}

fn with_attributes(
    verb: impl FnOnce(Attributes) -> Verb,
    mut fields: Fields<'_>,
) -> Result<Request, Malformed> {
    let names = Names::One(fields.kept()?);
    Ok(match Attributes::read(fields)? {
        Ok(attributes) => Request::Named(Named { verb: verb(attributes), names }),
        Err(_) => Request::Refused(Status::NotSupported),
    })
}

fn two(verb: Verb, mut fields: Fields<'_>) -> Result<Request, Malformed> {
    let names = Names::Two(fields.kept()?, fields.kept()?);
    fields.end()?;
    Ok(Request::Named(Named { verb, names }))
}

fn opened(kind: u8, mut fields: Fields<'_>) -> Result<Request, Malformed> {
    let handle = fields.kept()?;
    let with = match kind {
        kind::READ => Use::Read { offset: fields.long()?, length: fields.number()? },
        kind::WRITE => Use::Write { offset: fields.long()?, length: fields.string()?.len() },
        kind::FSTAT => Use::Stat,
        kind::READDIR => Use::List,
        kind::FSETSTAT => {
            let attributes = Attributes::read(fields)?;
            return Ok(match attributes {
                Ok(attributes) => Request::Opened(handle, Use::SetStat(attributes)),
                Err(_) => Request::Refused(Status::NotSupported),
            });
        }
        _ => Use::Close,
    };
    fields.end()?;
    Ok(Request::Opened(handle, with))
}

fn extended(name: &str, mut fields: Fields<'_>) -> Result<Request, Malformed> {
    match name {
        extension::POSIX_RENAME => two(Verb::RenameOver, fields),
        extension::HARDLINK => two(Verb::HardLink, fields),
        extension::LSETSTAT => with_attributes(Verb::SetStatLink, fields),
        extension::LIMITS => fields.end().map(|()| Request::Limits),
        extension::FSYNC | extension::FSTATVFS => {
            let handle = fields.kept()?;
            fields.end()?;
            let with = if name == extension::FSYNC { Use::Sync } else { Use::FileSystem };
            Ok(Request::Opened(handle, with))
        }
        extension::COPY_DATA => {
            let handle = fields.kept()?;
            let (_offset, _length) = (fields.long()?, fields.long()?);
            let onto = fields.kept()?;
            let _onto_offset = fields.long()?;
            fields.end()?;
            Ok(Request::Opened(handle, Use::Copy { onto }))
        }
        _ => Ok(Request::Refused(Status::NotSupported)),
    }
}

impl Verb {
    /// The packet that asks a target for it.
    fn begin(&self, id: u32) -> Writing {
        let plain = |kind| Writing::of(kind, id);
        let extended = |name: &str| Writing::of(kind::EXTENDED, id).string(name.as_bytes());
        match self {
            Self::Open(..) => plain(kind::OPEN),
            Self::OpenFolder => plain(kind::OPENDIR),
            Self::Stat => plain(kind::STAT),
            Self::StatLink => plain(kind::LSTAT),
            Self::SetStat(_) => plain(kind::SETSTAT),
            Self::SetStatLink(_) => extended(extension::LSETSTAT),
            Self::Remove => plain(kind::REMOVE),
            Self::MakeFolder(_) => plain(kind::MKDIR),
            Self::RemoveFolder => plain(kind::RMDIR),
            Self::ReadLink => plain(kind::READLINK),
            Self::RealPath => plain(kind::REALPATH),
            Self::ExpandPath => extended(extension::EXPAND_PATH),
            Self::FileSystem => extended(extension::STATVFS),
            Self::Rename => plain(kind::RENAME),
            Self::RenameOver => extended(extension::POSIX_RENAME),
            Self::HardLink => extended(extension::HARDLINK),
            Self::SymbolicLink => plain(kind::SYMLINK),
        }
    }

    /// One word for it.
    pub(crate) const fn word(&self) -> &'static str {
        match self {
            Self::Open(..) => "open",
            Self::OpenFolder => "opendir",
            Self::Stat => "stat",
            Self::StatLink => "lstat",
            Self::SetStat(_) => "setstat",
            Self::SetStatLink(_) => "lsetstat",
            Self::Remove => "remove",
            Self::MakeFolder(_) => "mkdir",
            Self::RemoveFolder => "rmdir",
            Self::ReadLink => "readlink",
            Self::RealPath => "realpath",
            Self::ExpandPath => "expand-path",
            Self::FileSystem => "statvfs",
            Self::Rename => "rename",
            Self::RenameOver => "posix-rename",
            Self::HardLink => "hardlink",
            Self::SymbolicLink => "symlink",
        }
    }

    /// Everything about it but the names, as words.
    fn words(&self) -> Vec<String> {
        let mut words = vec![self.word().to_owned()];
        match self {
            Self::Open(flags, attributes) => {
                words.push(flags.words());
                words.extend(attributes.words());
            }
            Self::SetStat(attributes)
            | Self::SetStatLink(attributes)
            | Self::MakeFolder(attributes) => words.extend(attributes.words()),
            Self::OpenFolder
            | Self::Stat
            | Self::StatLink
            | Self::Remove
            | Self::RemoveFolder
            | Self::ReadLink
            | Self::RealPath
            | Self::ExpandPath
            | Self::FileSystem
            | Self::Rename
            | Self::RenameOver
            | Self::HardLink
            | Self::SymbolicLink => {}
        }
        words
    }
}

impl Named {
    /// The packet that asks a target for it.
    pub(crate) fn packet(&self, id: u32) -> Bytes {
        let begun = self.verb.begin(id);
        let named = match &self.names {
            Names::One(name) => begun.string(name),
            Names::Two(one, other) => begun.string(one).string(other),
        };
        match &self.verb {
            Verb::Open(OpenFlags(flags), attributes) => attributes.write(named.number(*flags)),
            Verb::SetStat(attributes)
            | Verb::SetStatLink(attributes)
            | Verb::MakeFolder(attributes) => attributes.write(named),
            Verb::OpenFolder
            | Verb::Stat
            | Verb::StatLink
            | Verb::Remove
            | Verb::RemoveFolder
            | Verb::ReadLink
            | Verb::RealPath
            | Verb::ExpandPath
            | Verb::FileSystem
            | Verb::Rename
            | Verb::RenameOver
            | Verb::HardLink
            | Verb::SymbolicLink => named,
        }
        .done()
    }

    /// All of it as a line, which says one thing only: what a reviewer reads is what is hashed, and what is forwarded is made
    /// of the same.
    pub(crate) fn line(&self) -> Vec<u8> {
        let mut line = self.verb.words().join(" ").into_bytes();
        let (one, other) = match &self.names {
            Names::One(name) => (name, None),
            Names::Two(one, other) => (one, Some(other)),
        };
        for name in std::iter::once(one).chain(other) {
            line.push(b' ');
            quote(name, &mut line);
        }
        line
    }
}

/// A name as a shell would be given it: quoted wherever it is not plain.
fn quote(name: &[u8], line: &mut Vec<u8>) {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"_./:,+@%=-".contains(byte);
    if !name.is_empty() && name.iter().all(plain) {
        return line.extend_from_slice(name);
    }
    line.push(b'\'');
    for byte in name {
        if *byte == b'\'' { line.extend_from_slice(br"'\''") } else { line.push(*byte) }
    }
    line.push(b'\'');
}

/// Asks a target where a name leads.
pub(crate) fn question(id: u32, verb: Verb, name: &[u8]) -> Bytes {
    Named { verb, names: Names::One(Bytes::copy_from_slice(name)) }.packet(id)
}
