//! A verdict that allows carries a cleared operation, which nobody else can make.
use countersign_core::{
    permit::{Basis, Cleared},
    policy::Verdict,
};

fn forged(basis: Basis) -> Verdict {
    Verdict::Allow(Cleared { basis })
}

fn main() {}
