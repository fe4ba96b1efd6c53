//! A plan comes with a release, or from the gate.
use countersign_core::mask::MaskPlan;

fn forged() -> MaskPlan {
    MaskPlan::default()
}

fn main() {}
