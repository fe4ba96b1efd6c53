//! A lease is looked at, not made.
use countersign_core::permit::Leased;

fn forged() -> Leased {
    Leased(())
}

fn main() {}
