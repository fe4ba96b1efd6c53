//! The wait for a receipt comes from a permit that was granted ahead of it.
use countersign_core::{
    id::OperationId,
    mask::MaskPlan,
    permit::{AuditLevel, AwaitedRelease},
};

fn forged(operation: OperationId, audit: AuditLevel, masks: MaskPlan) -> AwaitedRelease {
    AwaitedRelease { operation, audit, masks }
}

fn main() {}
