//! The files that notes lie in: a head, then one record behind the other. Whatever of them is whole is carried, also behind
//! damage; of the rest it is said what is known of it, and its file is kept for whoever looks into it. What a crash left
//! unfinished at the end of a file was never acknowledged, but looks like what was.

use super::Noted;
use crate::{command::LostNotes, durable_file, format::Stored};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// What a file begins with.
const MAGIC: &[u8; 8] = b"csnotes1";
/// Magic, book, first sequence, checksum of these.
pub(super) const HEAD_BYTES: usize = 8 + 16 + 8 + 4;
/// Book, sequence, length and checksum in front of a note.
#[cfg(test)]
pub(super) const RECORD_HEAD_BYTES: usize = 16 + 8 + 4 + 4;
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
    /// What was found, in order.
    pub(super) found: Vec<Found>,
    pub(super) end: End,
}

/// Something in a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A note, and the bytes of its record.
    Note { sequence: u64, noted: Noted, bytes: usize },
    /// The place of notes that cannot be read.
    Gap(LostNotes),
}

/// How a file could be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// To its last byte.
    Whole,
    /// With so many bytes at its end that are no note, or none at its end but some before.
    Unreadable { at_its_end: u64 },
}

impl Segment {
    /// Takes the file out of those that are carried, once the log has its notes. One that could not be read whole stays
    /// beside them under another name, which no later file has.
    pub(super) fn put_away(&self) -> io::Result<()> {
        match self.end {
            End::Whole => fs::remove_file(&self.path)?,
            End::Unreadable { .. } => {
                let book = u128::from_be_bytes(self.book);
                fs::rename(&self.path, self.path.with_extension(format!("{book:032x}.damaged")))?;
            }
        }
        self.path.parent().map_or(Ok(()), durable_file::sync_folder)
    }

    /// The sequence behind the last note that was read.
    fn behind(&self) -> u64 {
        let last = self.found.iter().rev().find_map(|found| match found {
            Found::Note { sequence, .. } => Some(sequence.saturating_add(1)),
            Found::Gap(_) => None,
        });
        last.unwrap_or(self.first)
    }

    /// Finds out what is missing at the end, from the sequence that the next file of the book begins with.
    fn count_the_end(&mut self, next: Option<u64>) {
        let behind = self.behind();
        let bytes = match self.end {
            End::Whole => 0,
            End::Unreadable { at_its_end } => at_its_end,
        };
        match next {
            Some(next) if next > behind => {
                let last = Some(next - 1);
                self.found.push(Found::Gap(LostNotes { first: behind, last, bytes }));
                self.end = End::Unreadable { at_its_end: bytes };
            }
            None if bytes > 0 => {
                self.found.push(Found::Gap(LostNotes { first: behind, last: None, bytes }));
            }
            // All that was in the file is known.
            Some(_) | None => {}
        }
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

/// Adds the record of a note to what is going to be written: the book, so that a record can be found behind damage and no
/// text that an agent sends can pass for one; the sequence, length and checksum; the note.
pub(super) fn put(out: &mut Vec<u8>, book: &[u8; 16], sequence: u64, note: &[u8]) {
    // The store refuses longer ones.
    let length = u32::try_from(note.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(book);
    out.extend_from_slice(&sequence.to_le_bytes());
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&checksum(sequence, note).to_le_bytes());
    out.extend_from_slice(note);
}

/// Of sequence and note; a wrong length is a wrong note.
fn checksum(sequence: u64, note: &[u8]) -> u32 {
    let mut hash = crc32fast::Hasher::new();
    hash.update(&sequence.to_le_bytes());
    hash.update(note);
    hash.finalize()
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
    let mut segments: Vec<Segment> =
        files(folder)?.into_iter().map(read).collect::<io::Result<_>>()?;
    let heads: Vec<_> = segments.iter().map(|segment| (segment.book, segment.first)).collect();
    let following = heads.into_iter().skip(1).map(Some).chain([None]);
    for (segment, following) in segments.iter_mut().zip(following) {
        let next = following.filter(|(book, _)| *book == segment.book).map(|(_, first)| first);
        segment.count_the_end(next);
    }
    Ok(segments)
}

fn read(path: PathBuf) -> io::Result<Segment> {
    let bytes = fs::read(&path)?;
    let damaged = || {
        let what = format!("{} is not a file of notes", path.display());
        io::Error::new(io::ErrorKind::InvalidData, what)
    };
    // The head was on the disk before the file had its name.
    let (book, first, rest) = read_head(&bytes).ok_or_else(damaged)?;
    let segment = Segment { path, book, first, found: Vec::new(), end: End::Whole };
    read_records(segment, rest)
}

/// Reads every record that is whole and of its place in the order, wherever it lies.
fn read_records(mut segment: Segment, mut rest: &[u8]) -> io::Result<Segment> {
    let mut skipped = 0;
    while !rest.is_empty() {
        let expected = segment.behind();
        let record = read_record(rest, &segment.book);
        let Some(record) = record.filter(|record| record.sequence >= expected) else {
            let next = find(rest, &segment.book);
            skipped += (rest.len() - next.len()) as u64;
            (segment.end, rest) = (End::Unreadable { at_its_end: 0 }, next);
            continue;
        };
        if record.sequence > expected {
            let last = Some(record.sequence - 1);
            let gap = LostNotes { first: expected, last, bytes: skipped };
            segment.found.push(Found::Gap(gap));
            segment.end = End::Unreadable { at_its_end: 0 };
        }
        // Its checksum is right: it is the note of another version, and not this one's to drop.
        let noted = Noted::decode(record.note).map_err(|error| {
            let path = segment.path.display();
            let what = format!("a note in {path} is of a form not known here: {error}");
            io::Error::new(io::ErrorKind::InvalidData, what)
        })?;
        let bytes = rest.len() - record.behind.len();
        segment.found.push(Found::Note { sequence: record.sequence, noted, bytes });
        (skipped, rest) = (0, record.behind);
    }
    if segment.end != End::Whole {
        segment.end = End::Unreadable { at_its_end: skipped };
        tracing::error!(
            file = %segment.path.display(),
            read_until = segment.behind(),
            bytes_unread_at_its_end = skipped,
            "not every note of reads can be read: cut off while it was written, or damaged; the file is kept"
        );
    }
    Ok(segment)
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

/// A record, and what follows it.
struct Record<'b> {
    sequence: u64,
    note: &'b [u8],
    behind: &'b [u8],
}

fn read_record<'b>(bytes: &'b [u8], of: &[u8; 16]) -> Option<Record<'b>> {
    let (book, rest) = bytes.split_first_chunk::<16>()?;
    let (sequence, rest) = rest.split_first_chunk::<8>()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (sum, rest) = rest.split_first_chunk::<4>()?;
    let sequence = u64::from_le_bytes(*sequence);
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    if book != of || length > MOST_BYTES {
        return None;
    }
    let (note, behind) = rest.split_at_checked(length)?;
    let whole = u32::from_le_bytes(*sum) == checksum(sequence, note);
    whole.then_some(Record { sequence, note, behind })
}

/// The rest of `bytes` from the next place on, behind the first, where a record may begin; nothing where there is none.
fn find<'b>(bytes: &'b [u8], book: &[u8; 16]) -> &'b [u8] {
    let rest = bytes.get(1..).unwrap_or_default();
    let next = rest.windows(book.len()).position(|window| window == book);
    next.and_then(|next| rest.get(next..)).unwrap_or_default()
}
