//! Engines in one process, over real TLS on loopback, with a toy machine.

mod cluster;
mod failures;
mod refusals;
mod replication;
mod storage_rules;
mod toy;
