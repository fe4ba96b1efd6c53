//! The concrete types this crate gives to the consensus library, named once so that its type parameters appear nowhere
//! else. No behaviour beyond small conversions.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::state_hash::StateHash;

/// The number of a node. It is given out once and never again, also after the node was removed.
pub type NodeId = u64;

/// Names the data directory of a node: drawn at random when the directory is created, and recorded in the membership. A
/// node that lost its directory answers to another one, so that it cannot vote for what it no longer remembers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash, Serialize, Deserialize)]
pub struct StorageId(pub [u8; 16]);

impl StorageId {
    /// Draws a new one.
    pub fn draw() -> Self {
        Self(rand::random())
    }

    /// Reads what [`std::fmt::Display`] wrote: 32 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 32 || !text.is_ascii() {
            return None;
        }
        let mut bytes = [0; 16];
        for (place, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(text.get(place * 2..place * 2 + 2)?, 16).ok()?;
        }
        Some(Self(bytes))
    }
}

impl std::fmt::Display for StorageId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::fmt::Debug for StorageId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// What the cluster knows of one of its nodes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Member {
    /// Where its peers reach it: `host:port`.
    pub address: String,
    /// The data directory it must be running on.
    pub storage: StorageId,
}

/// The state's hash right after the entry at `index` was applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark {
    pub(crate) index: u64,
    pub(crate) hash: StateHash,
}

/// What an entry of the log carries, besides what the consensus library puts there itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum EntryData {
    /// Commands of many callers, and the leader's clock when it gathered them.
    Batch { at_ms: u64, commands: Commands },
    /// The hash that a majority of the voters had at the previous checkpoint, for every node to compare with its own.
    Checkpoint { of: Option<Mark> },
}

/// Commands of one entry. They are read in several places while they are in memory, so copies share them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Vec<u8>>", into = "Vec<Vec<u8>>")]
pub(crate) struct Commands(Arc<[Vec<u8>]>);

impl From<Vec<Vec<u8>>> for Commands {
    fn from(commands: Vec<Vec<u8>>) -> Self {
        Self(commands.into())
    }
}

impl From<Commands> for Vec<Vec<u8>> {
    fn from(commands: Commands) -> Self {
        commands.0.to_vec()
    }
}

impl std::ops::Deref for Commands {
    type Target = [Vec<u8>];

    fn deref(&self) -> &[Vec<u8>] {
        &self.0
    }
}

impl std::fmt::Display for EntryData {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Batch { commands, .. } => write!(f, "batch of {}", commands.len()),
            Self::Checkpoint { of } => write!(f, "checkpoint of {:?}", of.map(|mark| mark.index)),
        }
    }
}

/// The replies to the commands of one entry, in their order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Replies(pub(crate) Vec<Vec<u8>>);

openraft::declare_raft_types!(
    pub(crate) TypeConfig:
        D = EntryData,
        R = Replies,
        Node = Member,
);

pub(crate) type Entry = openraft::alias::EntryOf<TypeConfig>;
pub(crate) type LogId = openraft::alias::LogIdOf<TypeConfig>;
pub(crate) type Vote = openraft::alias::VoteOf<TypeConfig>;
pub(crate) type StoredMembership = openraft::alias::StoredMembershipOf<TypeConfig>;
pub(crate) type SnapshotMeta = openraft::alias::SnapshotMetaOf<TypeConfig>;
pub(crate) type Membership = openraft::Membership<NodeId, Member>;
pub(crate) type Raft = openraft::Raft<TypeConfig, crate::state_machine::StateMachine>;
pub(crate) type Snapshot = openraft::alias::SnapshotOf<TypeConfig, crate::snapshot::SnapshotFile>;
