//! The Kubernetes adapter against a real API server.

mod credentials;
mod parity;
mod requests;
mod through_a_cluster;
