//! The notes of a node: intents at audit level `batched`, on its own disk before their answers go out, and in the log soon
//! after, with what became of them. A note is written and synced (`writer`), carried into the log in batches (`carry`), and
//! forgotten when the log has it. Outcomes are written too, though nobody waits for that: a start carries what its
//! predecessors left, as it truly ended, before anything is served.
//!
//! What bounds them: a note is refused when too many are not in the log yet, or one is for too long; whoever asked then
//! waits for the log. With the disk of the machine, what the log had not yet is lost; nothing else is.

mod batch;
mod carry;
mod pending;
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
use pending::Pending;
use std::{
    io,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};
use tokio::{
    sync::{Notify, mpsc, oneshot, watch},
    time::Instant,
};
use writer::{Request, Writer};

/// Requests on their way to the writer.
const QUEUE: usize = 2 * pending::MOST_NOTES;

/// What is noted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Noted {
    /// An operation that is answered once this is on the disk.
    Intent(Box<Intent>),
    /// What became of one that was noted before.
    Outcome(Settlement),
}

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
    came: Notify,
    /// How much of this start the log has taken; nothing before what earlier starts left is in it.
    taken: watch::Sender<Option<u64>>,
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
        let shared = Arc::new(Shared {
            node,
            book,
            writer: sender,
            pending: Mutex::new(Pending::new(book)),
            came: Notify::new(),
            taken: watch::Sender::new(None),
        });
        tokio::spawn(carry::run(Arc::clone(&shared), log, left));
        Ok(Self { shared })
    }

    /// Notes an intent.
    pub(crate) fn note(&self, intent: Intent) -> Result<Noting, NotNoted> {
        let operation = intent.basis.operation;
        let noted = Noted::Intent(Box::new(intent));
        let encoded = noted.encode()?;
        let (done, synced) = oneshot::channel();
        let mut pending = self.shared.lock();
        let now = Instant::now();
        if pending.is_behind(now) || self.shared.taken.borrow().is_none() {
            return Err(NotNoted::Behind);
        }
        // Under the lock, so that the order on the disk is the order of the sequences.
        let place = self.shared.writer.try_reserve().map_err(|_full| NotNoted::Behind)?;
        pending.add(noted, &encoded, now);
        place.send(pending.hand_out(Some(done)));
        drop(pending);
        self.shared.came.notify_one();
        Ok(Noting { operation, synced })
    }

    /// Takes the outcome of an operation that was noted; gives back that of another one.
    pub(crate) fn settle(&self, settlement: Settlement) -> Option<Settlement> {
        let mut pending = self.shared.lock();
        if !pending.is_open(settlement.operation) {
            return Some(settlement);
        }
        let noted = Noted::Outcome(settlement);
        let encoded = match noted.encode() {
            Ok(encoded) => encoded,
            // Numbers, a short word and what was counted: there is nothing in it that has no stored form.
            Err(error) => crate::halt::halt("writing down an outcome", &error),
        };
        // It is written with the next note, or when the next batch is carried: nobody waits for it.
        pending.add(noted, &encoded, Instant::now());
        drop(pending);
        self.shared.came.notify_one();
        None
    }

    /// Waits until the log has taken what is noted now, intents and outcomes, and what earlier starts have left.
    pub(crate) async fn taken(&self) {
        let all = self.shared.lock().last();
        let mut taken = self.shared.taken.subscribe();
        // The sender lives as long as the notes.
        drop(taken.wait_for(|taken| taken.is_some_and(|taken| taken >= all)).await);
    }
}

impl Shared {
    /// Nothing panics while it holds the lock.
    fn lock(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has what nobody waits for written down.
    fn write_out(&self) {
        let mut pending = self.lock();
        if pending.has_unwritten()
            && let Ok(place) = self.writer.try_reserve()
        {
            place.send(pending.hand_out(None));
        }
    }
}

#[cfg(test)]
mod tests;
