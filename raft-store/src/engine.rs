//! The engine as the rest of the node sees it: starts the parts in order, hands out what each can do, and stops them in
//! order. It moves bytes; what they mean is the typed half's business.

mod config;
mod membership;
mod segments;
mod start;
mod status;

use std::io;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

pub use config::{EngineConfig, Timings};
pub use membership::{Members, MembershipError};
pub(crate) use segments::Shelf;
pub use segments::{SegmentError, SegmentShelf};
pub use start::StartError;
pub use status::{PeerStatus, Status};

use crate::lease::Lease;
use crate::log_store::FlushTimes;
use crate::machine::{StoreError, View};
use crate::network::{Peers, Tls, TlsError, TlsMaterial};
use crate::progress::Progress;
use crate::proposer::{Committed, ProposeError, Proposer};
use crate::raft_types::{NodeId, Raft, StorageId};
use crate::read_index::{Reader, Unconfirmed};
use crate::state_machine::{Effects, EffectsSender, StateMachine};

/// How long stopping waits for each part.
const STOP: Duration = Duration::from_secs(10);

/// A running member of the replicated state.
pub struct Engine {
    node: NodeId,
    storage: StorageId,
    raft: Raft,
    state: StateMachine,
    proposer: Proposer,
    reader: Reader,
    lease: Lease,
    effects: EffectsSender,
    tls: Arc<Tls>,
    flush_times: FlushTimes,
    disk_p99: Duration,
    peers: Arc<Peers>,
    progress: Progress,
    shelf: Shelf,
    stop: CancellationToken,
    tasks: Mutex<JoinSet<()>>,
    flush_thread: Mutex<Option<JoinHandle<()>>>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("node", &self.node).finish_non_exhaustive()
    }
}

impl Engine {
    /// Has a command committed and applied, wherever the leader is, and returns the state machine's reply.
    ///
    /// The command may be committed although this returns an error, and may be committed more than once: it must carry an
    /// id by which the state machine recognises it.
    ///
    /// # Errors
    /// [`ProposeError`]; only `Full` and `TooLong` say that it was not proposed.
    pub async fn propose(
        &self,
        command: Vec<u8>,
        deadline: Instant,
    ) -> Result<Committed, ProposeError> {
        self.proposer.propose(command, deadline).await
    }

    /// Reads the state of this node as it is now: one consistent picture, with the index it was applied up to. The closure
    /// runs at once on this thread and must be short; a long one belongs on a thread that may block.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    pub fn read<T>(&self, read: impl FnOnce(&dyn View, u64) -> T) -> Result<T, StoreError> {
        self.state
            .read(|view, state| read(view, state.applied.map_or(0, |id| id.index)))
            .map_err(|source| StoreError::Read { what: "the state", source: Box::new(source) })
    }

    /// The index of the last entry applied on this node.
    pub fn applied(&self) -> u64 {
        self.state.applied()
    }

    /// Waits until the entry at `index` is applied on this node.
    ///
    /// # Errors
    /// [`Unconfirmed`] when that does not happen within `within`.
    pub async fn wait_applied(&self, index: u64, within: Duration) -> Result<(), Unconfirmed> {
        self.reader.wait_applied(index, Instant::now() + within).await
    }

    /// Makes the next [`Engine::read`] linearizable: a quorum confirms the leader, and this node applies everything that
    /// was committed before.
    ///
    /// # Errors
    /// [`Unconfirmed`] when that does not happen within `within`.
    pub async fn read_index(&self, within: Duration) -> Result<u64, Unconfirmed> {
        self.reader.read_index(Instant::now() + within).await
    }

    /// The serving lease of this node.
    pub fn lease(&self) -> Lease {
        self.lease.clone()
    }

    /// Subscribes to the effects of the entries that this node applies from now on.
    pub fn effects(&self) -> Effects {
        self.effects.subscribe()
    }

    /// The number of this node.
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// What this node's data directory is called in the membership.
    pub fn storage(&self) -> StorageId {
        self.storage
    }

    /// Uses other certificates from the next connection on.
    ///
    /// # Errors
    /// [`TlsError`]; the material in use then stays in use.
    pub fn replace_tls(&self, material: &TlsMaterial) -> Result<(), TlsError> {
        self.tls.replace(material)
    }

    /// Takes a snapshot now, beside those taken by themselves.
    pub async fn take_snapshot(&self) {
        // It fails only when the consensus library has stopped, and then there is nothing to take.
        drop(self.raft.trigger().snapshot().await);
    }

    /// The state as it is now, as a file. It stays readable when its name is gone.
    ///
    /// # Errors
    /// When the disk cannot be read.
    pub async fn snapshot(&self) -> io::Result<std::fs::File> {
        Ok(self.state.snapshot_now().await?.file)
    }

    /// Stops everything in order: no new work, the peers' streams, the consensus, the tasks, the flush thread. The database
    /// closes when the last reference to this engine is gone; [`databases_closed`](crate::databases_closed) waits for that.
    pub async fn shutdown(&self) {
        self.lease.give_up();
        // Before the consensus: a peer's request that is under way would be told that it has failed.
        self.stop.cancel();
        if timeout(STOP, self.raft.shutdown()).await.is_err() {
            tracing::warn!("the consensus did not stop in time");
        }
        let mut tasks = std::mem::take(&mut *lock(&self.tasks));
        let ended = timeout(STOP, async { while tasks.join_next().await.is_some() {} }).await;
        if ended.is_err() {
            tracing::warn!("a task did not end in time");
            tasks.shutdown().await;
        }
        let thread = lock(&self.flush_thread).take();
        if let Some(thread) = thread {
            join(thread).await;
        }
    }
}

/// Waits for the flush thread, which ends when the consensus has let go of the log.
async fn join(thread: JoinHandle<()>) {
    // A panic of the thread is reported where it happens.
    let joined = tokio::task::spawn_blocking(move || drop(thread.join()));
    if timeout(STOP, joined).await.is_err() {
        tracing::warn!("the flush thread did not end in time");
    }
}

/// Nothing panics while it holds one of these.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
pub(crate) mod tests;
