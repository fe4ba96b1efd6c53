//! Reads fields off one message body. It cannot read beyond the body, and [`Body::end`] refuses what is left over.

use super::FrameError;
use bytes::{Buf, Bytes};

/// What is left of a body.
#[derive(Debug)]
pub(crate) struct Body {
    what: &'static str,
    rest: Bytes,
}

impl Body {
    /// The body of a message that errors call `what`.
    pub(crate) fn new(what: &'static str, rest: Bytes) -> Self {
        Self { what, rest }
    }

    fn wrong(&self) -> FrameError {
        FrameError::Malformed { what: self.what }
    }

    /// So many bytes.
    pub(crate) fn bytes(&mut self, count: usize) -> Result<Bytes, FrameError> {
        if self.rest.len() < count {
            return Err(self.wrong());
        }
        Ok(self.rest.split_to(count))
    }

    /// Everything up to the next NUL, which is taken too.
    pub(crate) fn until_nul(&mut self) -> Result<Bytes, FrameError> {
        let end = self.rest.iter().position(|byte| *byte == 0).ok_or_else(|| self.wrong())?;
        let text = self.rest.split_to(end);
        self.rest.advance(1);
        Ok(text)
    }

    /// A text that ends with NUL and is UTF-8.
    pub(crate) fn text(&mut self) -> Result<String, FrameError> {
        let bytes = self.until_nul()?;
        String::from_utf8(bytes.to_vec()).map_err(|_| self.wrong())
    }

    pub(crate) fn byte(&mut self) -> Result<u8, FrameError> {
        self.rest.try_get_u8().map_err(|_| self.wrong())
    }

    /// A two-byte integer, which the protocol calls Int16 and uses as a count or a format.
    pub(crate) fn short(&mut self) -> Result<u16, FrameError> {
        self.rest.try_get_u16().map_err(|_| self.wrong())
    }

    pub(crate) fn int(&mut self) -> Result<i32, FrameError> {
        self.rest.try_get_i32().map_err(|_| self.wrong())
    }

    pub(crate) fn oid(&mut self) -> Result<u32, FrameError> {
        self.rest.try_get_u32().map_err(|_| self.wrong())
    }

    /// A value with its length before it; -1 is null.
    pub(crate) fn value(&mut self) -> Result<Option<Bytes>, FrameError> {
        match self.int()? {
            -1 => Ok(None),
            length => {
                let length = usize::try_from(length).map_err(|_| self.wrong())?;
                self.bytes(length).map(Some)
            }
        }
    }

    /// Everything that is left.
    pub(crate) fn rest(&mut self) -> Bytes {
        std::mem::take(&mut self.rest)
    }

    /// The body must end here.
    pub(crate) fn end(self) -> Result<(), FrameError> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.wrong()) }
    }
}
