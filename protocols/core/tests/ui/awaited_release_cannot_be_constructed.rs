//! The wait for a receipt comes from a permit that was granted ahead of it.
use countersign_core::{id::OperationId, permit::AwaitedRelease};

fn forged(operation: OperationId) -> AwaitedRelease {
    AwaitedRelease { operation }
}

fn main() {}
