//! The invariants of the state machine, each under its own name, on plain maps.

mod batches;
mod harness;
mod holds;
mod nodes;
mod resources;
