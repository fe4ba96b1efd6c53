//! What is recorded without anybody waiting for it: outcomes, parked holds, closed sessions. Each is tried until the log has
//! taken it or this node stops; the queue is bounded, and outcomes push back on their sessions when it is full. What is
//! lost with the node is settled by its next incarnation.

mod write;

use countersign_core::{
    gate::Settlement,
    id::{OperationId, SessionId},
    record::Outcome,
};
use countersign_raft_store::{
    command::{AccessRefused, CloseSession, ParkHold},
    handle::Store,
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{Notify, Semaphore, mpsc},
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use write::Write;

/// Entries that wait for their turn.
const QUEUE: usize = 8192;
/// Entries under way at a time; the log gathers them into few.
const CONCURRENT: usize = 512;
/// How long a shutdown waits for what is under way.
const FLUSH_WITHIN: Duration = Duration::from_secs(3);
/// How long the closing of a session waits for the outcomes of its operations.
const CLOSE_WAITS: Duration = Duration::from_secs(5);

/// The journal of a node. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Journal {
    queue: mpsc::Sender<Entry>,
    open: Arc<Open>,
}

/// An entry, counted as open until it is dropped.
#[derive(Debug)]
struct Entry {
    write: Write,
    session: Option<SessionId>,
    open: Arc<Open>,
}

/// What is not recorded yet: a count for each session with outcomes on their way, and one for all entries.
#[derive(Debug, Default)]
struct Open {
    counts: Mutex<HashMap<Option<SessionId>, usize>>,
    changed: Notify,
}

impl Journal {
    /// A journal whose writer runs until `stop`.
    pub(super) fn start(store: Store, stop: CancellationToken) -> Self {
        let (queue, entries) = mpsc::channel(QUEUE);
        tokio::spawn(run(store, entries, stop));
        Self { queue, open: Arc::default() }
    }

    /// Records what became of an operation; waits while the queue is full.
    pub(super) async fn settle(&self, session: SessionId, settlement: Settlement) {
        let entry = self.entry(Write::Outcome(settlement), Some(session));
        if self.queue.send(entry).await.is_err() {
            tracing::warn!(session.id = %session, "an outcome was not recorded: the node has stopped");
        }
    }

    /// Records that nobody waits for a hold any more.
    pub(super) fn park(&self, park: ParkHold) {
        self.try_send(self.entry(Write::Park(park), None));
    }

    /// Records that a session is closed, after the outcomes of its operations.
    pub(super) fn close(&self, close: CloseSession) {
        self.try_send(self.entry(Write::Close(close), None));
    }

    /// Records that somebody was not let in.
    pub(super) fn access_refused(&self, refused: AccessRefused) {
        self.try_send(self.entry(Write::AccessRefused(refused), None));
    }

    /// A guard for an operation whose intent may be in the log and that is not forwarded: dropped, it says so there.
    pub(super) fn unforwarded(&self, session: SessionId, operation: OperationId) -> Unforwarded {
        Unforwarded { journal: self.clone(), session, operation: Some(operation) }
    }

    /// Waits, for a bounded time, until everything is recorded.
    pub(super) async fn flush(&self) {
        if timeout(FLUSH_WITHIN, self.open.none_of(None)).await.is_err() {
            tracing::warn!("not everything was recorded before the node stopped; its next start settles the rest");
        }
    }

    fn entry(&self, write: Write, session: Option<SessionId>) -> Entry {
        self.open.add(None);
        if session.is_some() {
            self.open.add(session);
        }
        Entry { write, session, open: Arc::clone(&self.open) }
    }

    fn try_send(&self, entry: Entry) {
        if let Err(error) = self.queue.try_send(entry) {
            tracing::warn!(limit = "journal", "not recorded: {error}");
        }
    }
}

async fn run(store: Store, mut entries: mpsc::Receiver<Entry>, stop: CancellationToken) {
    let places = Arc::new(Semaphore::new(CONCURRENT));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let entry = tokio::select! {
            entry = entries.recv() => entry,
            () = stop.cancelled() => return,
        };
        let Some(entry) = entry else { return };
        let (store, stop) = (store.clone(), stop.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = record(&store, &entry) => {}
                () = stop.cancelled() => {}
            }
            drop(place);
        });
    }
}

async fn record(store: &Store, entry: &Entry) {
    if let Write::Close(close) = &entry.write {
        // In order where it can be had; when the log is slow, the session is closed all the same.
        drop(timeout(CLOSE_WAITS, entry.open.none_of(Some(close.id))).await);
    }
    entry.write.until_recorded(store).await;
}

impl Open {
    fn add(&self, of: Option<SessionId>) {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner).entry(of).or_default() += 1;
    }

    fn remove(&self, of: Option<SessionId>) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&of) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                counts.remove(&of);
            }
        }
        drop(counts);
        self.changed.notify_waiters();
    }

    async fn none_of(&self, of: Option<SessionId>) {
        loop {
            // Listening begins before the look, so that no change falls between.
            let changed = self.changed.notified();
            if !self.counts.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&of) {
                return;
            }
            changed.await;
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if self.session.is_some() {
            self.open.remove(self.session);
        }
        self.open.remove(None);
    }
}

/// See [`Journal::unforwarded`].
#[derive(Debug)]
#[must_use = "dropping it records that the operation is not forwarded"]
pub(super) struct Unforwarded {
    journal: Journal,
    session: SessionId,
    operation: Option<OperationId>,
}

impl Unforwarded {
    /// The operation is forwarded now by somebody who settles it, or its intent is not in the log for certain.
    pub(super) fn forget(mut self) {
        self.operation = None;
    }
}

impl Drop for Unforwarded {
    fn drop(&mut self) {
        let Some(operation) = self.operation.take() else { return };
        let settlement = Settlement {
            operation,
            outcome: Outcome::Refused,
            rows: 0,
            bytes: 0,
            word: "not_forwarded".to_owned(),
        };
        let entry = self.journal.entry(Write::Outcome(settlement), Some(self.session));
        self.journal.try_send(entry);
    }
}
