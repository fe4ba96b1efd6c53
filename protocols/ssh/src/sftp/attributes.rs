//! The attributes of files (section 5 of the draft), as requests have them. Answers' pass as they are.

use super::fields::{Fields, Malformed, Writing};

const SIZE: u32 = 1;
const OWNER: u32 = 2;
const MODE: u32 = 4;
const TIMES: u32 = 8;

/// Bits of a mode that make a file run as somebody else, or a folder keep files from others.
const SPECIAL: u32 = 0o7000;

/// Attributes that are to be set.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Attributes {
    pub(crate) size: Option<u64>,
    pub(crate) owner: Option<(u32, u32)>,
    pub(crate) mode: Option<u32>,
    pub(crate) times: Option<(u32, u32)>,
}

/// There is something else among them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct NotKnown;

impl Attributes {
    /// Reads them, behind which a request ends. Extended ones have no meaning that could be judged.
    pub(super) fn read(mut fields: Fields<'_>) -> Result<Result<Self, NotKnown>, Malformed> {
        let flags = fields.number()?;
        if flags & !(SIZE | OWNER | MODE | TIMES) != 0 {
            return Ok(Err(NotKnown));
        }
        let mut read = Self::default();
        if flags & SIZE != 0 {
            read.size = Some(fields.long()?);
        }
        if flags & OWNER != 0 {
            read.owner = Some((fields.number()?, fields.number()?));
        }
        if flags & MODE != 0 {
            read.mode = Some(fields.number()?);
        }
        if flags & TIMES != 0 {
            read.times = Some((fields.number()?, fields.number()?));
        }
        fields.end()?;
        Ok(Ok(read))
    }

    pub(super) fn write(&self, to: Writing) -> Writing {
        let Self { size, owner, mode, times } = self;
        let flag = |is_there: bool, flag| if is_there { flag } else { 0 };
        let flags = flag(size.is_some(), SIZE)
            | flag(owner.is_some(), OWNER)
            | flag(mode.is_some(), MODE)
            | flag(times.is_some(), TIMES);
        let mut to = to.number(flags);
        if let Some(size) = size {
            to = to.long(*size);
        }
        if let Some((one, other)) = owner {
            to = to.number(*one).number(*other);
        }
        if let Some(mode) = mode {
            to = to.number(*mode);
        }
        if let Some((one, other)) = times {
            to = to.number(*one).number(*other);
        }
        to
    }

    /// As words of a line.
    pub(super) fn words(&self) -> Vec<String> {
        let Self { size, owner, mode, times } = self;
        [
            size.map(|size| format!("size={size}")),
            owner.map(|(user, group)| format!("owner={user}:{group}")),
            mode.map(|mode| format!("mode={mode:04o}")),
            times.map(|(access, change)| format!("times={access}:{change}")),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// Whether a new file or folder with them is an ordinary one: it has no attributes but a mode, and that only says who may
    /// read, write and search or run it.
    pub(crate) fn is_ordinary(&self) -> bool {
        let Self { size, owner, mode, times } = self;
        let plain = mode.is_none_or(|mode| mode & SPECIAL == 0);
        plain && size.is_none() && owner.is_none() && times.is_none()
    }

    /// Whether nothing but the size is set.
    pub(crate) fn is_size_alone(&self) -> Option<u64> {
        let Self { size, owner, mode, times } = self;
        let alone = owner.is_none() && mode.is_none() && times.is_none();
        size.filter(|_| alone)
    }
}
