//! The Kubernetes adapter: what an agent asks of an API server, understood.
//!
//! It has the classification of requests ([`classify`]) with their bodies ([`body`]), and the masking of
//! answers ([`mask`]); nothing here speaks HTTP yet.

pub mod body;
pub mod classify;
pub mod mask;
pub mod request;
