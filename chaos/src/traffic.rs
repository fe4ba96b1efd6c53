//! Who uses the cluster during a run: agents with unique statements, reviewers who decide at random on random nodes, an
//! administrator who changes policy and target, visitors who are revoked, and an auditor who notes the head of the chain.

pub mod administrator;
pub mod agents;
pub mod api;
pub mod auditor;
pub mod client;
pub mod reviewers;
mod statements;
pub mod visitors;
