//! The replicated state of Countersign: an engine that is agnostic of what commands mean, and the typed state machine on top of it.
//!
//! This file only names the modules. `openraft`, `rocksdb` and `tonic` are used in this crate and nowhere else, and none of
//! their types is part of its public surface.

// The engine: log, storage, network, leases. It moves bytes and knows nothing of holds or policies.
mod agreement;
mod checkpoint;
pub mod clock;
mod clocks;
mod disk;
mod durable_file;
mod encoding;
pub mod engine;
mod halt;
mod high_water;
mod identity_file;
mod lease;
mod log_store;
pub mod machine;
mod network;
mod notes;
pub mod offline;
mod progress;
mod proposer;
mod raft_types;
mod read_index;
pub mod recovery;
mod snapshot;
mod state_hash;
mod state_machine;
mod storage;

pub use disk::databases_closed;
pub use engine::{Engine, EngineConfig, StartError};
pub use halt::{HALT_STATUS, end_at_once};
pub use lease::{Lease, LeaseLapsed, LeaseLeft, LeaseTimings};
pub use network::{ClusterName, ClusterNameError, TlsError, TlsMaterial};
pub use proposer::{COMMAND_BYTES, Committed, ProposeError};
pub use raft_types::{Member, NodeId, StorageId};
pub use read_index::Unconfirmed;
pub use state_hash::StateHash;
pub use state_machine::{Effects, EffectsLost};
pub use storage::StorageError;

// The typed half: commands, apply, stored formats.
pub mod command;
pub mod effect;
pub mod format;
pub mod handle;
pub mod limits;
pub mod records;
pub mod reply;

pub mod apply;
mod audit_row;
mod cluster_version;
mod key_space;
mod standing;
mod state;
