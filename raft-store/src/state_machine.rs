//! The replicated state behind the consensus library's trait: applies entries through the pure [`Machine`], keeps the
//! applied index, membership and hash in the same write as the data, and makes and takes in snapshots.
//!
//! It decides nothing about commands. Work on the database runs on threads that may block.

mod applied_state;
mod apply;
mod effects;
mod recent;
mod snapshots;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::{Stream, TryStreamExt};
use openraft::OptionalSend;
use openraft::storage::{EntryResponder, RaftStateMachine};
use tokio::sync::watch;

pub(crate) use applied_state::{AppliedState, applied_state};
pub(crate) use effects::EffectsSender;
pub use effects::{Effects, EffectsLost};

use crate::disk::{Disk, StateView};
use crate::log_store::Raiser;
use crate::machine::{Machine, View};
use crate::raft_types::{LogId, Snapshot, SnapshotMeta, StoredMembership, TypeConfig};
use crate::snapshot::{SnapshotFile, SnapshotFolder};

/// Entries that are applied in one write at most.
const GROUP: usize = 64;

/// The state of one node. Clones share it; only the consensus library's copy applies.
#[derive(Clone)]
pub(crate) struct StateMachine {
    shared: Arc<Shared>,
}

/// What the state machine shares with readers.
pub(crate) struct Shared {
    disk: Arc<Disk>,
    machine: Arc<dyn Machine>,
    snapshots: SnapshotFolder,
    raiser: Raiser,
    effects: EffectsSender,
    recent: recent::Recent,
    applied: watch::Sender<u64>,
    /// The index at which this node was found to differ.
    diverged: watch::Sender<Option<u64>>,
    /// The greatest node id any membership ever had.
    greatest_id: AtomicU64,
}

impl std::fmt::Debug for StateMachine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StateMachine").field("applied", &self.applied()).finish_non_exhaustive()
    }
}

impl StateMachine {
    /// The state in `disk`.
    pub(crate) fn open(
        disk: Arc<Disk>,
        machine: Arc<dyn Machine>,
        (snapshots, raiser): (SnapshotFolder, Raiser),
        effects: EffectsSender,
    ) -> io::Result<Self> {
        let state = applied_state(&disk)?;
        // What a crash left of a snapshot that was being installed.
        disk.clear(crate::disk::Family::State(state.slot.other()))?;
        machine.replaced(&StateView::current(&disk, state.slot));
        let (applied, _) = watch::channel(state.applied.map_or(0, |id| id.index));
        let (diverged, _) = watch::channel(state.diverged_at);
        let greatest_id = AtomicU64::new(state.greatest_id);
        let recent = recent::Recent::default();
        let shared = Shared {
            disk,
            machine,
            snapshots,
            raiser,
            effects,
            recent,
            applied,
            diverged,
            greatest_id,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The index of the last applied entry.
    pub(crate) fn applied(&self) -> u64 {
        *self.shared.applied.borrow()
    }

    /// Follows the applied index.
    pub(crate) fn watch_applied(&self) -> watch::Receiver<u64> {
        self.shared.applied.subscribe()
    }

    /// Where this node was found to differ from its peers.
    pub(crate) fn diverged_at(&self) -> Option<u64> {
        *self.shared.diverged.borrow()
    }

    /// Follows whether this node differs from its peers.
    pub(crate) fn watch_diverged(&self) -> watch::Receiver<Option<u64>> {
        self.shared.diverged.subscribe()
    }

    /// The greatest node id that was ever given out, as far as this node knows.
    pub(crate) fn greatest_id(&self) -> u64 {
        self.shared.greatest_id.load(Ordering::Acquire)
    }

    /// Shows whether the database is still open.
    #[cfg(test)]
    pub(crate) fn watch_disk(&self) -> std::sync::Weak<Disk> {
        Arc::downgrade(&self.shared.disk)
    }

    /// As if a checkpoint had found a difference.
    #[cfg(test)]
    pub(crate) fn differs_at(&self, index: u64) {
        self.shared.diverged.send_replace(Some(index));
    }

    pub(crate) fn snapshots(&self) -> &SnapshotFolder {
        &self.shared.snapshots
    }

    /// Reads the state as it is now, and shows what else is known at the same instant.
    pub(crate) fn read<T>(
        &self,
        read: impl FnOnce(&dyn View, &AppliedState) -> T,
    ) -> io::Result<T> {
        let snapshot = self.shared.disk.db().snapshot();
        let state = applied_state::at(&self.shared.disk, &snapshot)?;
        Ok(read(&StateView::at(&self.shared.disk, state.slot, &snapshot), &state))
    }
}

/// Runs work on the database where it may block. A panic in it is a defect of this node and ends its Raft.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await?
}

impl RaftStateMachine<TypeConfig> for StateMachine {
    type SnapshotData = SnapshotFile;
    type SnapshotBuilder = Self;

    async fn applied_state(&mut self) -> io::Result<(Option<LogId>, StoredMembership)> {
        let state = applied_state(&self.shared.disk)?;
        Ok((state.applied, state.membership))
    }

    async fn apply<S>(&mut self, mut entries: S) -> io::Result<()>
    where
        S: Stream<Item = io::Result<EntryResponder<TypeConfig>>> + Unpin + OptionalSend,
    {
        loop {
            let (mut group, mut responders) = (Vec::new(), Vec::new());
            while group.len() < GROUP {
                let Some((entry, responder)) = entries.try_next().await? else { break };
                group.push(entry);
                responders.push(responder);
            }
            if group.is_empty() {
                return Ok(());
            }
            let shared = self.shared.clone();
            let replies = blocking(move || shared.apply(&group)).await?;
            for (responder, replies) in responders.into_iter().zip(replies) {
                if let Some(responder) = responder {
                    responder.send(replies);
                }
            }
        }
    }

    async fn get_snapshot_builder(&mut self) -> Self {
        self.clone()
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        file: SnapshotFile,
    ) -> io::Result<()> {
        let (shared, meta) = (self.shared.clone(), meta.clone());
        blocking(move || shared.install(&meta, file)).await
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<Snapshot>> {
        let shared = self.shared.clone();
        blocking(move || Ok(shared.snapshots.newest()?.map(snapshots::as_snapshot))).await
    }
}

#[cfg(test)]
pub(crate) mod tests;
