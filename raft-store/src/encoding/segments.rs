//! What nodes say to each other about segments of recordings. Their bytes are opaque here; a digest is their SHA-256.

use serde::{Deserialize, Serialize};

use super::blob::Blob;
use super::{Encoded, EncodingError, read, write};

/// A node hands segments to another one.
pub(crate) struct KeepSegments {
    pub(crate) segments: Vec<([u8; 32], Vec<u8>)>,
}

#[derive(Serialize, Deserialize)]
struct KeepSegmentsV1<'a> {
    #[serde(borrow)]
    segments: Vec<([u8; 32], Blob<'a>)>,
}

impl Encoded for KeepSegments {
    fn encode(&self) -> Result<Vec<u8>, EncodingError> {
        let segments = self.segments.iter().map(|(digest, bytes)| (*digest, Blob::of(bytes)));
        write(&KeepSegmentsV1 { segments: segments.collect() })
    }

    fn decode(bytes: &[u8]) -> Result<Self, EncodingError> {
        let KeepSegmentsV1 { segments } = read(bytes)?;
        let segments = segments.into_iter().map(|(digest, bytes)| (digest, bytes.into_vec()));
        Ok(Self { segments: segments.collect() })
    }
}

/// The answer to [`KeepSegments`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum KeepSegmentsReply {
    /// All are on the peer's disk.
    Kept,
    /// The peer's disk does not take all of them.
    NotKept,
}

impl Encoded for KeepSegmentsReply {
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
