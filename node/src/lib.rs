//! The node: identification, the gate, the HTTP API, and what starts and stops them.
//!
//! The way of an operation through this crate is [`identify`] → [`gate`]; the adapters call it through
//! `countersign_core::gate`. Deliberately not here: any protocol of a target, and how the replicated state is kept.

// What agents pass through.
mod archive;
#[cfg(feature = "broken-gate")]
mod broken_gate;
mod bucket;
mod chain;
mod credential;
pub mod expiry;
pub mod gate;
pub mod identify;
pub mod incarnation;
pub mod recording;
pub mod targets;

// What people and other nodes talk to.
pub mod api;
pub mod cluster;
pub mod health;
pub mod metrics;
mod page;

// What starts, configures and stops all of it.
pub mod app;
pub mod arrivals;
pub mod clock;
pub mod config;
mod drain;
pub mod open_files;
mod reference;
pub mod serve;
pub mod shutdown;
mod source;
mod ssh_host_keys;
pub mod ssh_keys;
pub mod telemetry;
pub mod tls;
