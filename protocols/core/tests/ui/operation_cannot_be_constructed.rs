//! An operation has the fingerprint of what was classified, and no other.
use countersign_core::{
    fingerprint::Fingerprint,
    operation::{Classification, Operation},
};

fn forged(fingerprint: Fingerprint, classification: Classification) -> Operation {
    Operation { fingerprint, classification }
}

fn main() {}
