//! The consensus library's own tests of a store, on this one.

use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use openraft::StorageError;
use openraft::storage::RaftLogStorage;
use openraft::testing::log::{StoreBuilder, Suite};
use openraft::vote::RaftLeaderId;

use super::{Flusher, LogStore, PurgeLimit};
use crate::log_store::FlushTimes;
use crate::machine::{Applied, Batch, Halt, Machine, View};
use crate::raft_types::{LogId, TypeConfig};
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

fn stores(
    purge_limit: u64,
    threads: &FlushThreads,
) -> (tempfile::TempDir, LogStore, StateMachine) {
    let folder = tempfile::tempdir().unwrap();
    let Storage { disk, high_water, snapshots, .. } =
        Storage::open(folder.path(), "blue", 1).unwrap();
    let limit = Arc::new(PurgeLimit::default());
    let snapshots = SnapshotFolder::open(snapshots, limit.clone()).unwrap();
    let state =
        StateMachine::open(disk.clone(), Arc::new(Nothing), snapshots, EffectsSender::new());
    let (flusher, thread) =
        Flusher::start(disk.clone(), high_water, FlushTimes::default()).unwrap();
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
    let id = |index| LogId::new(openraft::alias::LeaderIdOf::<TypeConfig>::new(1, 1), index);
    log.purge(id(5)).await.unwrap();
    assert!(log.purge(id(6)).await.is_err());
    drop((log, state));
    threads.join();
}
