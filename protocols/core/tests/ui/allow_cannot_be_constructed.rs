//! A verdict that allows carries a cleared operation, which nobody else can make.
use countersign_core::{
    mask::MaskPlan,
    permit::{Basis, Cleared},
    policy::Verdict,
};

fn forged(basis: Basis, masks: MaskPlan) -> Verdict {
    Verdict::Allow(Cleared { basis, masks })
}

fn main() {}
