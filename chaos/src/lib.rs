//! Faults, traffic and the checkers of the invariants: the reason to trust Countersign.
//!
//! A run drives real node processes with real clients while it breaks things, and writes down everything that anybody
//! was told ([`history`]). Afterwards the checkers ([`invariant`]) read only what was written down: the target's own
//! table, the audit trail of every node, and what agents and reviewers were answered. They never ask a server.

pub mod cluster;
pub mod fault;
pub mod history;
pub mod invariant;
pub mod model;
pub mod report;
pub mod run;
pub mod target;
pub mod traffic;
