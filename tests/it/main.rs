//! The integration tests, one binary with a module per theme, so that they are linked once.
//!
//! `tidy` looks at the tree and needs nothing running. Every other module starts its own PostgreSQL and its own cluster of
//! real node processes through `countersign_tests`; nothing here reaches into a node's memory.

#[cfg(test)]
mod api;
#[cfg(test)]
mod archive;
#[cfg(test)]
mod audit_verify;
#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod cancel;
#[cfg(test)]
mod cli;
#[cfg(test)]
mod clients;
#[cfg(test)]
mod decisions;
#[cfg(test)]
mod draining;
#[cfg(test)]
mod joining;
#[cfg(test)]
mod kubernetes;
#[cfg(test)]
mod leader_loss;
#[cfg(test)]
mod leaving;
#[cfg(test)]
mod main_job;
#[cfg(test)]
mod masking;
#[cfg(test)]
mod node_loss;
#[cfg(test)]
mod noted_reads;
#[cfg(test)]
mod ocsf;
#[cfg(test)]
mod page;
#[cfg(test)]
mod policy_change;
#[cfg(test)]
mod postgres_wire;
#[cfg(test)]
mod quorum_loss;
#[cfg(test)]
mod recordings;
#[cfg(test)]
mod recovery;
#[cfg(test)]
mod revocation;
#[cfg(test)]
mod ssh;
#[cfg(test)]
mod streaming;
#[cfg(test)]
mod tidy;
#[cfg(test)]
mod transactions;
