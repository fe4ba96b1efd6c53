//! One committed intent makes one permit.
use countersign_core::permit::{Cleared, Permit, Receipt};

fn twice(first: Cleared, second: Cleared, receipt: Receipt) {
    let _ = Permit::grant(first, receipt);
    let _ = Permit::grant(second, receipt);
}

fn main() {}
