//! The consensus library's own tests of a store, on this one.

use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use futures::StreamExt;
use openraft::storage::RaftLogStorage;
use openraft::testing::log::{StoreBuilder, Suite};
use openraft::vote::RaftLeaderId;
use openraft::{RaftLogReader, StorageError};
use rocksdb::WriteBatch;

use super::{Flusher, LogStore, PurgeLimit, key_of};
use crate::disk::Family;
use crate::encoding::Encoded;
use crate::log_store::FlushTimes;
use crate::machine::{Applied, Batch, Halt, Machine, View};
use crate::raft_types::{Entry, LogId, TypeConfig};
use crate::snapshot::SnapshotFolder;
use crate::state_machine::{EffectsSender, StateMachine};
use crate::storage::Storage;

struct Nothing;

impl Machine for Nothing {
    fn apply(&self, _: &dyn View, batch: Batch<'_>) -> Result<Applied, Halt> {
        let replies = vec![Vec::new(); batch.commands.len()];
        Ok(Applied { replies, ..Applied::default() })
    }
}

/// The flush threads of the stores that a test opened. Each holds its database open until it ends, and the process must
/// not end with an open one: RocksDB's own threads would find its locks destroyed.
#[derive(Default)]
struct FlushThreads(Mutex<Vec<JoinHandle<()>>>);

impl FlushThreads {
    fn join(self) {
        self.0.into_inner().unwrap().into_iter().for_each(|thread| thread.join().unwrap());
    }
}

fn stores(purge_limit: u64, threads: &FlushThreads) -> (tempfile::TempDir, LogStore, StateMachine) {
    let folder = tempfile::tempdir().unwrap();
    let Storage { disk, high_water, snapshots, .. } =
        Storage::open(folder.path(), "blue", 1).unwrap();
    let limit = Arc::new(PurgeLimit::default());
    let snapshots = SnapshotFolder::open(snapshots, limit.clone()).unwrap();
    let (flusher, thread) =
        Flusher::start(disk.clone(), high_water, FlushTimes::default()).unwrap();
    let state = StateMachine::open(
        disk.clone(),
        Arc::new(Nothing),
        (snapshots, flusher.raiser()),
        EffectsSender::new(),
    );
    threads.0.lock().unwrap().push(thread);
    limit.raise(purge_limit);
    (folder, LogStore::new(disk, flusher, limit), state.unwrap())
}

struct Builder<'a>(&'a FlushThreads);

impl StoreBuilder<TypeConfig, LogStore, StateMachine, tempfile::TempDir> for Builder<'_> {
    async fn build(
        &self,
    ) -> Result<(tempfile::TempDir, LogStore, StateMachine), StorageError<TypeConfig>> {
        // The library's tests purge without snapshots.
        Ok(stores(u64::MAX, self.0))
    }
}

fn id(index: u64) -> LogId {
    LogId::new(openraft::alias::LeaderIdOf::<TypeConfig>::new(1, 1), index)
}

#[tokio::test]
async fn the_librarys_own_tests_pass() {
    let threads = FlushThreads::default();
    Suite::test_all(Builder(&threads)).await.unwrap();
    threads.join();
}

#[tokio::test]
async fn entries_that_no_synced_snapshot_covers_are_not_purged() {
    let threads = FlushThreads::default();
    let (_folder, mut log, state) = stores(5, &threads);
    log.purge(id(5)).await.unwrap();
    assert!(log.purge(id(6)).await.is_err());
    drop((log, state));
    threads.join();
}

#[tokio::test]
async fn an_entry_that_is_missing_is_never_passed_over() {
    let threads = FlushThreads::default();
    let (_folder, mut log, state) = stores(0, &threads);
    for index in [1, 2, 4] {
        let entry = Entry { log_id: id(index), payload: openraft::EntryPayload::Blank };
        let mut batch = WriteBatch::default();
        let family = log.disk.family(Family::Log).unwrap();
        batch.put_cf(family, key_of(index), entry.encode().unwrap());
        log.disk.write("a log with a gap", batch);
    }
    let mut reader = log.get_log_reader().await;
    let indexes = |entries: Vec<Entry>| -> Vec<u64> {
        entries.iter().map(|entry| entry.log_id.index).collect()
    };
    assert_eq!(indexes(reader.limited_get_log_entries(1, 3).await.unwrap()), [1, 2]);
    assert!(reader.limited_get_log_entries(1, 5).await.is_err(), "a gap");
    assert!(reader.limited_get_log_entries(3, 5).await.is_err(), "another beginning");
    assert!(reader.try_get_log_entries(0..5).await.is_err(), "a gap");
    let streamed: Vec<_> = reader.entries_stream(1..5).await.collect().await;
    assert!(streamed.last().unwrap().is_err(), "a gap in a stream");
    // What was purged is no gap.
    assert_eq!(indexes(reader.try_get_log_entries(0..3).await.unwrap()), [1, 2]);
    drop((log, state, reader));
    threads.join();
}
