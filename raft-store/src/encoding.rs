//! The bytes of everything the engine stores or sends: a version byte, then the postcard encoding of a frozen mirror type.
//!
//! The consensus library's own types never reach a disk or a peer, because their layout is not ours to freeze. The content
//! of commands, replies and state values is opaque here; the typed half versions it.

mod blob;
mod parts;
mod segments;
mod stored;
mod wire;

use serde::Serialize;
use serde::de::Deserialize;

pub(crate) use segments::{FetchSegment, FetchSegmentReply, KeepSegments, KeepSegmentsReply};
pub(crate) use wire::{
    AppendReply, ForwardedReply, Greeting, GreetingReply, ProposeReply, ProposeRequest,
    ReadIndexReply, ReadIndexRequest, SnapshotHeader, SnapshotReply,
};

/// The version this build writes. A reader refuses any other: a node never guesses.
pub(crate) const VERSION: u8 = 1;

/// Something that has a stored or sent form.
pub(crate) trait Encoded: Sized {
    /// The bytes, version first.
    fn encode(&self) -> Result<Vec<u8>, EncodingError>;

    /// Reads exactly what [`Encoded::encode`] wrote, to the last byte.
    fn decode(bytes: &[u8]) -> Result<Self, EncodingError>;
}

/// Bytes that are not what they should be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EncodingError {
    /// Nothing there.
    #[error("empty")]
    Empty,
    /// Written by another version of the program.
    #[error("encoded as version {0}, which this build does not read")]
    UnknownVersion(u8),
    /// Bytes behind the value.
    #[error("{0} bytes too many")]
    TrailingBytes(usize),
    /// Not the encoding of the expected type.
    #[error("malformed")]
    Malformed(#[from] postcard::Error),
    /// Well formed, and yet nothing that can be.
    #[error("impossible value: {0}")]
    Impossible(&'static str),
}

impl From<EncodingError> for std::io::Error {
    fn from(error: EncodingError) -> Self {
        Self::new(std::io::ErrorKind::InvalidData, error)
    }
}

/// Version byte and postcard.
fn write<T: Serialize>(value: &T) -> Result<Vec<u8>, EncodingError> {
    Ok(postcard::to_extend(value, vec![VERSION])?)
}

/// The inverse of [`write`].
fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, EncodingError> {
    match bytes.split_first() {
        None => Err(EncodingError::Empty),
        Some((&VERSION, rest)) => {
            let (value, rest) = postcard::take_from_bytes(rest)?;
            if rest.is_empty() { Ok(value) } else { Err(EncodingError::TrailingBytes(rest.len())) }
        }
        Some((version, _)) => Err(EncodingError::UnknownVersion(*version)),
    }
}

#[cfg(test)]
mod tests;
