//! What the log has not taken yet of the notes of this start, in the order of their sequences, and what of it the writer has
//! not been given yet. Everything here takes the same time however much there is, but for what is taken out.

use super::{Noted, segment, writer::Request};
use countersign_core::{gate::Settlement, id::OperationId};
use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};
use tokio::{sync::oneshot, time::Instant};

/// Notes that the log has not taken yet, at most.
pub(super) const MOST_NOTES: usize = 16 * 1024;
/// Their bytes, at most.
const MOST_BYTES: usize = 16 << 20;
/// For how long the oldest of them may wait before no further note is taken: ten times what it should.
pub(super) const LONGEST_WAIT: Duration = Duration::from_millis(500);
/// Noted operations without an outcome, at most.
const MOST_OPEN: usize = 64 * 1024;
/// How long an intent waits for its outcome, and everything behind it with it, before it goes into the log alone: together
/// they are a fraction of the work.
const PATIENCE: Duration = Duration::from_millis(25);
/// Notes of one batch.
const BATCH: usize = 4096;
/// Bytes of notes in one batch, beside one note more.
pub(super) const BATCH_BYTES: usize = 1 << 20;

/// See above.
#[derive(Debug)]
pub(super) struct Pending {
    book: [u8; 16],
    /// The sequence of the next note.
    next: u64,
    notes: VecDeque<Note>,
    /// Bytes of all notes that are not taken, those under way too.
    bytes: usize,
    /// The notes that were taken out and are not taken.
    under_way: Option<UnderWay>,
    /// Operations without an outcome, with the sequences of their intents.
    open: HashMap<OperationId, u64>,
    unwritten: Vec<u8>,
    unwritten_notes: u64,
}

#[derive(Debug)]
struct Note {
    noted: Noted,
    bytes: usize,
    since: Instant,
    waits: Waits,
}

/// Whether something else is to come that a note is best carried with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waits {
    ForItsOutcome,
    ForNothing,
}

#[derive(Debug)]
struct UnderWay {
    notes: usize,
    bytes: usize,
    since: Instant,
}

impl Pending {
    pub(super) fn new(book: [u8; 16]) -> Self {
        Self {
            book,
            next: 1,
            notes: VecDeque::new(),
            bytes: 0,
            under_way: None,
            open: HashMap::new(),
            unwritten: Vec::new(),
            unwritten_notes: 0,
        }
    }

    /// Whether no further intent should be noted.
    pub(super) fn is_behind(&self, now: Instant) -> bool {
        let under_way = self.under_way.as_ref();
        let oldest = under_way.map(|under_way| under_way.since);
        let oldest = oldest.or_else(|| self.notes.front().map(|note| note.since));
        self.notes.len() + under_way.map_or(0, |under_way| under_way.notes) >= MOST_NOTES
            || self.bytes >= MOST_BYTES
            || self.open.len() >= MOST_OPEN
            || oldest.is_some_and(|oldest| now.duration_since(oldest) > LONGEST_WAIT)
    }

    /// Whether an operation is noted and has no outcome.
    pub(super) fn is_open(&self, operation: OperationId) -> bool {
        self.open.contains_key(&operation)
    }

    /// Operations that are noted and have no outcome.
    #[cfg(test)]
    pub(super) fn open(&self) -> usize {
        self.open.len()
    }

    /// Takes a note, whose stored form is `encoded`.
    pub(super) fn add(&mut self, noted: Noted, encoded: &[u8], since: Instant) {
        let sequence = self.next;
        self.next += 1;
        let before = self.unwritten.len();
        segment::put(&mut self.unwritten, &self.book, sequence, encoded);
        self.unwritten_notes += 1;
        let bytes = self.unwritten.len() - before;
        self.bytes += bytes;
        let waits = match &noted {
            Noted::Intent(intent) => {
                self.open.insert(intent.basis.operation, sequence);
                Waits::ForItsOutcome
            }
            Noted::Outcome(Settlement { operation, .. }) => {
                let intent = self.open.remove(operation);
                if let Some(note) = intent.and_then(|intent| self.at(intent)) {
                    note.waits = Waits::ForNothing;
                }
                Waits::ForNothing
            }
        };
        self.notes.push_back(Note { noted, bytes, since, waits });
    }

    fn at(&mut self, sequence: u64) -> Option<&mut Note> {
        let place = sequence.checked_sub(self.first())?;
        self.notes.get_mut(usize::try_from(place).ok()?)
    }

    /// The sequence of the first that is not taken out.
    fn first(&self) -> u64 {
        self.next - self.notes.len() as u64
    }

    /// The sequence of the last note.
    pub(super) fn last(&self) -> u64 {
        self.next - 1
    }

    pub(super) fn has_unwritten(&self) -> bool {
        self.unwritten_notes > 0
    }

    /// What the writer has not been given yet.
    pub(super) fn hand_out(&mut self, done: Option<oneshot::Sender<()>>) -> Request {
        let records = std::mem::take(&mut self.unwritten);
        Request::Write { records, notes: std::mem::take(&mut self.unwritten_notes), done }
    }

    /// Whether there is nothing left to take out.
    pub(super) fn is_empty(&self) -> bool {
        self.notes.is_empty()
    }

    /// Takes out what makes the next batch, with the sequence of the first; nothing where the first waits for its outcome.
    pub(super) fn take_out(&mut self, now: Instant) -> (u64, Vec<Noted>) {
        let first = self.first();
        // With so much behind it, nothing waits any longer.
        let patience = if self.notes.len() < BATCH { PATIENCE } else { Duration::ZERO };
        let (mut count, mut bytes) = (0, 0);
        for note in self.notes.iter().take(BATCH) {
            let waits = match note.waits {
                Waits::ForItsOutcome => now.duration_since(note.since) < patience,
                Waits::ForNothing => false,
            };
            if waits || bytes >= BATCH_BYTES {
                break;
            }
            (count, bytes) = (count + 1, bytes + note.bytes);
        }
        if let Some(oldest) = self.notes.front().filter(|_| count > 0) {
            self.under_way = Some(UnderWay { notes: count, bytes, since: oldest.since });
        }
        (first, self.notes.drain(..count).map(|note| note.noted).collect())
    }

    /// The log has what was taken out last.
    pub(super) fn taken(&mut self) {
        if let Some(taken) = self.under_way.take() {
            self.bytes -= taken.bytes;
        }
    }
}
