//! An operation has the fingerprint of what was classified, and no other.
use countersign_core::{
    fingerprint::Fingerprint,
    operation::{Classification, Operation},
    target::Protocol,
};

fn forged(
    fingerprint: Fingerprint,
    protocol: Protocol,
    classification: Classification,
) -> Operation {
    Operation { fingerprint, protocol, classification }
}

fn main() {}
