//! What a target answers, as far as it is looked at, and what the gateway answers itself. Names, attributes and data of the
//! target's pass as they are.

use super::{
    Malformed, Packet, VERSION, extension,
    fields::{Fields, Writing},
    kind,
    packet::MAX_PACKET,
};
use bytes::Bytes;

/// Of a packet, what is not data: OpenSSH's own measure.
const OVERHEAD: usize = 1024;

/// What the gateway says of a request itself (section 7 of the draft).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Status {
    PermissionDenied,
    Failure,
    BadMessage,
    NotSupported,
}

impl Status {
    const fn code(self) -> u32 {
        match self {
            Self::PermissionDenied => 3,
            Self::Failure => 4,
            Self::BadMessage => 5,
            Self::NotSupported => 8,
        }
    }

    /// The words for it where there is no more to say.
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::PermissionDenied => "permission denied",
            Self::Failure => "failure",
            Self::BadMessage => "bad message",
            Self::NotSupported => "operation unsupported",
        }
    }
}

/// `SSH_FX_OK`.
const OK: u32 = 0;
/// `SSH_FX_EOF`.
const EOF: u32 = 1;

/// What the target must answer to a request, where it does not answer with a status.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Expected {
    Status,
    Handle,
    /// At most so many bytes of data.
    Data(u32),
    Name,
    Attributes,
    Extended,
}

/// What a target answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Answer {
    /// It is done, or there is no more.
    Done,
    /// It is not done, for this reason.
    Failed(u32),
    Handle(Bytes),
    /// So many bytes, which are the end of the packet.
    Data(usize),
    /// Names: the first of them.
    Name(Bytes),
    /// Something else that was asked for.
    Given,
}

impl Answer {
    /// Reads an answer, which is one of what was expected.
    pub(crate) fn read(packet: &Packet, expected: Expected) -> Result<Self, Malformed> {
        let mut fields = Fields::of(packet.body());
        match (packet.kind(), expected) {
            (kind::STATUS, _) => Ok(match fields.number()? {
                OK | EOF => Self::Done,
                code => Self::Failed(code),
            }),
            (kind::HANDLE, Expected::Handle) => {
                let handle = fields.kept()?;
                fields.end()?;
                Ok(Self::Handle(handle))
            }
            (kind::DATA, Expected::Data(most)) => {
                let data = fields.string()?;
                fields.end()?;
                let fits = u32::try_from(data.len()).is_ok_and(|length| length <= most);
                if fits { Ok(Self::Data(data.len())) } else { Err(Malformed) }
            }
            (kind::NAME, Expected::Name) => {
                let first = if fields.number()? == 0 { Bytes::new() } else { fields.kept()? };
                Ok(Self::Name(first))
            }
            (kind::ATTRS, Expected::Attributes) | (kind::EXTENDED_REPLY, Expected::Extended) => {
                Ok(Self::Given)
            }
            _ => Err(Malformed),
        }
    }
}

/// The name of a status of the target's, for the record.
pub(crate) fn name(code: u32) -> String {
    let names = [
        "ok",
        "eof",
        "no such file",
        "permission denied",
        "failure",
        "bad message",
        "no connection",
        "connection lost",
        "operation unsupported",
    ];
    let known = usize::try_from(code).ok().and_then(|code| names.get(code));
    known.map_or_else(|| format!("status {code}"), |name| (*name).to_owned())
}

/// The first packet to a target.
pub(crate) fn hello() -> Bytes {
    Writing::of(kind::INIT, VERSION).done()
}

/// The extensions that a target offers and that are judged. It has to speak the version.
pub(crate) fn extensions(packet: &Packet) -> Result<Vec<&'static str>, Malformed> {
    if packet.kind() != kind::VERSION || packet.number() != VERSION {
        return Err(Malformed);
    }
    let mut fields = Fields::of(packet.body());
    let mut offered = Vec::new();
    while !fields.is_empty() {
        let (name, version) = (fields.string()?, fields.string()?);
        let known = extension::KNOWN
            .iter()
            .find(|(known, understood)| known.as_bytes() == name && *understood == version);
        if let Some((name, _)) = known.filter(|(name, _)| !offered.contains(name)) {
            offered.push(*name);
        }
    }
    Ok(offered)
}

/// The first packet to the agent.
pub(crate) fn version(offered: &[&str]) -> Bytes {
    let known = extension::KNOWN.iter().filter(|(name, _)| offered.contains(name));
    known
        .fold(Writing::of(kind::VERSION, VERSION), |packet, (name, version)| {
            packet.string(name.as_bytes()).string(version)
        })
        .done()
}

/// Says what became of a request that was not passed on.
pub(crate) fn status(id: u32, status: Status, words: &str) -> Bytes {
    Writing::of(kind::STATUS, id).number(status.code()).string(words.as_bytes()).string(b"").done()
}

/// The same, in the place of a target that said so.
pub(crate) fn status_of(id: u32, code: u32) -> Bytes {
    Writing::of(kind::STATUS, id).number(code).string(name(code).as_bytes()).string(b"").done()
}

/// One name without attributes.
pub(crate) fn one_name(id: u32, name: &[u8]) -> Bytes {
    Writing::of(kind::NAME, id).number(1).string(name).string(name).number(0).done()
}

/// How much can be asked for at once (OpenSSH's PROTOCOL, 4.8). Nothing is no limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Limits {
    packet: u64,
    read: u64,
    write: u64,
    handles: u64,
}

/// Asks a target for them.
pub(crate) fn limits(id: u32) -> Bytes {
    Writing::of(kind::EXTENDED, id).string(extension::LIMITS.as_bytes()).done()
}

impl Limits {
    /// The target's, as far as they are not above what is passed on.
    pub(crate) fn read(packet: &Packet, handles: usize) -> Result<Self, Malformed> {
        if packet.kind() != kind::EXTENDED_REPLY {
            return Err(Malformed);
        }
        let mut fields = Fields::of(packet.body());
        let mut least = |own: usize| {
            let own = u64::try_from(own).unwrap_or(u64::MAX);
            fields.long().map(|said| if said == 0 { own } else { said.min(own) })
        };
        Ok(Self {
            packet: least(MAX_PACKET)?,
            read: least(MAX_PACKET - OVERHEAD)?,
            write: least(MAX_PACKET - OVERHEAD)?,
            handles: least(handles)?,
        })
    }

    /// As an answer.
    pub(crate) fn packet(self, id: u32) -> Bytes {
        let Self { packet, read, write, handles } = self;
        Writing::of(kind::EXTENDED_REPLY, id)
            .long(packet)
            .long(read)
            .long(write)
            .long(handles)
            .done()
    }
}
