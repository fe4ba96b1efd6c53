//! A permit has one source: a cleared operation and the receipt of its intent.
use countersign_core::{
    fingerprint::Fingerprint,
    id::{OperationId, Revision},
    permit::Permit,
};

fn forged(fingerprint: Fingerprint, operation: OperationId, revision: Revision) -> Permit {
    Permit { fingerprint, operation, revision }
}

fn main() {}
