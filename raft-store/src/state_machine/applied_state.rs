//! The record beside the data: how far it is applied, and everything that must never be older or newer than the data. It is
//! written in the same step as the data, always.

use std::io;

use rocksdb::Snapshot;

use crate::disk::{Disk, DiskError, Family, Slot};
use crate::encoding::Encoded;
use crate::raft_types::{LogId, Mark, StoredMembership};
use crate::state_hash::StateHash;

pub(super) const KEY: &str = "applied";

/// What is known of the state.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct AppliedState {
    /// The last entry that is in the data.
    pub(crate) applied: Option<LogId>,
    /// The last membership that was applied.
    pub(crate) membership: StoredMembership,
    /// The hash of the data.
    pub(crate) hash: StateHash,
    /// The hash at the last checkpoint entry.
    pub(crate) mark: Option<Mark>,
    /// The checkpoint at which a majority had another hash. Only a snapshot of a peer clears it.
    pub(crate) diverged_at: Option<u64>,
    /// The greatest node id any membership ever had. Ids below it that are no members were removed.
    pub(crate) greatest_id: u64,
    /// Where the data lies.
    pub(crate) slot: Slot,
}

/// The record as it is now.
pub(crate) fn applied_state(disk: &Disk) -> io::Result<AppliedState> {
    decode(disk.meta(KEY)?)
}

/// The record as it was when `snapshot` was taken.
pub(super) fn at(disk: &Disk, snapshot: &Snapshot<'_>) -> io::Result<AppliedState> {
    let bytes = snapshot
        .get_cf(disk.family(Family::Meta)?, KEY)
        .map_err(DiskError::during("reading the applied state"))?;
    decode(bytes)
}

fn decode(bytes: Option<Vec<u8>>) -> io::Result<AppliedState> {
    match bytes {
        None => Ok(AppliedState::default()),
        Some(bytes) => Ok(AppliedState::decode(&bytes)?),
    }
}
