//! Engines in one process, over real TLS on loopback, with a toy machine.

pub(crate) mod cluster;
mod divergence;
mod failures;
mod handover;
mod members;
mod refusals;
mod replication;
mod storage_rules;
pub(crate) mod toy;
