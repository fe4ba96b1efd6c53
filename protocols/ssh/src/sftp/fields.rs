//! The fields of packets, read inside exactly what there is, and written. They mean nothing here.

use bytes::{BufMut as _, Bytes, BytesMut};

/// A packet is not what its kind says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a packet of SFTP cannot be read")]
pub(crate) struct Malformed;

/// What of a packet is still to be read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn number(&mut self) -> Result<u32, Malformed> {
        let (head, rest) = self.0.split_first_chunk().ok_or(Malformed)?;
        self.0 = rest;
        Ok(u32::from_be_bytes(*head))
    }

    pub(super) fn long(&mut self) -> Result<u64, Malformed> {
        let (head, rest) = self.0.split_first_chunk().ok_or(Malformed)?;
        self.0 = rest;
        Ok(u64::from_be_bytes(*head))
    }

    pub(super) fn string(&mut self) -> Result<&'a [u8], Malformed> {
        let length = usize::try_from(self.number()?).map_err(|_| Malformed)?;
        let (string, rest) = self.0.split_at_checked(length).ok_or(Malformed)?;
        self.0 = rest;
        Ok(string)
    }

    /// The same, kept.
    pub(super) fn kept(&mut self) -> Result<Bytes, Malformed> {
        self.string().map(Bytes::copy_from_slice)
    }

    /// There is nothing behind what was read.
    pub(super) fn end(self) -> Result<(), Malformed> {
        if self.0.is_empty() { Ok(()) } else { Err(Malformed) }
    }

    pub(super) fn is_empty(self) -> bool {
        self.0.is_empty()
    }
}

/// A packet that is being written.
#[derive(Debug)]
pub(super) struct Writing(BytesMut);

impl Writing {
    /// A packet of this kind, with the number behind it: an id, or a version.
    pub(super) fn of(kind: u8, number: u32) -> Self {
        let mut bytes = BytesMut::new();
        bytes.put_u8(kind);
        bytes.put_u32(number);
        Self(bytes)
    }

    pub(super) fn number(mut self, number: u32) -> Self {
        self.0.put_u32(number);
        self
    }

    pub(super) fn long(mut self, number: u64) -> Self {
        self.0.put_u64(number);
        self
    }

    /// Strings come from packets, whose length has 32 bits, or are the gateway's own.
    pub(super) fn string(mut self, string: &[u8]) -> Self {
        self.0.put_u32(u32::try_from(string.len()).unwrap_or(u32::MAX));
        self.0.put_slice(string);
        self
    }

    /// The packet, with its length before it.
    pub(super) fn done(self) -> Bytes {
        let mut packet = BytesMut::new();
        packet.put_u32(u32::try_from(self.0.len()).unwrap_or(u32::MAX));
        packet.put_slice(&self.0);
        packet.freeze()
    }
}
