//! The SSH adapter: what an agent asks of a host, understood.
//!
//! It has the classification of command lines ([`classify`]); nothing here speaks SSH yet.

pub mod classify;
