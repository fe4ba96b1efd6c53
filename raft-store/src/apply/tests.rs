//! Invariants of the state machine, each under its own name.
