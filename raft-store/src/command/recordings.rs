//! What is proposed about recordings, their keys and the archive of the audit: where what is not in the state is, and who can
//! read it.

use crate::records::{Place, WrappedKey};
use countersign_core::{
    id::{NodeId, SessionId},
    recording::{Position, SegmentDigest},
};
use std::collections::BTreeSet;

/// A segment of a recording is written, and kept at `places`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordSegment {
    /// Whose recording it belongs to.
    pub session: SessionId,
    /// The node that carries, or has carried, the session.
    pub node: NodeId,
    /// 1 for the first; the others follow.
    pub sequence: u64,
    /// Whether the recording goes on behind it.
    pub position: Position,
    /// Its name.
    pub digest: SegmentDigest,
    /// The segment before.
    pub previous: SegmentDigest,
    /// Its length in bytes.
    pub size: u64,
    /// The nodes that have it on their disks.
    pub places: BTreeSet<NodeId>,
    /// The data key of the recording, wrapped; the same with each of its segments.
    pub key: WrappedKey,
}

/// A segment of a recording has come to a place that it was recorded without.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PlaceSegment {
    /// Whose recording it belongs to.
    pub session: SessionId,
    /// Which of it.
    pub sequence: u64,
    /// Its name.
    pub digest: SegmentDigest,
    /// Where it is now, too; or is not any more.
    pub place: Place,
}

/// The data key of a recording was wrapped anew. The key itself is the same.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RewrapKey {
    /// Whose recording it opens.
    pub session: SessionId,
    /// The name of the key that has wrapped it until now.
    pub before: [u8; 16],
    /// It, wrapped.
    pub key: WrappedKey,
}

/// A node says which keys of recordings it opens. What it has said before does not count any more.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OpenKeys {
    /// Who.
    pub node: NodeId,
    /// The names of the keys.
    pub names: BTreeSet<[u8; 16]>,
}

/// A node has read a file of the archive, all of it, where it looks for it itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ArchiveRead {
    /// Who.
    pub node: NodeId,
    /// Which file: the one that follows the last that it has read.
    pub number: u64,
    /// SHA-256 of the bytes that it has found.
    pub digest: [u8; 32],
}
