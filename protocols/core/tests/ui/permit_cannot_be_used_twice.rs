//! Opening a permit consumes it.
use countersign_core::{
    operation::Operation,
    permit::{Leased, Permit},
};

fn twice(permit: Permit, operation: &Operation, first: Leased, second: Leased) {
    let _ = permit.open(operation, first);
    let _ = permit.open(operation, second);
}

fn main() {}
