//! The Kubernetes adapter against a real API server.

mod parity;
mod requests;
mod through_a_cluster;
