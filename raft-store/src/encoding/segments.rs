//! What nodes say to each other about segments of recordings. Their bytes are opaque here; a digest is their SHA-256.

use serde::{Deserialize, Serialize};

use super::blob::Blob;
use super::{Encoded, EncodingError, read, write};

/// A node hands a segment to another one.
pub(crate) struct KeepSegment {
    pub(crate) digest: [u8; 32],
    pub(crate) bytes: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct KeepSegmentV1<'a> {
    digest: [u8; 32],
    #[serde(borrow)]
    bytes: Blob<'a>,
}

impl Encoded for KeepSegment {
    fn encode(&self) -> Result<Vec<u8>, EncodingError> {
        write(&KeepSegmentV1 { digest: self.digest, bytes: Blob::of(&self.bytes) })
    }

    fn decode(bytes: &[u8]) -> Result<Self, EncodingError> {
        let KeepSegmentV1 { digest, bytes } = read(bytes)?;
        Ok(Self { digest, bytes: bytes.into_vec() })
    }
}

/// The answer to a [`KeepSegment`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum KeepSegmentReply {
    /// It is on the peer's disk.
    Kept,
    /// The peer's disk does not take it.
    NotKept,
}

impl Encoded for KeepSegmentReply {
    fn encode(&self) -> Result<Vec<u8>, EncodingError> {
        write(self)
    }

    fn decode(bytes: &[u8]) -> Result<Self, EncodingError> {
        read(bytes)
    }
}

/// A node asks another one for a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FetchSegment {
    pub(crate) digest: [u8; 32],
}

impl Encoded for FetchSegment {
    fn encode(&self) -> Result<Vec<u8>, EncodingError> {
        write(self)
    }

    fn decode(bytes: &[u8]) -> Result<Self, EncodingError> {
        read(bytes)
    }
}

/// The answer to a [`FetchSegment`]; none where the peer does not have it whole.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FetchSegmentReply(pub(crate) Option<Vec<u8>>);

#[derive(Serialize, Deserialize)]
struct FetchSegmentReplyV1<'a>(#[serde(borrow)] Option<Blob<'a>>);

impl Encoded for FetchSegmentReply {
    fn encode(&self) -> Result<Vec<u8>, EncodingError> {
        write(&FetchSegmentReplyV1(self.0.as_deref().map(Blob::of)))
    }

    fn decode(bytes: &[u8]) -> Result<Self, EncodingError> {
        let FetchSegmentReplyV1(bytes) = read(bytes)?;
        Ok(Self(bytes.map(Blob::into_vec)))
    }
}
