//! The one RocksDB of a node: how it is opened, its column families, and writes that either succeed or end the process.
//! It knows nothing of Raft; what lies where is said by the log store and the state machine.

pub(crate) mod measure;
mod state_view;

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamily, ColumnFamilyDescriptor, DB, DBCompressionType,
    DBRecoveryMode, Options, WriteBatch,
};
use tokio::time::Instant;

pub(crate) use state_view::StateView;

use crate::halt::halt;

/// A WAL larger than this makes RocksDB write its memtables out, which bounds recovery at start.
const WAL_BYTES: u64 = 256 << 20;
/// What one column family gathers in memory.
const MEMTABLE_BYTES: usize = 32 << 20;
/// Blocks of table files that are kept in memory, of all families together.
const CACHE_BYTES: usize = 64 << 20;
/// Bits of a filter for each key of a table file: one in a hundred absent keys is looked for in vain.
const FILTER_BITS: f64 = 10.0;
/// The part of what a family gathers in memory that its filter takes.
const MEMTABLE_FILTER: f64 = 0.05;
/// Open table files; RocksDB's default has no bound.
const OPEN_FILES: i32 = 512;
/// RocksDB's own log files that are kept.
const INFO_LOGS: usize = 4;

/// Where in the database something lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// Log entries by index.
    Log,
    /// Small records: vote, applied state, purge point.
    Meta,
    /// One of the two places of the state.
    State(Slot),
}

/// The state lies in one of two column families, so that a snapshot can be installed beside the state in use and taken
/// into use in one atomic step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Slot {
    #[default]
    A,
    B,
}

impl Slot {
    pub(crate) fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

impl Family {
    const ALL: [Self; 4] = [Self::Log, Self::Meta, Self::State(Slot::A), Self::State(Slot::B)];

    fn name(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Meta => "meta",
            Self::State(Slot::A) => "state_a",
            Self::State(Slot::B) => "state_b",
        }
    }
}

/// The database could not be opened or read.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// RocksDB reports a failure.
    #[error("the database failed while {during}")]
    Database {
        /// What was tried.
        during: &'static str,
        /// RocksDB's account.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A column family that was opened is not there.
    #[error("the database lost its column family {0}")]
    FamilyMissing(&'static str),
}

impl DiskError {
    pub(crate) fn during(during: &'static str) -> impl Fn(rocksdb::Error) -> Self {
        move |source| Self::Database { during, source: Box::new(source) }
    }
}

impl From<DiskError> for std::io::Error {
    fn from(error: DiskError) -> Self {
        Self::other(error)
    }
}

/// How many databases this process has open.
static OPEN: AtomicUsize = AtomicUsize::new(0);
/// How often it is looked whether they are closed.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Waits until this process has no database open, at most for `within`. A process that ends with an open one must end by
/// [`end_at_once`](crate::end_at_once): RocksDB's threads would find what they work with destroyed by the exit handlers.
pub fn databases_closed(within: Duration) -> bool {
    let end = Instant::now() + within;
    loop {
        if OPEN.load(Ordering::Acquire) == 0 {
            return true;
        }
        if Instant::now() >= end {
            return false;
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Counts a database from its opening until after its closing.
struct Counted;

impl Counted {
    fn new() -> Self {
        OPEN.fetch_add(1, Ordering::AcqRel);
        Self
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        OPEN.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The open database.
pub(crate) struct Disk {
    db: DB,
    /// Below the database, so that it is dropped after it.
    _counted: Counted,
}

impl std::fmt::Debug for Disk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Disk").field("path", &self.db.path()).finish_non_exhaustive()
    }
}

impl Disk {
    /// Makes the database of a new node.
    pub(crate) fn create(folder: &Path) -> Result<Self, DiskError> {
        let mut options = Options::default();
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        options.set_error_if_exists(true);
        Self::open_with(options, folder)
    }

    /// Opens the database of a known node. One that is not there is not made: it would be a log that forgot everything.
    pub(crate) fn open(folder: &Path) -> Result<Self, DiskError> {
        Self::open_with(Options::default(), folder)
    }

    fn open_with(mut options: Options, folder: &Path) -> Result<Self, DiskError> {
        // The default recovers to a point in time, that is, it drops acknowledged records behind a flipped bit without a
        // word. This mode forgives only an unfinished last record.
        options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
        // Log and state are always written out together, so that no recovery finds one ahead of the other.
        options.set_atomic_flush(true);
        options.set_paranoid_checks(true);
        options.set_max_total_wal_size(WAL_BYTES);
        options.set_max_open_files(OPEN_FILES);
        options.set_keep_log_file_num(INFO_LOGS);
        let mut tables = BlockBasedOptions::default();
        tables.set_block_cache(&Cache::new_lru_cache(CACHE_BYTES));
        // Most keys that a command asks for are not there: operations and requests that nobody knows yet.
        tables.set_bloom_filter(FILTER_BITS, false);
        let families = Family::ALL.map(|family| {
            let mut options = Options::default();
            options.set_block_based_table_factory(&tables);
            options.set_compression_type(DBCompressionType::Lz4);
            options.set_write_buffer_size(MEMTABLE_BYTES);
            // So that an absent key is not looked for in what is still in memory either.
            options.set_memtable_prefix_bloom_ratio(MEMTABLE_FILTER);
            options.set_memtable_whole_key_filtering(true);
            ColumnFamilyDescriptor::new(family.name(), options)
        });
        let db = DB::open_cf_descriptors(&options, folder, families)
            .map_err(DiskError::during("opening"))?;
        Ok(Self { db, _counted: Counted::new() })
    }

    pub(crate) fn db(&self) -> &DB {
        &self.db
    }

    pub(crate) fn family(&self, family: Family) -> Result<&ColumnFamily, DiskError> {
        let name = family.name();
        self.db.cf_handle(name).ok_or(DiskError::FamilyMissing(name))
    }

    /// A record of the meta family.
    pub(crate) fn meta(&self, key: &str) -> Result<Option<Vec<u8>>, DiskError> {
        self.db
            .get_cf(self.family(Family::Meta)?, key)
            .map_err(DiskError::during("reading a record"))
    }

    /// Appends to the WAL without waiting for the disk, or ends the process: after a failed write nobody knows what a
    /// later one would stand on.
    pub(crate) fn write(&self, during: &'static str, batch: WriteBatch) {
        if let Err(error) = self.db.write(batch) {
            halt(during, &error);
        }
    }

    /// Makes everything written so far durable, or ends the process.
    pub(crate) fn sync(&self, during: &'static str) {
        if let Err(error) = self.db.flush_wal(true) {
            halt(during, &error);
        }
    }

    /// Empties a family in two writes, whatever its size.
    pub(crate) fn clear(&self, family: Family) -> Result<(), DiskError> {
        let handle = self.family(family)?;
        let mut ends = self.db.raw_iterator_cf(handle);
        ends.seek_to_first();
        let first = ends.key().map(<[u8]>::to_vec);
        ends.seek_to_last();
        let last = ends.key().map(<[u8]>::to_vec);
        ends.status().map_err(DiskError::during("reading the ends of a family"))?;
        if let (Some(first), Some(last)) = (first, last) {
            let mut batch = WriteBatch::default();
            batch.delete_range_cf(handle, first, last.clone());
            batch.delete_cf(handle, last);
            self.write("clearing a family", batch);
        }
        Ok(())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Closing under running compactions has crashed processes at exit.
        self.db.cancel_all_background_work(true);
    }
}
