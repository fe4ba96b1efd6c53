//! An operation has the fingerprint of what was classified, and no other.
use countersign_core::{
    agent::Workload,
    fingerprint::Fingerprint,
    operation::{Classification, Operation},
    target::Protocol,
};

fn forged(
    fingerprint: Fingerprint,
    protocol: Protocol,
    workload: Workload,
    classification: Classification,
) -> Operation {
    Operation { fingerprint, protocol, workload, classification }
}

fn main() {}
