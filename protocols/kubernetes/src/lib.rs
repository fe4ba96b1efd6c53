//! The Kubernetes adapter: what an agent asks of an API server, understood.
//!
//! It has the classification of requests ([`classify`]); nothing here speaks HTTP yet.

pub mod classify;
