//! `audit verify FILE`: the proof that an export is whole, changed nowhere, and signed by the cluster. It needs no cluster.
//!
//! Whoever can replace the whole file can sign it with keys of their own: `--key` names a key that was noted elsewhere
//! (`audit keys`), `--head` an event with its hash.

use super::source;
use crate::{
    failure::Failure,
    output::{self, Terminal},
};
use countersign_api::audit::export::{Known, Proof};
use countersign_core::record::{AuditKey, ChainHead};
use std::path::Path;

/// What the command line says is known.
pub(super) fn known(head: Option<&str>, key: Option<&str>) -> Result<Known, Failure> {
    let key = key.map(|text| {
        text.parse::<AuditKey>()
            .map_err(|error| Failure::usage(format!("--key: {error}, as `audit keys` prints them")))
    });
    Ok(Known { key: key.transpose()?, head: head.map(parse_head).transpose()? })
}

/// `SEQUENCE:HASH`.
fn parse_head(text: &str) -> Result<ChainHead, Failure> {
    let wrong = || Failure::usage("--head: write SEQUENCE:HASH, as `audit verify` prints it");
    let (sequence, hash) = text.split_once(':').ok_or_else(wrong)?;
    let sequence = sequence.parse().map_err(|_| wrong())?;
    Ok(ChainHead { sequence, hash: hash.parse().map_err(|_| wrong())? })
}

/// Verifies a file, or the files of a directory.
pub(super) fn path(path: &Path, known: Known, terminal: &mut Terminal) -> Result<(), Failure> {
    let proof = source::prove_all(path, known, drop)?;
    terminal.answer(&proof, |proof, _| text(proof))?;
    warn_of_key(&proof, terminal);
    Ok(())
}

/// Says what a proof without a key that is known does not prove.
pub(super) fn warn_of_key(proof: &Proof, terminal: &mut Terminal) {
    if !proof.key_known {
        terminal.warn(
            "nothing says that this key is the cluster's: compare it with one that you have noted, or name that one with --key",
        );
    }
}

/// The proof for people.
pub(super) fn text(proof: &Proof) -> String {
    let Proof { events, checkpoints, first, sequence, .. } = proof;
    output::pairs(&[
        ("verified", format!("{events} events, {first} to {sequence}, without a gap")),
        ("checkpoints", checkpoints.to_string()),
        ("head", format!("{sequence}:{}", proof.hash)),
        ("signed", proof.at.to_string()),
        ("key", proof.key.clone()),
        ("cluster", proof.cluster_id.clone()),
    ])
}
