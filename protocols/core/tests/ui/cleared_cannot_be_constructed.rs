//! Only policy and a consumed approval clear an operation.
use countersign_core::permit::{Basis, Cleared};

fn forged(basis: Basis) -> Cleared {
    Cleared::new(basis)
}

fn main() {}
