//! The files that notes lie in: a head, then one record behind the other. What a crash left unfinished at the end of a file
//! was never acknowledged; what cannot be read for another reason is said, and its file is kept for whoever looks into it.

use super::Intent;
use crate::{durable_file, format::Stored};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// What a file begins with.
const MAGIC: &[u8; 8] = b"csnotes1";
/// Magic, book, first sequence, checksum of these.
pub(super) const HEAD_BYTES: usize = 8 + 16 + 8 + 4;
/// Length and checksum in front of a note.
const RECORD_HEAD_BYTES: usize = 8;
/// The longest note.
const MOST_BYTES: usize = crate::COMMAND_BYTES;
/// The ending of the files.
const ENDING: &str = "notes";

/// Notes that an earlier start has left.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) path: PathBuf,
    pub(super) book: [u8; 16],
    /// The sequence of the first one.
    pub(super) first: u64,
    pub(super) intents: Vec<Intent>,
    pub(super) end: End,
}

/// How a file ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// With its last note.
    Whole,
    /// In what is no note: cut off while it was written, or damaged.
    Unreadable,
}

impl Segment {
    /// Takes the file out of those that are carried, once the log has its notes. One that could not be read whole stays
    /// beside them under another name, which no later file has.
    pub(super) fn put_away(&self) -> io::Result<()> {
        match self.end {
            End::Whole => fs::remove_file(&self.path)?,
            End::Unreadable => {
                let book = u128::from_be_bytes(self.book);
                fs::rename(&self.path, self.path.with_extension(format!("{book:032x}.damaged")))?;
            }
        }
        self.path.parent().map_or(Ok(()), durable_file::sync_folder)
    }
}

/// The head of a file.
pub(super) fn head(book: &[u8; 16], first: u64) -> Vec<u8> {
    let mut head = Vec::with_capacity(HEAD_BYTES);
    head.extend_from_slice(MAGIC);
    head.extend_from_slice(book);
    head.extend_from_slice(&first.to_le_bytes());
    head.extend_from_slice(&crc32fast::hash(&head).to_le_bytes());
    head
}

/// Adds a note to what is going to be written.
pub(super) fn put(out: &mut Vec<u8>, note: &[u8]) {
    // The store refuses longer ones.
    let length = u32::try_from(note.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&crc32fast::hash(note).to_le_bytes());
    out.extend_from_slice(note);
}

/// Where the file of the start `number`, which begins with the note `first`, lies. Names sort as the files were made.
pub(super) fn path(folder: &Path, number: u64, first: u64) -> PathBuf {
    folder.join(format!("{number:016x}-{first:016x}.{ENDING}"))
}

/// The number of the start that made a file.
fn number(path: &Path) -> Option<u64> {
    let (number, _first) = path.file_stem()?.to_str()?.split_once('-')?;
    u64::from_str_radix(number, 16).ok()
}

/// The number of a start behind all that have left files here.
pub(super) fn next_number(folder: &Path) -> io::Result<u64> {
    Ok(files(folder)?.iter().filter_map(|path| number(path)).max().unwrap_or(0).saturating_add(1))
}

fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == ENDING) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// What earlier starts have left, in order. Makes the folder of a new node.
pub(super) fn left_behind(folder: &Path) -> io::Result<Vec<Segment>> {
    fs::create_dir_all(folder)?;
    if let Some(parent) = folder.parent() {
        durable_file::sync_folder(parent)?;
    }
    durable_file::remove_partial(folder)?;
    files(folder)?.into_iter().map(read).collect()
}

fn read(path: PathBuf) -> io::Result<Segment> {
    let bytes = fs::read(&path)?;
    let damaged = || {
        let what = format!("{} is not a file of notes", path.display());
        io::Error::new(io::ErrorKind::InvalidData, what)
    };
    // The head was on the disk before the file had its name.
    let (book, first, mut rest) = read_head(&bytes).ok_or_else(damaged)?;
    let (mut intents, mut end) = (Vec::new(), End::Whole);
    while !rest.is_empty() {
        let Some((note, behind)) = read_record(rest) else {
            tracing::error!(
                file = %path.display(),
                read = intents.len(),
                bytes_unread = rest.len(),
                "notes of reads end in what cannot be read: cut off while it was written, or damaged; the file is kept"
            );
            end = End::Unreadable;
            break;
        };
        // Its checksum is right: it is the note of another version, and not this one's to drop.
        intents.push(Intent::decode(note).map_err(|error| {
            let what = format!("a note in {} is of a form not known here: {error}", path.display());
            io::Error::new(io::ErrorKind::InvalidData, what)
        })?);
        rest = behind;
    }
    Ok(Segment { path, book, first, intents, end })
}

fn read_head(bytes: &[u8]) -> Option<([u8; 16], u64, &[u8])> {
    let (head, rest) = bytes.split_at_checked(HEAD_BYTES)?;
    let (body, checksum) = head.split_last_chunk::<4>()?;
    let (magic, body) = body.split_first_chunk::<8>()?;
    let (book, first) = body.split_first_chunk::<16>()?;
    let whole = magic == MAGIC
        && u32::from_le_bytes(*checksum) == crc32fast::hash(head.get(..HEAD_BYTES - 4)?);
    whole.then_some((*book, u64::from_le_bytes(first.try_into().ok()?), rest))
}

fn read_record(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<RECORD_HEAD_BYTES>()?;
    let (length, checksum) = head.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    if length > MOST_BYTES {
        return None;
    }
    let (note, behind) = rest.split_at_checked(length)?;
    if u32::from_le_bytes(checksum.try_into().ok()?) != crc32fast::hash(note) {
        return None;
    }
    Some((note, behind))
}
