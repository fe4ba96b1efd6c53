//! An approval admits at most one forward.
use countersign_core::{hold::Approved, mask::MaskPlan, operation::Operation};

fn twice(approved: Approved, operation: &Operation, masks: MaskPlan) {
    let _ = approved.clear(operation, masks.clone());
    let _ = approved.clear(operation, masks);
}

fn main() {}
