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
/// Digits of a digest in the name of a file of a cluster's archive.
const DIGEST_DIGITS: usize = 64;
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
    Ok(of_the_chain(files))
}

/// The number of a file of a cluster's archive, which is named by its number and its digest.
fn number(file: &Path) -> Option<u64> {
    let name = file.file_name()?.to_str()?.strip_suffix(".jsonl.zst")?;
    let (number, digest) = name.split_once('-')?;
    let fits = digest.len() == DIGEST_DIGITS && digest.bytes().all(|c| c.is_ascii_hexdigit());
    fits.then(|| number.parse().ok()).flatten()
}

/// One file of each number. A leader that was lost before the chain had its file leaves it beside the one that the next leader
/// wrote: the chain's is the one that the file behind goes on from. Of the last number any is, and the longest is taken.
fn of_the_chain(files: Vec<PathBuf>) -> Vec<PathBuf> {
    let mut groups: Vec<(Option<u64>, Vec<PathBuf>)> = Vec::new();
    for file in files {
        let number = number(&file);
        match groups.last_mut() {
            Some((known, group)) if number.is_some() && *known == number => group.push(file),
            Some(_) | None => groups.push((number, vec![file])),
        }
    }
    let mut chosen: Vec<PathBuf> = Vec::new();
    for (_, group) in groups.into_iter().rev() {
        // One that stands alone is not read twice: what is wrong with it is said when it is proved.
        if let [_] = group.as_slice() {
            chosen.extend(group);
            continue;
        }
        let next = chosen.last().and_then(|file| proof(file)).map(|next| next.first - 1);
        let ends = group.into_iter().map(|file| (proof(&file).map(|of| of.sequence), file));
        let best = ends.max_by_key(|(end, _)| (end.is_some() && *end == next, *end));
        chosen.extend(best.map(|(_, file)| file));
    }
    chosen.reverse();
    chosen
}

/// What a file proves by itself.
fn proof(file: &Path) -> Option<Proof> {
    let proved = prove(open(file).ok()?, Reading::new(Known::default()), drop);
    proved.ok().map(|(proof, _)| proof)
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
