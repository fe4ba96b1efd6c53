//! What forward writes comes out of a permit.
use countersign_core::{operation::Operation, permit::Forwardable};

fn forged(operation: &Operation) -> Forwardable<'_> {
    Forwardable { operation }
}

fn main() {}
