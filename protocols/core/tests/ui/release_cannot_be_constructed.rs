//! The answer is released by the receipt.
use countersign_core::{id::OperationId, permit::Release};

fn forged(operation: OperationId) -> Release {
    Release { operation }
}

fn main() {}
