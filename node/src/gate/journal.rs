//! What is recorded without anybody waiting for it: outcomes, parked holds, closed sessions. Each is tried until the log has
//! taken it or this node stops; the queue is bounded, and outcomes push back on their sessions when it is full. Only
//! refusals, which strangers can cause in any number, are dropped then. What is lost with the node is settled by its next
//! incarnation.

mod write;

use countersign_core::{
    gate::Settlement,
    id::{OperationId, SessionId},
    mask::MaskTally,
    record::Outcome,
};
use countersign_raft_store::{
    command::{AccessRefused, AttachEvidence, CloseSession, Intent, ParkHold, Refused},
    handle::Store,
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    runtime::Handle,
    sync::{
        Notify, Semaphore,
        mpsc::{self, error::TrySendError},
    },
    task::JoinHandle,
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
    store: Store,
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
        tokio::spawn(run(store.clone(), entries, stop));
        Self { store, queue, open: Arc::default() }
    }

    /// Records what became of an operation. It is on its way when this returns; what is returned waits while the queue is
    /// full, and may be dropped.
    pub(super) fn settle(
        &self,
        session: SessionId,
        settlement: Settlement,
    ) -> impl Future<Output = ()> + Send + use<> {
        self.send(self.entry(Write::Outcome(settlement), Some(session)))
    }

    /// Records the intent of an operation that was forwarded ahead of it; waits as [`Journal::settle`] does.
    pub(super) fn intent(
        &self,
        session: SessionId,
        intent: Intent,
    ) -> impl Future<Output = ()> + Send + use<> {
        self.send(self.entry(Write::Intent(Box::new(intent)), Some(session)))
    }

    /// Records that nobody waits for a hold any more.
    pub(super) fn park(&self, park: ParkHold) {
        drop(self.send(self.entry(Write::Park(park), None)));
    }

    /// Records what was found out about a held operation; where the queue is full, the reviewers do without.
    pub(super) fn evidence(&self, attach: AttachEvidence) {
        self.offer(self.entry(Write::Evidence(Box::new(attach)), None));
    }

    /// Records that a session is closed, after the outcomes of its operations.
    pub(super) fn close(&self, close: CloseSession) {
        drop(self.send(self.entry(Write::Close(close), None)));
    }

    /// Records that an operation was refused; a flood of refusals is not recorded whole.
    pub(super) fn refused(&self, refused: Refused) {
        self.offer(self.entry(Write::Refused(Box::new(refused)), None));
    }

    /// Records that somebody was not let in; a flood of these is not recorded whole.
    pub(super) fn access_refused(&self, refused: AccessRefused) {
        self.offer(self.entry(Write::AccessRefused(refused), None));
    }

    /// A guard for an operation whose intent may be in the log and that is not forwarded: dropped, it says so there.
    pub(super) fn unforwarded(&self, session: SessionId, operation: OperationId) -> Unforwarded {
        Unforwarded { journal: self.clone(), session, operation: Some(operation) }
    }

    /// Waits, for a bounded time, until everything is recorded.
    pub(super) async fn flush(&self) {
        let all = async { tokio::join!(self.open.none_of(None), self.store.notes_taken()) };
        if timeout(FLUSH_WITHIN, all).await.is_err() {
            tracing::warn!(
                "not everything was recorded before the node stopped; its next start settles the rest"
            );
        }
    }

    fn entry(&self, write: Write, session: Option<SessionId>) -> Entry {
        self.open.add(None);
        if session.is_some() {
            self.open.add(session);
        }
        Entry { write, session, open: Arc::clone(&self.open) }
    }

    fn offer(&self, entry: Entry) {
        if let Err(error) = self.queue.try_send(entry) {
            tracing::warn!(limit = "journal", "not recorded: {error}");
        }
    }

    /// Puts an entry into the queue, whatever becomes of who sent it. Where the queue is full, a task waits for its place.
    /// There are few of those tasks: a session has one operation in flight, waits for one hold and is closed once.
    fn send(&self, entry: Entry) -> impl Future<Output = ()> + Send + use<> {
        let waiting = match self.queue.try_send(entry) {
            Ok(()) => None,
            Err(TrySendError::Full(entry)) => self.wait(entry),
            Err(TrySendError::Closed(_)) => unrecorded(),
        };
        async move {
            if let Some(task) = waiting {
                // It ends when the entry has its place, or with the node.
                drop(task.await);
            }
        }
    }

    fn wait(&self, entry: Entry) -> Option<JoinHandle<()>> {
        let queue = self.queue.clone();
        // Entries are also sent by what is dropped while the node's last threads end.
        let Ok(runtime) = Handle::try_current() else { return unrecorded() };
        Some(runtime.spawn(async move {
            if queue.send(entry).await.is_err() {
                let _none = unrecorded();
            }
        }))
    }
}

/// The next start of this node settles it.
fn unrecorded() -> Option<JoinHandle<()>> {
    tracing::warn!("an entry was not recorded: the node has stopped");
    None
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
        let before =
            async { tokio::join!(entry.open.none_of(Some(close.id)), store.notes_taken()) };
        drop(timeout(CLOSE_WAITS, before).await);
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
            masked: MaskTally::default(),
        };
        // One that was only noted has its outcome noted too, behind its intent.
        let Some(settlement) = self.journal.store.settle_noted(settlement) else { return };
        let entry = self.journal.entry(Write::Unforwarded(settlement), Some(self.session));
        drop(self.journal.send(entry));
    }
}
