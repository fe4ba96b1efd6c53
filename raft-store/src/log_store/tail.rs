//! The last entries of the log, as they were appended: a leader's peers and the state machine read them here instead of from
//! the disk, without decoding them anew. What is not here is on the disk, and everything here is there too.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::raft_types::{Entry, LogId};

/// Entries that are kept.
const MOST_ENTRIES: usize = 1024;
/// Their encoded bytes, beside those of the last entry.
const MOST_BYTES: usize = 8 << 20;

/// Shared by the log, its readers, and who takes a snapshot into use.
#[derive(Debug, Default)]
pub(super) struct Tail(Mutex<Entries>);

/// Without a gap.
#[derive(Debug, Default)]
struct Entries {
    /// With their encoded bytes.
    kept: VecDeque<(Entry, usize)>,
    bytes: usize,
}

impl Tail {
    /// Nothing panics while it holds the lock.
    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes entries, with the bytes of each, that were written to the disk.
    pub(super) fn append(&self, entries: Vec<(Entry, usize)>) {
        let mut tail = self.lock();
        for (entry, bytes) in entries {
            let follows = tail.kept.back().is_none_or(|(last, _)| {
                last.log_id.index.checked_add(1) == Some(entry.log_id.index)
            });
            if !follows {
                *tail = Entries::default();
            }
            tail.bytes += bytes;
            tail.kept.push_back((entry, bytes));
            while tail.kept.len() > MOST_ENTRIES || tail.bytes > MOST_BYTES && tail.kept.len() > 1 {
                tail.drop_first();
            }
        }
    }

    /// Forgets what lies behind `last`, or everything.
    pub(super) fn truncate_after(&self, last: Option<LogId>) {
        let mut tail = self.lock();
        let leaves = |(entry, _): &mut (Entry, usize)| {
            last.is_none_or(|last| entry.log_id.index > last.index)
        };
        while let Some((_, bytes)) = tail.kept.pop_back_if(leaves) {
            tail.bytes -= bytes;
        }
    }

    /// Forgets everything up to this index. Where that is more than there is, nothing is left that what comes could follow.
    pub(super) fn purge(&self, upto: u64) {
        let mut tail = self.lock();
        while tail.kept.front().is_some_and(|(entry, _)| entry.log_id.index <= upto) {
            tail.drop_first();
        }
    }

    /// The entries from `from` to before `end` that are here, at most so many bytes of them but one at least; none where the
    /// first is not here.
    pub(super) fn read(&self, from: u64, end: u64, most_bytes: usize) -> Option<Vec<Entry>> {
        let tail = self.lock();
        let first = tail.kept.front()?.0.log_id.index;
        let begin = usize::try_from(from.checked_sub(first)?).ok()?;
        let (mut entries, mut bytes) = (Vec::new(), 0);
        for (entry, length) in tail.kept.range(begin.min(tail.kept.len())..) {
            bytes += length;
            if entry.log_id.index >= end || bytes > most_bytes && !entries.is_empty() {
                break;
            }
            entries.push(entry.clone());
        }
        (!entries.is_empty()).then_some(entries)
    }
}

impl Entries {
    fn drop_first(&mut self) {
        if let Some((_, bytes)) = self.kept.pop_front() {
            self.bytes -= bytes;
        }
    }
}

#[cfg(test)]
mod tests;
