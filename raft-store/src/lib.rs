//! The replicated state of Countersign: an engine that is agnostic of what commands mean, and the typed state machine on top of it.
//!
//! This file only names the modules. `openraft`, `rocksdb` and `tonic` are used in this crate and nowhere else, and none of
//! their types is part of its public surface.

// The engine: log, storage, network, leases. It moves bytes and knows nothing of holds or policies.
pub mod machine;

// The typed half: commands, apply, stored formats.
pub mod command;
pub mod effect;
pub mod format;
pub mod handle;
pub mod limits;
pub mod records;
pub mod reply;

mod key_space;
mod state;
