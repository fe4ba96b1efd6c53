//! The notes of a node: intents at audit level `batched`, on its own disk before their answers go out, and in the log soon
//! after. A note is written and synced (`writer`), carried into the log in batches together with its outcome (`carry`), and
//! forgotten when the log has it. A start carries what its predecessors left before anything is served.
//!
//! What bounds them: a note is refused when too many are not in the log yet, or one is for too long; whoever asked then
//! waits for the log. With the disk of the machine, what the log had not yet is lost; nothing else is.

mod carry;
mod segment;
mod writer;

use crate::{
    command::Intent,
    format::{FormatError, Stored},
    handle::Log,
};
use countersign_core::{
    gate::Settlement,
    id::{NodeId, OperationId},
    permit::NoteReceipt,
};
use segment::Segment;
use std::{
    collections::{HashSet, VecDeque},
    io,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};
use tokio::{
    sync::{Notify, mpsc, oneshot, watch},
    time::Instant,
};
use writer::{Request, Writer};

/// Notes that the log has not taken yet, at most.
const MOST_NOTES: usize = 8192;
/// Their bytes, at most.
const MOST_BYTES: usize = 16 << 20;
/// For how long the oldest of them may wait before no further note is taken: ten times what it should.
const LONGEST_WAIT: Duration = Duration::from_millis(500);
/// Noted operations without an outcome, at most.
const MOST_OPEN: usize = 64 * 1024;
/// Requests on their way to the writer.
const QUEUE: usize = 2 * MOST_NOTES;

/// The notes of this node. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Notes {
    shared: Arc<Shared>,
}

/// What notes and their carrying share.
#[derive(Debug)]
struct Shared {
    node: NodeId,
    /// Drawn at each start. A sequence counts within its book.
    book: [u8; 16],
    writer: mpsc::Sender<Request>,
    pending: Mutex<Pending>,
    /// Rung when there is something to carry.
    written: Notify,
    /// How many notes of this start the log has taken; none before those of earlier starts are in it.
    taken: watch::Sender<Option<u64>>,
}

/// What the log has not taken yet.
#[derive(Debug)]
struct Pending {
    /// The sequence of the next note.
    next: u64,
    notes: VecDeque<Note>,
    bytes: usize,
    /// Operations that are noted and have no outcome.
    open: HashSet<OperationId>,
    outcomes: Vec<Settlement>,
}

#[derive(Debug)]
struct Note {
    intent: Intent,
    bytes: usize,
    since: Instant,
}

/// Why an intent is not noted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotNoted {
    /// The log is behind, or the disk.
    #[error("too much is noted that the log has not taken")]
    Behind,
    /// It has no stored form.
    #[error("the intent cannot be written")]
    Format(#[from] FormatError),
}

/// An intent on its way to the disk.
#[derive(Debug)]
#[must_use = "until it is waited for, nobody knows whether the note is on the disk"]
pub struct Noting {
    operation: OperationId,
    synced: oneshot::Receiver<()>,
}

/// The node ends, and nobody can say whether the note is on its disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the node ends")]
pub struct NotSynced;

impl Noting {
    /// Waits until the note is on the disk.
    pub async fn synced(self) -> Result<NoteReceipt, NotSynced> {
        self.synced.await.map_err(|_ended| NotSynced)?;
        #[expect(clippy::disallowed_methods, reason = "the note is synced")]
        let receipt = NoteReceipt::after_sync(self.operation);
        Ok(receipt)
    }
}

impl Notes {
    /// Opens the notes in `folder`, and carries what is there, and what comes, into `log`.
    pub(crate) fn open(folder: &Path, node: NodeId, log: Weak<dyn Log>) -> io::Result<Self> {
        let left = segment::left_behind(folder)?;
        let book = rand::random();
        let (sender, requests) = mpsc::channel(QUEUE);
        Writer::start(folder, book, requests)?;
        let pending = Pending {
            next: 1,
            notes: VecDeque::new(),
            bytes: 0,
            open: HashSet::new(),
            outcomes: Vec::new(),
        };
        let shared = Arc::new(Shared {
            node,
            book,
            writer: sender,
            pending: Mutex::new(pending),
            written: Notify::new(),
            taken: watch::Sender::new(None),
        });
        tokio::spawn(carry::run(Arc::clone(&shared), log, left));
        Ok(Self { shared })
    }

    /// Notes an intent.
    pub(crate) fn note(&self, intent: Intent) -> Result<Noting, NotNoted> {
        let encoded = intent.encode()?;
        let (operation, bytes) = (intent.basis.operation, encoded.len());
        let (done, synced) = oneshot::channel();
        let mut pending = self.shared.lock();
        if pending.is_behind() || self.shared.taken.borrow().is_none() {
            return Err(NotNoted::Behind);
        }
        // Under the lock, so that the order on the disk is the order of the sequences.
        let request = Request::Write { note: encoded, done };
        self.shared.writer.try_send(request).map_err(|_full| NotNoted::Behind)?;
        pending.next += 1;
        pending.bytes += bytes;
        pending.open.insert(operation);
        pending.notes.push_back(Note { intent, bytes, since: Instant::now() });
        drop(pending);
        self.shared.written.notify_one();
        Ok(Noting { operation, synced })
    }

    /// Takes the outcome of an operation that was noted; gives back that of another one.
    pub(crate) fn settle(&self, settlement: Settlement) -> Option<Settlement> {
        let mut pending = self.shared.lock();
        if !pending.open.remove(&settlement.operation) {
            return Some(settlement);
        }
        pending.outcomes.push(settlement);
        drop(pending);
        self.shared.written.notify_one();
        None
    }

    /// Waits until the log has taken what is noted now, and what earlier starts have left.
    pub(crate) async fn taken(&self) {
        let all = self.shared.lock().next - 1;
        let mut taken = self.shared.taken.subscribe();
        // The sender lives as long as the notes.
        drop(taken.wait_for(|taken| taken.is_some_and(|taken| taken >= all)).await);
    }
}

impl Pending {
    fn is_behind(&self) -> bool {
        self.notes.len() >= MOST_NOTES
            || self.bytes >= MOST_BYTES
            || self.outcomes.len() >= MOST_NOTES
            || self.open.len() >= MOST_OPEN
            || self.notes.front().is_some_and(|oldest| oldest.since.elapsed() > LONGEST_WAIT)
    }
}

impl Shared {
    /// Nothing panics while it holds the lock.
    fn lock(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
