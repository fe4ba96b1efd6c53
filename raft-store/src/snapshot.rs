//! Snapshots as files: written in constant memory, checked to the last byte, and never visible half done. What a snapshot
//! means for the state is the state machine's business, how it travels the network's.

mod file;
mod folder;

pub(crate) use file::{SnapshotFile, SnapshotReader, SnapshotWriter};
pub(crate) use folder::SnapshotFolder;

use crate::raft_types::{Mark, SnapshotMeta};
use crate::state_hash::StateHash;

/// What a snapshot says of itself, before its pairs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SnapshotHead {
    /// Where in the log it was taken, and the membership there.
    pub(crate) meta: SnapshotMeta,
    /// The hash of all its pairs.
    pub(crate) hash: StateHash,
    /// The last checkpoint before it.
    pub(crate) mark: Option<Mark>,
    /// The greatest node id ever given out.
    pub(crate) greatest_id: u64,
}

#[cfg(test)]
mod tests;
