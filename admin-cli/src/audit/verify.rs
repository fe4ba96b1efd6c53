//! `audit verify FILE`: the proof that an export is whole. It needs no cluster and believes nothing: every event's hash
//! is computed again, every event must follow from the one before it, and the last must be the head.
//!
//! What it cannot prove alone is that the file's own head was the cluster's: whoever can replace the whole file can write
//! a shorter chain with a fitting head. Compare the head with one that was noted elsewhere (`--head`), or with the
//! cluster's (`audit verify --live`).

use super::chain_file::{FORMAT, Line};
use crate::{
    documents::shown,
    failure::Failure,
    output::{self, Terminal},
};
use anyhow::Context as _;
use countersign_core::record::{AuditEvent, ChainHash, ChainHead, ChainWalk};
use serde::Serialize;
use std::{
    fs::File,
    io::{BufRead, BufReader, Read as _},
    path::Path,
};

/// The longest line: an event with the longest texts.
const MAX_LINE_BYTES: u64 = 64 * 1024 * 1024;

/// What was proved.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Proof {
    pub(super) ok: bool,
    /// Events that were looked at.
    pub(super) events: u64,
    /// The sequence of the first of them.
    pub(super) first: u64,
    /// The sequence and the hash of the last.
    pub(super) sequence: u64,
    pub(super) hash: String,
}

/// Verifies a file.
pub(super) fn file(
    path: &Path,
    head: Option<&str>,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let expected = head.map(parse_head).transpose()?;
    let proof = if path.as_os_str() == "-" {
        verify(std::io::stdin().lock(), expected)
    } else {
        let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
        verify(BufReader::new(file), expected)
    };
    let proof =
        proof.map_err(|why| Failure::failed(format!("{}: NOT verified: {why}", shown(path))))?;
    terminal.answer(&proof, |proof, _| text(proof))
}

/// The proof for people.
pub(super) fn text(proof: &Proof) -> String {
    output::pairs(&[
        (
            "verified",
            format!(
                "{} events, {} to {}, without a gap",
                proof.events, proof.first, proof.sequence
            ),
        ),
        ("head", format!("{}:{}", proof.sequence, proof.hash)),
    ])
}

/// `SEQUENCE:HASH`.
fn parse_head(text: &str) -> Result<ChainHead, Failure> {
    let wrong = || Failure::usage("--head: write SEQUENCE:HASH, as `audit verify` prints it");
    let (sequence, hash) = text.split_once(':').ok_or_else(wrong)?;
    let mut bytes = [0; 32];
    hex::decode_to_slice(hash, &mut bytes).map_err(|_| wrong())?;
    Ok(ChainHead { sequence: sequence.parse().map_err(|_| wrong())?, hash: ChainHash(bytes) })
}

/// Where a file stands after a line.
enum Reading {
    Beginning,
    Events { after: u64, walk: Option<ChainWalk>, cluster: String, events: u64 },
    Ended(Proof),
}

/// Reads the lines one by one, in constant memory.
pub(super) fn verify(
    mut lines: impl BufRead,
    expected: Option<ChainHead>,
) -> Result<Proof, String> {
    let mut reading = Reading::Beginning;
    let mut number = 0_u64;
    loop {
        let mut text = String::new();
        let read = (&mut lines)
            .take(MAX_LINE_BYTES)
            .read_line(&mut text)
            .map_err(|error| error.to_string())?;
        if read == 0 {
            break;
        }
        number += 1;
        let at = |why: String| format!("line {number}: {why}");
        let line = serde_json::from_str(&text)
            .map_err(|error| at(format!("not a line of an export: {error}")))?;
        reading = reading.next(line, expected).map_err(at)?;
    }
    match reading {
        Reading::Ended(proof) => Ok(proof),
        Reading::Beginning => Err("the file is empty".to_owned()),
        Reading::Events { events, .. } => Err(format!(
            "the file was cut short: there are {events} events, and no line with the head"
        )),
    }
}

impl Reading {
    fn next(self, line: Line, expected: Option<ChainHead>) -> Result<Self, String> {
        match (self, line) {
            (Self::Beginning, Line::Export(header)) if header.format == FORMAT => {
                Ok(Self::Events {
                    after: header.after,
                    walk: None,
                    cluster: header.cluster_id,
                    events: 0,
                })
            }
            (Self::Beginning, Line::Export(header)) => {
                Err(format!("the format `{}` is not known", header.format))
            }
            (Self::Beginning, Line::Event(_) | Line::Head(_)) => {
                Err("the line that says what the file is, is missing".to_owned())
            }
            (Self::Events { after, walk, cluster, events }, Line::Event(event)) => {
                let event = AuditEvent::try_from(&event).map_err(|error| error.to_string())?;
                let mut walk = walk.unwrap_or_else(|| start(after, &event));
                walk.step(&event).map_err(|error| error.to_string())?;
                Ok(Self::Events { after, walk: Some(walk), cluster, events: events + 1 })
            }
            (Self::Events { after, walk, cluster, events }, Line::Head(head)) => {
                if head.cluster_id != cluster {
                    return Err("the head is another cluster's".to_owned());
                }
                let said = head.chain_head().ok_or("the head's hash cannot be read")?;
                let walk = walk.unwrap_or_default();
                let end = walk.finish(said).map_err(|error| error.to_string())?;
                agrees(end, expected)?;
                let hash = end.hash.to_string();
                Ok(Self::Ended(Proof {
                    ok: true,
                    events,
                    first: after + 1,
                    sequence: end.sequence,
                    hash,
                }))
            }
            (Self::Events { .. }, Line::Export(_)) => Err("a second export begins".to_owned()),
            (Self::Ended(_), _) => Err("something follows the head".to_owned()),
        }
    }
}

/// A chain from its beginning starts at nothing; a part of one starts at what its first event says it follows.
fn start(after: u64, first: &AuditEvent) -> ChainWalk {
    if after == 0 {
        ChainWalk::default()
    } else {
        ChainWalk::from(ChainHead { sequence: after, hash: first.previous })
    }
}

fn agrees(end: ChainHead, expected: Option<ChainHead>) -> Result<(), String> {
    match expected {
        Some(expected) if expected != end => Err(format!(
            "the chain ends at {}:{}, not at {}:{}",
            end.sequence, end.hash, expected.sequence, expected.hash
        )),
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
