//! Only policy and a consumed approval clear an operation.
use countersign_core::{
    mask::MaskPlan,
    permit::{Basis, Cleared},
};

fn forged(basis: Basis, masks: MaskPlan) -> Cleared {
    Cleared::new(basis, masks)
}

fn main() {}
