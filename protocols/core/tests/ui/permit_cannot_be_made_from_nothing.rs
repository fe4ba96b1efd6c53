//! A permit has one source: a cleared operation and the receipt of its intent.
use countersign_core::{fingerprint::Fingerprint, id::OperationId, permit::Permit};

fn forged(fingerprint: Fingerprint, operation: OperationId) -> Permit {
    Permit { fingerprint, operation }
}

fn main() {}
