//! The HTTP API of a node: what goes over the wire, and a client of it.
//!
//! The types are the contract of `interfaces.md`: serde reads and writes them, utoipa describes them. Nothing here decides
//! anything, and nothing here serves: the routes are in `countersign-node`.

pub mod agent;
pub mod audit;
pub mod client;
pub mod cluster;
pub mod credential;
pub mod grant;
pub mod hold;
pub mod page;
pub mod policy;
pub mod problem;
pub mod recording;
pub mod resource;
pub mod revocation;
pub mod session;
pub mod snapshot_file;
pub mod ssh_keys;
pub mod time;
pub mod token;
pub mod visible;

pub use client::Client;
pub use problem::Problem;
