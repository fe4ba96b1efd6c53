//! The Raft log and the vote in the database, behind the consensus library's storage trait. Appends are readable at once
//! and acknowledged by the flush thread after a sync; nothing here acknowledges by itself.

mod flush;
mod reader;
mod tail;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use openraft::storage::{IOFlushed, RaftLogStorage};
use openraft::{LogState, OptionalSend};
use rocksdb::{IteratorMode, WriteBatch};

pub(crate) use flush::{FlushTimes, Flusher, Raiser};
pub(crate) use reader::LogReader;

use crate::disk::{Disk, DiskError, Family};
use crate::encoding::Encoded;
use crate::raft_types::{Entry, LogId, TypeConfig, Vote};
use tail::Tail;

const VOTE: &str = "vote";
const PURGED: &str = "purged";
const COMMITTED: &str = "committed";
/// Entries that are committed between two records of how far the log is.
const COMMITTED_EVERY: u64 = 64;

/// The log of one node.
#[derive(Debug)]
pub(crate) struct LogStore {
    disk: Arc<Disk>,
    flusher: Flusher,
    purge_limit: Arc<PurgeLimit>,
    tail: Arc<Tail>,
    committed: Committed,
}

/// How far the log is known to be committed. That is only kept so that a start need not learn it from the leader, so it is
/// written down now and then.
#[derive(Debug, Default)]
struct Committed {
    known: Option<LogId>,
    written: Option<LogId>,
}

/// Up to where the log may be purged: the last entry that a synced snapshot on this node covers.
#[derive(Debug, Default)]
pub(crate) struct PurgeLimit(AtomicU64);

impl PurgeLimit {
    /// A snapshot that ends at `index` is on the disk.
    pub(crate) fn raise(&self, index: u64) {
        self.0.fetch_max(index, Ordering::AcqRel);
    }

    fn allows(&self, index: u64) -> bool {
        index <= self.0.load(Ordering::Acquire)
    }
}

impl LogStore {
    pub(crate) fn new(disk: Arc<Disk>, flusher: Flusher, purge_limit: Arc<PurgeLimit>) -> Self {
        let tail = flusher.tail();
        Self { disk, flusher, purge_limit, tail, committed: Committed::default() }
    }

    fn put(&self, key: &str, value: &impl Encoded) -> io::Result<()> {
        let mut batch = WriteBatch::default();
        batch.put_cf(self.disk.family(Family::Meta)?, key, value.encode()?);
        self.disk.write("writing a record of the log", batch);
        Ok(())
    }
}

/// The key of an entry: its index, most significant byte first, so that keys sort as indexes do.
pub(crate) fn key_of(index: u64) -> [u8; 8] {
    index.to_be_bytes()
}

/// The inverse of [`key_of`].
pub(crate) fn index_of(key: &[u8]) -> Result<u64, DiskError> {
    key.try_into().map(u64::from_be_bytes).map_err(|error| DiskError::Database {
        during: "reading a key of the log",
        source: Box::new(error),
    })
}

/// The vote on the disk.
pub(crate) fn stored_vote(disk: &Disk) -> io::Result<Option<Vote>> {
    Ok(disk.meta(VOTE)?.map(|bytes| Vote::decode(&bytes)).transpose()?)
}

/// Adds a vote to `batch`.
pub(crate) fn put_vote(disk: &Disk, batch: &mut WriteBatch, vote: &Vote) -> io::Result<()> {
    batch.put_cf(disk.family(Family::Meta)?, VOTE, vote.encode()?);
    Ok(())
}

/// The last entry that was purged.
pub(crate) fn purged(disk: &Disk) -> io::Result<Option<LogId>> {
    Ok(disk.meta(PURGED)?.map(|bytes| LogId::decode(&bytes)).transpose()?)
}

/// Adds to `batch` that everything up to `upto` leaves the log.
pub(crate) fn put_purge(disk: &Disk, batch: &mut WriteBatch, upto: LogId) -> io::Result<()> {
    if purged(disk)? < Some(upto) {
        batch.put_cf(disk.family(Family::Meta)?, PURGED, upto.encode()?);
    }
    let log = disk.family(Family::Log)?;
    batch.delete_range_cf(log, key_of(0), key_of(upto.index.saturating_add(1)));
    Ok(())
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = LogReader;

    async fn get_log_state(&mut self) -> io::Result<LogState<TypeConfig>> {
        let purged = purged(&self.disk)?;
        let end =
            self.disk.db().iterator_cf(self.disk.family(Family::Log)?, IteratorMode::End).next();
        let last = match end {
            None => purged,
            Some(item) => {
                let (_, value) = item.map_err(DiskError::during("reading the end of the log"))?;
                Some(Entry::decode(&value)?.log_id)
            }
        };
        Ok(LogState { last_purged_log_id: purged, last_log_id: last })
    }

    async fn get_log_reader(&mut self) -> LogReader {
        LogReader::new(self.disk.clone(), self.tail.clone())
    }

    async fn save_vote(&mut self, vote: &Vote) -> io::Result<()> {
        self.put(VOTE, vote)?;
        self.flusher.vote(*vote).await
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> io::Result<()> {
        self.committed.known = committed;
        let Some(id) = committed else { return Ok(()) };
        let lately = |written: LogId| {
            written <= id && id.index < written.index.saturating_add(COMMITTED_EVERY)
        };
        if self.committed.written.is_some_and(lately) {
            return Ok(());
        }
        self.committed.written = Some(id);
        // Not synced: it only saves work at start, and a lost one is learnt again from the leader.
        self.put(COMMITTED, &id)
    }

    async fn read_committed(&mut self) -> io::Result<Option<LogId>> {
        if self.committed.known.is_some() {
            return Ok(self.committed.known);
        }
        Ok(self.disk.meta(COMMITTED)?.map(|bytes| LogId::decode(&bytes)).transpose()?)
    }

    async fn append<I>(&mut self, entries: I, done: IOFlushed<TypeConfig>) -> io::Result<()>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut batch = WriteBatch::default();
        let mut appended = Vec::new();
        for entry in entries {
            let bytes = entry.encode()?;
            batch.put_cf(self.disk.family(Family::Log)?, key_of(entry.log_id.index), &bytes);
            appended.push((entry, bytes.len()));
        }
        let last = appended.last().map(|(entry, _)| entry.log_id);
        self.disk.write("appending to the log", batch);
        self.tail.append(appended);
        self.flusher.append(last, done).await
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> io::Result<()> {
        // The high-water file first: after a crash in between, the log is longer than promised, which is no harm.
        self.flusher.lower(last).await?;
        self.tail.truncate_after(last);
        let from = last.map_or(0, |id| id.index + 1);
        let mut batch = WriteBatch::default();
        batch.delete_range_cf(self.disk.family(Family::Log)?, key_of(from), key_of(u64::MAX));
        self.disk.write("truncating the log", batch);
        Ok(())
    }

    async fn purge(&mut self, upto: LogId) -> io::Result<()> {
        if !self.purge_limit.allows(upto.index) {
            return Err(io::Error::other("entries that no synced snapshot covers are not purged"));
        }
        self.tail.purge(upto.index);
        let mut batch = WriteBatch::default();
        put_purge(&self.disk, &mut batch, upto)?;
        self.disk.write("purging the log", batch);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
