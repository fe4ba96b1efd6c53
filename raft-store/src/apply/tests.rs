//! The invariants of the state machine, each under its own name, on plain maps.

mod access;
mod approval_bugs;
mod archive;
mod audit;
mod batches;
mod bounds;
mod credentials;
mod evidence;
mod glass;
mod grants;
mod harness;
mod holds;
mod nodes;
mod notes;
mod providers;
mod random;
mod recordings;
mod recovery;
mod resources;
mod reviewers;
mod sharing;
mod signing;
mod ssh;
