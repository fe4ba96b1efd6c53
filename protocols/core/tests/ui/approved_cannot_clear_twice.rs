//! An approval admits at most one forward.
use countersign_core::{hold::Approved, operation::Operation};

fn twice(approved: Approved, operation: &Operation) {
    let _ = approved.clear(operation);
    let _ = approved.clear(operation);
}

fn main() {}
