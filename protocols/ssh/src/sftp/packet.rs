//! Packets in a stream: where one ends, and whose answer it is. What is in them is not looked at.

use super::fields::Malformed;
use bytes::{BufMut as _, Bytes, BytesMut};

/// The longest packet, without its length: OpenSSH's own measure.
pub(super) const MAX_PACKET: usize = 256 * 1024;
/// A kind and a number.
const MIN_PACKET: usize = 5;
/// The length before a packet.
const LENGTH: usize = 4;
/// Where the number is: behind the length and the kind.
const NUMBER: std::ops::Range<usize> = 5..9;

/// What has come of a stream of packets.
#[derive(Debug, Default)]
pub(crate) struct Frames(BytesMut);

impl Frames {
    /// More of it.
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// The next packet that is there as a whole. No more is kept of a stream than one packet and a piece.
    pub(crate) fn next(&mut self) -> Result<Option<Packet>, Malformed> {
        let Some(length) = self.0.first_chunk().map(|length| u32::from_be_bytes(*length)) else {
            return Ok(None);
        };
        let length = usize::try_from(length).map_err(|_| Malformed)?;
        if !(MIN_PACKET..=MAX_PACKET).contains(&length) {
            return Err(Malformed);
        }
        if self.0.len() < LENGTH + length {
            return Ok(None);
        }
        Ok(Some(Packet(self.0.split_to(LENGTH + length))))
    }
}

/// A packet, with its length before it.
#[derive(Debug)]
pub(crate) struct Packet(BytesMut);

impl Packet {
    /// What it is.
    pub(crate) fn kind(&self) -> u8 {
        self.0.get(LENGTH).copied().unwrap_or_default()
    }

    /// Its id; of the first one in each direction, the version.
    pub(crate) fn number(&self) -> u32 {
        let number = self.0.get(NUMBER).and_then(<[u8]>::first_chunk);
        number.map_or(0, |number| u32::from_be_bytes(*number))
    }

    /// What is behind the number.
    pub(crate) fn body(&self) -> &[u8] {
        self.0.get(NUMBER.end..).unwrap_or_default()
    }

    /// The same packet under another id.
    pub(crate) fn under(mut self, id: u32) -> Bytes {
        if let Some(mut number) = self.0.get_mut(NUMBER) {
            number.put_u32(id);
        }
        self.0.freeze()
    }
}
