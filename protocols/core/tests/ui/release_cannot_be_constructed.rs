//! The answer is released by the receipt.
use countersign_core::{id::OperationId, mask::MaskPlan, permit::Release};

fn forged(operation: OperationId, masks: MaskPlan) -> Release {
    Release { operation, masks }
}

fn main() {}
