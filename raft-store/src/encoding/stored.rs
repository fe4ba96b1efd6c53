//! What lies on a node's disk: entries, votes, log ids, memberships, and the small records beside the state.

use serde::{Deserialize, Serialize};

use super::parts::{EntryV1, LogIdV1, MarkV1, SnapshotMetaV1, StoredMembershipV1, VoteV1};
use super::{Encoded, EncodingError, read, write};
use crate::high_water::Acknowledged;
use crate::identity_file::Identity;
use crate::raft_types::{Entry, LogId, Mark, SnapshotMeta, StorageId, StoredMembership, Vote};
use crate::snapshot::SnapshotHead;
use crate::state_hash::StateHash;
use crate::state_machine::AppliedState;

impl Encoded for Entry {
    fn encode(&self) -> Result<Vec<u8>, EncodingError> {
        write(&EntryV1::from(self))
    }

    fn decode(bytes: &[u8]) -> Result<Self, EncodingError> {
        read::<EntryV1<'_>>(bytes)?.into_entry()
    }
}

impl Encoded for LogId {
    fn encode(&self) -> Result<Vec<u8>, EncodingError> {
        write(&LogIdV1::from(self))
    }

    fn decode(bytes: &[u8]) -> Result<Self, EncodingError> {
        Ok(read::<LogIdV1>(bytes)?.into())
    }
}

impl Encoded for Vote {
    fn encode(&self) -> Result<Vec<u8>, EncodingError> {
        write(&VoteV1::from(self))
    }

    fn decode(bytes: &[u8]) -> Result<Self, EncodingError> {
        Ok(read::<VoteV1>(bytes)?.into())
    }
}

#[derive(Serialize, Deserialize)]
enum SlotV1 {
    A,
    B,
}

#[derive(Serialize, Deserialize)]
struct AppliedStateV1 {
    applied: Option<LogIdV1>,
    membership: StoredMembershipV1,
    hash: [u8; 32],
    mark: Option<MarkV1>,
    diverged_at: Option<u64>,
    greatest_id: u64,
    slot: SlotV1,
}

impl Encoded for AppliedState {
    fn encode(&self) -> Result<Vec<u8>, EncodingError> {
        write(&AppliedStateV1 {
            applied: self.applied.as_ref().map(LogIdV1::from),
            membership: (&self.membership).into(),
            hash: self.hash.to_bytes(),
            mark: self.mark.as_ref().map(MarkV1::from),
            diverged_at: self.diverged_at,
            greatest_id: self.greatest_id,
            slot: match self.slot {
                crate::disk::Slot::A => SlotV1::A,
                crate::disk::Slot::B => SlotV1::B,
            },
        })
    }

    fn decode(bytes: &[u8]) -> Result<Self, EncodingError> {
        let stored: AppliedStateV1 = read(bytes)?;
        Ok(Self {
            applied: stored.applied.map(LogId::from),
            membership: StoredMembership::try_from(stored.membership)?,
            hash: StateHash::from_bytes(stored.hash),
            mark: stored.mark.map(Mark::from),
            diverged_at: stored.diverged_at,
            greatest_id: stored.greatest_id,
            slot: match stored.slot {
                SlotV1::A => crate::disk::Slot::A,
                SlotV1::B => crate::disk::Slot::B,
            },
        })
    }
}

#[derive(Serialize, Deserialize)]
struct SnapshotHeadV1 {
    meta: SnapshotMetaV1,
    hash: [u8; 32],
    mark: Option<MarkV1>,
    greatest_id: u64,
}

impl Encoded for SnapshotHead {
    fn encode(&self) -> Result<Vec<u8>, EncodingError> {
        write(&SnapshotHeadV1 {
            meta: (&self.meta).into(),
            hash: self.hash.to_bytes(),
            mark: self.mark.as_ref().map(MarkV1::from),
            greatest_id: self.greatest_id,
        })
    }

    fn decode(bytes: &[u8]) -> Result<Self, EncodingError> {
        let stored: SnapshotHeadV1 = read(bytes)?;
        Ok(Self {
            meta: SnapshotMeta::try_from(stored.meta)?,
            hash: StateHash::from_bytes(stored.hash),
            mark: stored.mark.map(Mark::from),
            greatest_id: stored.greatest_id,
        })
    }
}

#[derive(Serialize, Deserialize)]
struct AcknowledgedV1 {
    sequence: u64,
    last: Option<LogIdV1>,
    vote: Option<VoteV1>,
}

impl Encoded for (u64, Acknowledged) {
    fn encode(&self) -> Result<Vec<u8>, EncodingError> {
        write(&AcknowledgedV1 {
            sequence: self.0,
            last: self.1.last.as_ref().map(LogIdV1::from),
            vote: self.1.vote.as_ref().map(VoteV1::from),
        })
    }

    fn decode(bytes: &[u8]) -> Result<Self, EncodingError> {
        let stored: AcknowledgedV1 = read(bytes)?;
        let acknowledged =
            Acknowledged { last: stored.last.map(LogId::from), vote: stored.vote.map(Vote::from) };
        Ok((stored.sequence, acknowledged))
    }
}

#[derive(Serialize, Deserialize)]
struct IdentityV1 {
    cluster: String,
    node: u64,
    storage: [u8; 16],
}

impl Encoded for Identity {
    fn encode(&self) -> Result<Vec<u8>, EncodingError> {
        let (cluster, storage) = (self.cluster.clone(), self.storage.0);
        write(&IdentityV1 { cluster, node: self.node, storage })
    }

    fn decode(bytes: &[u8]) -> Result<Self, EncodingError> {
        let stored: IdentityV1 = read(bytes)?;
        let storage = StorageId(stored.storage);
        Ok(Self { cluster: stored.cluster, node: stored.node, storage })
    }
}
