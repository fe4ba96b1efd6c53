//! `audit verify FILE`: the proof that an export is whole, changed nowhere, and signed by the cluster. It needs no cluster.
//!
//! Whoever can replace the whole file can sign it with keys of their own: `--key` names a key that was noted elsewhere
//! (`audit keys`), `--head` an event with its hash.

use crate::{
    documents::shown,
    failure::Failure,
    output::{self, Terminal},
};
use anyhow::Context as _;
use countersign_api::audit::export::{Known, Proof, Reading, prove};
use countersign_core::record::{AuditKey, ChainHead};
use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};

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

/// Verifies a file.
pub(super) fn file(path: &Path, known: Known, terminal: &mut Terminal) -> Result<(), Failure> {
    let proof = if path.as_os_str() == "-" {
        proved(std::io::stdin().lock(), known)
    } else {
        let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
        proved(BufReader::new(file), known)
    };
    let proof =
        proof.map_err(|why| Failure::failed(format!("{}: NOT verified: {why}", shown(path))))?;
    terminal.answer(&proof, |proof, _| text(proof))?;
    warn_of_key(&proof, terminal);
    Ok(())
}

fn proved(bytes: impl BufRead, known: Known) -> Result<Proof, String> {
    let (proof, _) = prove(bytes, Reading::new(known)).map_err(|error| error.to_string())?;
    known.is_in(proof.first - 1, &proof).map_err(|error| error.to_string())?;
    Ok(proof)
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
