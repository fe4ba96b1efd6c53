//! What the state holds of recordings: which segments each has, where they are, and the key that opens them.

use countersign_core::{
    id::{NodeId, SessionId},
    log_time::LogTime,
    recording::{DataKeyId, Position, SegmentDigest},
};
use std::collections::BTreeSet;

/// A data key that another key has sealed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WrappedKey {
    /// The data key's name.
    pub id: DataKeyId,
    /// The name of the key that opens it.
    pub by: [u8; 16],
    /// It, sealed.
    pub sealed: Vec<u8>,
}

/// The keys of recordings that a node opens, by name.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct OpenedKeys {
    /// Their names.
    pub names: BTreeSet<[u8; 16]>,
}

/// The recording of a session, as a whole. It stays when the session is forgotten.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordingRecord {
    /// Whose it is.
    pub session: SessionId,
    /// How many segments it has so far.
    pub segments: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The last one, which through its predecessors names all.
    pub last: SegmentDigest,
    /// Whether that is the end.
    pub position: Position,
    /// Its data key.
    pub key: WrappedKey,
}

/// Whether the cluster's bucket has a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InBucket {
    /// It has not, or nobody knows.
    No,
    /// It was written there and read back.
    Yes,
}

/// A place of a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// The disk of a node.
    Node(NodeId),
    /// The bucket.
    Bucket,
    /// The bucket not any more: it was looked for there.
    NotInBucket,
}

/// One segment of a recording.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SegmentRecord {
    /// Whose recording it belongs to.
    pub session: SessionId,
    /// 1 for the first.
    pub sequence: u64,
    /// Its name.
    pub digest: SegmentDigest,
    /// Its length in bytes.
    pub size: u64,
    /// The nodes that should have it. While the bucket has it, they may have given it up for room.
    pub places: BTreeSet<NodeId>,
    /// Whether the bucket has it.
    pub bucket: InBucket,
    /// Log time.
    pub at: LogTime,
}
