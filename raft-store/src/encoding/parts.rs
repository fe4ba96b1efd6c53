//! The frozen mirrors of the small values that larger ones are made of, and the way there and back.

use std::collections::{BTreeMap, BTreeSet};

use openraft::vote::RaftLeaderId;
use serde::{Deserialize, Serialize};

use super::EncodingError;
use super::blob::Blob;
use crate::raft_types::{
    Entry, EntryData, LogId, Mark, Member, Membership, SnapshotMeta, StorageId, StoredMembership,
    TypeConfig, Vote,
};
use crate::state_hash::StateHash;

type LeaderId = openraft::alias::LeaderIdOf<TypeConfig>;

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct LogIdV1 {
    term: u64,
    node: u64,
    index: u64,
}

impl From<&LogId> for LogIdV1 {
    fn from(id: &LogId) -> Self {
        Self { term: id.leader_id.term, node: id.leader_id.node_id, index: id.index }
    }
}

impl From<LogIdV1> for LogId {
    fn from(id: LogIdV1) -> Self {
        Self::new(LeaderId::new(id.term, id.node), id.index)
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct VoteV1 {
    term: u64,
    node: u64,
    committed: bool,
}

impl From<&Vote> for VoteV1 {
    fn from(vote: &Vote) -> Self {
        Self { term: vote.leader_id.term, node: vote.leader_id.node_id, committed: vote.committed }
    }
}

impl From<VoteV1> for Vote {
    fn from(vote: VoteV1) -> Self {
        Self { leader_id: LeaderId::new(vote.term, vote.node), committed: vote.committed }
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct MarkV1 {
    index: u64,
    hash: [u8; 32],
}

impl From<&Mark> for MarkV1 {
    fn from(mark: &Mark) -> Self {
        Self { index: mark.index, hash: mark.hash.to_bytes() }
    }
}

impl From<MarkV1> for Mark {
    fn from(mark: MarkV1) -> Self {
        Self { index: mark.index, hash: StateHash::from_bytes(mark.hash) }
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct MemberV1 {
    id: u64,
    address: String,
    storage: [u8; 16],
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct MembershipV1 {
    voters: Vec<Vec<u64>>,
    members: Vec<MemberV1>,
}

impl From<&Membership> for MembershipV1 {
    fn from(membership: &Membership) -> Self {
        let member = |(id, member): (&u64, &Member)| MemberV1 {
            id: *id,
            address: member.address.clone(),
            storage: member.storage.0,
        };
        Self {
            voters: membership
                .get_joint_config()
                .iter()
                .map(|set| set.iter().copied().collect())
                .collect(),
            members: membership.nodes().map(member).collect(),
        }
    }
}

impl TryFrom<MembershipV1> for Membership {
    type Error = EncodingError;

    fn try_from(stored: MembershipV1) -> Result<Self, EncodingError> {
        if stored.voters.is_empty() && stored.members.is_empty() {
            return Ok(Self::default());
        }
        let voters: Vec<BTreeSet<u64>> =
            stored.voters.into_iter().map(|set| set.into_iter().collect()).collect();
        let members: BTreeMap<u64, Member> = stored
            .members
            .into_iter()
            .map(|member| {
                let storage = StorageId(member.storage);
                (member.id, Member { address: member.address, storage })
            })
            .collect();
        Self::new(voters, members)
            .map_err(|_| EncodingError::Impossible("a membership with an unknown voter"))
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoredMembershipV1 {
    log_id: Option<LogIdV1>,
    membership: MembershipV1,
}

impl From<&StoredMembership> for StoredMembershipV1 {
    fn from(stored: &StoredMembership) -> Self {
        Self {
            log_id: stored.log_id().as_ref().map(LogIdV1::from),
            membership: stored.membership().into(),
        }
    }
}

impl TryFrom<StoredMembershipV1> for StoredMembership {
    type Error = EncodingError;

    fn try_from(stored: StoredMembershipV1) -> Result<Self, EncodingError> {
        Ok(Self::new(stored.log_id.map(LogId::from), stored.membership.try_into()?))
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SnapshotMetaV1 {
    last: Option<LogIdV1>,
    membership: StoredMembershipV1,
}

impl From<&SnapshotMeta> for SnapshotMetaV1 {
    fn from(meta: &SnapshotMeta) -> Self {
        Self {
            last: meta.last_log_id.as_ref().map(LogIdV1::from),
            membership: (&meta.last_membership).into(),
        }
    }
}

impl TryFrom<SnapshotMetaV1> for SnapshotMeta {
    type Error = EncodingError;

    fn try_from(meta: SnapshotMetaV1) -> Result<Self, EncodingError> {
        Ok(Self {
            last_log_id: meta.last.map(LogId::from),
            last_membership: meta.membership.try_into()?,
        })
    }
}

#[derive(Debug, Serialize, Deserialize)]
enum PayloadV1<'a> {
    Blank,
    Batch {
        at_ms: u64,
        #[serde(borrow)]
        commands: Vec<Blob<'a>>,
    },
    Checkpoint {
        of: Option<MarkV1>,
    },
    Membership(MembershipV1),
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct EntryV1<'a> {
    id: LogIdV1,
    #[serde(borrow)]
    payload: PayloadV1<'a>,
}

impl<'a> From<&'a Entry> for EntryV1<'a> {
    fn from(entry: &'a Entry) -> Self {
        let payload = match &entry.payload {
            openraft::EntryPayload::Blank => PayloadV1::Blank,
            openraft::EntryPayload::Normal(EntryData::Batch { at_ms, commands }) => {
                PayloadV1::Batch {
                    at_ms: *at_ms,
                    commands: commands.iter().map(|command| Blob::of(command)).collect(),
                }
            }
            openraft::EntryPayload::Normal(EntryData::Checkpoint { of }) => {
                PayloadV1::Checkpoint { of: of.as_ref().map(MarkV1::from) }
            }
            openraft::EntryPayload::Membership(membership) => {
                PayloadV1::Membership(membership.into())
            }
        };
        Self { id: (&entry.log_id).into(), payload }
    }
}

impl EntryV1<'_> {
    pub(super) fn into_entry(self) -> Result<Entry, EncodingError> {
        let payload = match self.payload {
            PayloadV1::Blank => openraft::EntryPayload::Blank,
            PayloadV1::Batch { at_ms, commands } => {
                let commands: Vec<_> = commands.into_iter().map(Blob::into_vec).collect();
                let commands = commands.into();
                openraft::EntryPayload::Normal(EntryData::Batch { at_ms, commands })
            }
            PayloadV1::Checkpoint { of } => {
                openraft::EntryPayload::Normal(EntryData::Checkpoint { of: of.map(Mark::from) })
            }
            PayloadV1::Membership(membership) => {
                openraft::EntryPayload::Membership(membership.try_into()?)
            }
        };
        Ok(Entry { log_id: self.id.into(), payload })
    }
}
