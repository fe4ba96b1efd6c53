//! Where exported events are read from: a file, compressed or not, stdin, or a directory of files that follow each other.

use crate::{documents::shown, failure::Failure};
use anyhow::Context as _;
use countersign_api::audit::export::{Known, Proof, Reading, prove};
use countersign_core::record::AuditEvent;
use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
};

/// How a zstd frame begins (RFC 8878, section 3.1.1).
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// The largest window of a compressed file, as a power of two: what reading one may take of memory.
const MAX_WINDOW_LOG: u32 = 27;
/// How files of a directory end.
const SUFFIXES: [&str; 2] = [".jsonl", ".jsonl.zst"];

/// Opens a file; `-` is stdin.
pub(super) fn open(path: &Path) -> Result<Box<dyn BufRead>, Failure> {
    let plain: Box<dyn BufRead> = if path.as_os_str() == "-" {
        Box::new(std::io::stdin().lock())
    } else {
        let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
        Box::new(BufReader::new(file))
    };
    unpacked(plain).with_context(|| format!("cannot read {}", path.display())).map_err(Into::into)
}

fn unpacked(mut bytes: Box<dyn BufRead>) -> std::io::Result<Box<dyn BufRead>> {
    if !bytes.fill_buf()?.starts_with(&ZSTD) {
        return Ok(bytes);
    }
    let mut packed = zstd::Decoder::with_buffer(bytes)?;
    packed.window_log_max(MAX_WINDOW_LOG)?;
    Ok(Box::new(BufReader::new(packed)))
}

/// The files of a path, in the order of their names, which is that of their events.
fn files(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let unreadable = || format!("cannot read {}", path.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(path).with_context(unreadable)? {
        let file = entry.with_context(unreadable)?.path();
        let name = file.file_name().map(|name| name.to_string_lossy().into_owned());
        if name.is_some_and(|name| SUFFIXES.iter().any(|suffix| name.ends_with(suffix))) {
            files.push(file);
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(Failure::failed(format!("{} has no exports", shown(path))));
    }
    Ok(files)
}

/// Proves everything that a path has, in order, and gives out its events as it goes.
pub(super) fn prove_all(
    path: &Path,
    known: Known,
    mut each: impl FnMut(AuditEvent),
) -> Result<Proof, Failure> {
    let (mut reading, mut whole) = (Reading::new(known), None);
    for file in files(path)? {
        let refused = |why: &dyn std::fmt::Display| {
            Failure::failed(format!("{}: NOT verified: {why}", shown(&file)))
        };
        let (proof, next) =
            prove(open(&file)?, reading, &mut each).map_err(|error| refused(&error))?;
        reading = next;
        whole = Some(match whole {
            None => proof,
            Some(before) => joined(before, proof),
        });
    }
    let proof = whole.ok_or_else(|| Failure::failed("there is nothing to verify"))?;
    known
        .is_in(proof.first - 1, &proof)
        .map_err(|why| Failure::failed(format!("{}: NOT verified: {why}", shown(path))))?;
    Ok(proof)
}

/// What two files that follow each other prove.
fn joined(before: Proof, after: Proof) -> Proof {
    Proof {
        events: before.events + after.events,
        checkpoints: before.checkpoints + after.checkpoints,
        first: before.first,
        ..after
    }
}
