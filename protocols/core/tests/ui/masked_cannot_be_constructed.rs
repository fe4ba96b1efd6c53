//! A masked value comes out of a mask plan.
use countersign_core::mask::Masked;

fn forged(bytes: Vec<u8>) -> Masked<Vec<u8>> {
    Masked(bytes)
}

fn main() {}
