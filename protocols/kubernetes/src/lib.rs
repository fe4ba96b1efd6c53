//! The Kubernetes adapter: what an agent asks of an API server, understood.
//!
//! It has the classification of requests ([`classify`]) with their bodies ([`body`]), the reading of
//! headers ([`headers`]), the masking of answers ([`mask`]), and what is said instead of one ([`status`]); nothing here speaks HTTP yet.

pub mod body;
pub mod classify;
pub mod headers;
pub mod mask;
pub mod request;
pub mod status;
