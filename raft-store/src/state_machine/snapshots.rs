//! Makes a snapshot of the state, and replaces the state by one. Both in bounded memory; a crash at any moment leaves the
//! old state whole.

use std::io;
use std::sync::atomic::Ordering;

use openraft::RaftSnapshotBuilder;
use rocksdb::{IteratorMode, ReadOptions, WriteBatch};

use super::{AppliedState, Shared, StateMachine, applied_state, blocking};
use crate::disk::{DiskError, Family, StateView};
use crate::encoding::Encoded;
use crate::halt::halt;
use crate::log_store;
use crate::raft_types::{Snapshot, SnapshotMeta, TypeConfig};
use crate::snapshot::{SnapshotFile, SnapshotHead, SnapshotReader, SnapshotWriter};

impl RaftSnapshotBuilder<TypeConfig> for StateMachine {
    type SnapshotData = SnapshotFile;

    async fn build_snapshot(&mut self) -> io::Result<Snapshot> {
        let shared = self.shared.clone();
        blocking(move || shared.build().map(as_snapshot)).await
    }
}

/// The consensus library's form of a snapshot file.
pub(super) fn as_snapshot(file: SnapshotFile) -> Snapshot {
    Snapshot { meta: file.head.meta.clone(), snapshot: file }
}

/// A disk that fails to take a snapshot is trusted no more.
fn written<T>(done: io::Result<T>) -> T {
    match done {
        Ok(done) => done,
        Err(error) => halt("writing a snapshot", &error),
    }
}

impl StateMachine {
    /// Makes a snapshot of this instant.
    pub(crate) async fn snapshot_now(&self) -> io::Result<SnapshotFile> {
        let shared = self.shared.clone();
        blocking(move || shared.build()).await
    }

    /// Takes a snapshot into use while nothing else works with the state.
    pub(crate) fn install_alone(&self, file: SnapshotFile) -> io::Result<()> {
        let meta = file.head.meta.clone();
        self.shared.install(&meta, file)
    }
}

impl Shared {
    /// Writes the state of this instant to a file. Applying goes on meanwhile.
    pub(super) fn build(&self) -> io::Result<SnapshotFile> {
        let view = self.disk.db().snapshot();
        let state = applied_state::at(&self.disk, &view)?;
        if let Some(file) = self.snapshots.at(state.applied.as_ref())? {
            return Ok(file);
        }
        let meta = SnapshotMeta { last_log_id: state.applied, last_membership: state.membership };
        let head = SnapshotHead {
            meta,
            hash: state.hash,
            mark: state.mark,
            greatest_id: state.greatest_id,
        };
        let (path, file) = self.snapshots.draft()?;
        let mut writer = written(SnapshotWriter::new(file, &head));
        let family = self.disk.family(Family::State(state.slot))?;
        let mut options = ReadOptions::default();
        // A scan of everything would push out what is in use.
        options.fill_cache(false);
        for pair in view.iterator_cf_opt(family, options, IteratorMode::Start) {
            let (key, value) = pair.map_err(DiskError::during("reading the state"))?;
            written(writer.pair(&key, &value));
        }
        let file = written(writer.finish());
        self.snapshots.adopt(SnapshotFile { path, file, head })
    }

    /// Loads a snapshot beside the state in use, and takes it into use in one step.
    pub(super) fn install(&self, meta: &SnapshotMeta, file: SnapshotFile) -> io::Result<()> {
        if file.head.meta != *meta {
            return Err(io::Error::other("the snapshot is not the one that was announced"));
        }
        let file = self.snapshots.adopt(file)?;
        let old = applied_state(&self.disk)?;
        let state = AppliedState {
            applied: meta.last_log_id,
            membership: meta.last_membership.clone(),
            hash: file.head.hash,
            mark: file.head.mark,
            diverged_at: None,
            greatest_id: file.head.greatest_id,
            slot: old.slot.other(),
        };
        self.load(&state, &file)?;
        let mut batch = WriteBatch::default();
        batch.put_cf(self.disk.family(Family::Meta)?, applied_state::KEY, state.encode()?);
        if let Some(last) = meta.last_log_id {
            log_store::put_purge(&self.disk, &mut batch, last)?;
        }
        self.disk.write("taking a snapshot into use", batch);
        self.recent.forget();
        // At once: from here on readers see the new state, and what was believed of the old one must not outlast it.
        self.machine.replaced(&StateView::current(&self.disk, state.slot));
        self.disk.sync("syncing a snapshot");
        if let Some(last) = meta.last_log_id {
            // The leader counts on what the snapshot covers as if this node had appended it.
            self.raiser.raise(last)?;
        }
        self.diverged.send_replace(None);
        self.greatest_id.fetch_max(state.greatest_id, Ordering::AcqRel);
        let index = state.applied.map_or(0, |id| id.index);
        self.effects.skip(index);
        self.applied.send_replace(index);
        self.disk.clear(Family::State(old.slot))?;
        Ok(())
    }

    /// Fills the unused place chunk by chunk. The reader fails at the end if anything was wrong with the file.
    pub(super) fn load(&self, state: &AppliedState, file: &SnapshotFile) -> io::Result<()> {
        let place = Family::State(state.slot);
        self.disk.clear(place)?;
        let family = self.disk.family(place)?;
        let mut reader = SnapshotReader::new(file.file.try_clone()?)?;
        while let Some(pairs) = reader.chunk()? {
            let mut batch = WriteBatch::default();
            for (key, value) in pairs {
                batch.put_cf(family, key, value);
            }
            self.disk.write("loading a snapshot", batch);
        }
        Ok(())
    }
}
