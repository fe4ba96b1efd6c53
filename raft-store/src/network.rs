//! How nodes reach each other: mutual TLS, the peer's number taken from its certificate, and one small gRPC service. What
//! is said is decided by the consensus library and the proposer; here it is only carried, bounded and checked.

mod admission;
mod client;
mod codec;
pub(crate) mod greeting;
mod listener;
mod peer_name;
mod peers;
mod server;
mod tls;

use std::time::Duration;

pub(crate) use admission::Admission;
pub(crate) use client::Network;
pub(crate) use listener::listen;
pub use peer_name::{ClusterName, ClusterNameError};
pub(crate) use peers::{CallError, Lane, Peers};
pub(crate) use server::{Server, ServerParts};
pub(crate) use tls::Tls;
pub use tls::{TlsError, TlsMaterial};

/// The generated half of `proto/peer.proto`.
#[expect(
    unreachable_pub,
    unused_qualifications,
    clippy::pedantic,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    reason = "generated code, documented in the proto file"
)]
pub(crate) mod proto {
    tonic::include_proto!("countersign.peer.v1");
}

/// Establishing a connection, TLS included.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// A connection that does not answer a ping sent this often for this long is dead.
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(1);
/// The longest frame either side accepts: a piece of the log is at most 2 MiB and one entry, a batch at most 1 MiB and
/// one command, which is at most 3 MiB.
pub(crate) const FRAME_BYTES: usize = 8 << 20;
/// Snapshot bytes in one frame.
pub(crate) const SNAPSHOT_FRAME_BYTES: usize = 1 << 20;
/// Header: the node a call is meant for.
pub(crate) const TO: &str = "countersign-to";
/// Header: the data directory that node must be running on.
pub(crate) const STORAGE: &str = "countersign-storage";

#[cfg(test)]
mod tests;
