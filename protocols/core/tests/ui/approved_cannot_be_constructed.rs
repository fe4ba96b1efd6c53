//! An approval is what a committed claim consumed.
use countersign_core::{
    fingerprint::Fingerprint,
    hold::Approved,
    id::{HoldId, OperationId, Revision},
};

fn forged(
    hold: HoldId,
    operation: OperationId,
    fingerprint: Fingerprint,
    revision: Revision,
) -> Approved {
    Approved { hold, operation, fingerprint, revision, rules: Vec::new() }
}

fn main() {}
