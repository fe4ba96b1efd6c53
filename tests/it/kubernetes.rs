//! The Kubernetes adapter against a real API server.

mod parity;
mod requests;
