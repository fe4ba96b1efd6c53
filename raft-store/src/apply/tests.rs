//! The invariants of the state machine, each under its own name, on plain maps.

mod access;
mod archive;
mod audit;
mod batches;
mod bounds;
mod credentials;
mod evidence;
mod harness;
mod holds;
mod nodes;
mod notes;
mod providers;
mod recordings;
mod resources;
mod signing;
mod ssh;
