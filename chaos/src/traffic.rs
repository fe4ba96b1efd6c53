//! Who uses the cluster during a run: agents with unique statements, reviewers who decide at random on random nodes.

pub mod agents;
pub mod client;
pub mod reviewers;
