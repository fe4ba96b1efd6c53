//! The Kubernetes adapter: what an agent asks of an API server, understood.
//!
//! It has the classification of requests ([`classify`]) with their bodies ([`body`]); nothing here speaks HTTP yet.

pub mod body;
pub mod classify;
pub mod request;
