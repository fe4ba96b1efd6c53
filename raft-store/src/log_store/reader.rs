//! Reads entries of the log, in pieces of bounded size. Writes nothing.

use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

use openraft::{OptionalSend, RaftLogReader};
use rocksdb::{Direction, IteratorMode};

use super::tail::Tail;
use super::{index_of, key_of, stored_vote};
use crate::disk::{Disk, DiskError, Family};
use crate::encoding::Encoded;
use crate::raft_types::{Entry, TypeConfig, Vote};

/// What is read at a time for a peer: well below the message limit of the network, and at least one entry.
const PIECE_BYTES: usize = 2 << 20;

/// Where the first entry of a range must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Begin {
    /// Where the range begins.
    Exactly,
    /// There, or behind what was purged.
    BehindThePurged,
}

/// A reader of its own; there are several at a time.
#[derive(Debug, Clone)]
pub(crate) struct LogReader {
    disk: Arc<Disk>,
    tail: Arc<Tail>,
}

impl LogReader {
    pub(super) fn new(disk: Arc<Disk>, tail: Arc<Tail>) -> Self {
        Self { disk, tail }
    }

    /// The entries of `range`, without a gap.
    fn read(
        &self,
        (from, begin): (u64, Begin),
        range: impl RangeBounds<u64>,
        bytes: usize,
    ) -> io::Result<Vec<Entry>> {
        let end = end_of(&range);
        if let Some(entries) = self.tail.read(from, end, bytes) {
            return Ok(entries);
        }
        let (mut entries, mut read) = (Vec::new(), 0);
        let mut expected = match begin {
            Begin::Exactly => Some(from),
            Begin::BehindThePurged => None,
        };
        let start = key_of(from);
        let mode = IteratorMode::From(&start, Direction::Forward);
        for item in self.disk.db().iterator_cf(self.disk.family(Family::Log)?, mode) {
            let (key, value) = item.map_err(DiskError::during("reading the log"))?;
            let index = index_of(&key)?;
            if !range.contains(&index) {
                break;
            }
            if let Some(expected) = expected.filter(|expected| *expected != index) {
                return Err(missing(expected));
            }
            expected = Some(index.saturating_add(1));
            read += value.len();
            if read > bytes && !entries.is_empty() {
                break;
            }
            entries.push(Entry::decode(&value)?);
        }
        Ok(entries)
    }
}

impl RaftLogReader<TypeConfig> for LogReader {
    async fn try_get_log_entries<R: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: R,
    ) -> io::Result<Vec<Entry>> {
        let from = match range.start_bound() {
            Bound::Included(index) => *index,
            Bound::Excluded(index) => index.saturating_add(1),
            Bound::Unbounded => 0,
        };
        self.read((from, Begin::BehindThePurged), range, usize::MAX)
    }

    async fn read_vote(&mut self) -> io::Result<Option<Vote>> {
        stored_vote(&self.disk)
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> io::Result<Vec<Entry>> {
        self.read((start, Begin::Exactly), start..end, PIECE_BYTES)
    }

    async fn entries_stream<R>(
        &mut self,
        range: R,
    ) -> impl futures::Stream<Item = io::Result<Entry>> + OptionalSend
    where
        R: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let from = match range.start_bound() {
            Bound::Included(index) => *index,
            Bound::Excluded(index) => index.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let end = end_of(&range);
        Box::pin(pieces(self.clone(), from, end))
    }
}

/// The entries from `from` to before `end`, read a piece at a time.
fn pieces(
    reader: LogReader,
    from: u64,
    end: u64,
) -> impl futures::Stream<Item = io::Result<Entry>> + Send {
    let begin = (reader, from, Vec::new().into_iter());
    futures::stream::try_unfold(begin, move |(reader, next, mut piece)| async move {
        if let Some(entry) = piece.next() {
            return Ok(Some((entry, (reader, next, piece))));
        }
        if next >= end {
            return Ok(None);
        }
        let mut piece = reader.read((next, Begin::Exactly), next..end, PIECE_BYTES)?.into_iter();
        let next = next + piece.len() as u64;
        Ok(piece.next().map(|entry| (entry, (reader, next, piece))))
    })
}

/// The first index behind a range.
fn end_of(range: &impl RangeBounds<u64>) -> u64 {
    match range.end_bound() {
        Bound::Included(index) => index.saturating_add(1),
        Bound::Excluded(index) => *index,
        Bound::Unbounded => u64::MAX,
    }
}

/// What follows would be taken for its neighbour.
fn missing(index: u64) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the log has no entry {index}"))
}
