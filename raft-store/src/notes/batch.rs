//! Makes one command of many notes: what they have in common is written once, and an outcome that is here with its intent
//! goes beside it. It takes as long as there are notes.

use super::Noted;
use crate::{
    command::{
        Intent, LateOutcome, LostNotes, NotedBasis, NotedOutcome, NotedRead, TakeNotes, Wording,
    },
    records::AuditText,
};
use countersign_core::{
    gate::Settlement,
    id::{NodeId, OperationId, SessionId},
};
use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
};

/// A command that is being made.
#[derive(Debug)]
pub(super) struct Batch {
    notes: TakeNotes,
    /// Where things lie already, by their hash.
    sessions: HashMap<SessionId, u32>,
    bases: HashMap<u64, u32>,
    wordings: HashMap<u64, u32>,
    reads: HashMap<OperationId, usize>,
}

impl Batch {
    /// Nothing yet of this book.
    pub(super) fn of(node: NodeId, book: [u8; 16]) -> Self {
        let notes = TakeNotes {
            node,
            book,
            sessions: Vec::new(),
            bases: Vec::new(),
            wordings: Vec::new(),
            outcomes: Vec::new(),
            reads: Vec::new(),
            lost: Vec::new(),
        };
        Self {
            notes,
            sessions: HashMap::new(),
            bases: HashMap::new(),
            wordings: HashMap::new(),
            reads: HashMap::new(),
        }
    }

    /// Adds the note of this sequence.
    pub(super) fn add(&mut self, sequence: u64, noted: Noted) {
        match noted {
            Noted::Intent(intent) => self.read(sequence, *intent),
            Noted::Outcome(settlement) => self.outcome(sequence, settlement),
        }
    }

    /// Adds that something cannot be read.
    pub(super) fn lost(&mut self, lost: LostNotes) {
        self.notes.lost.push(lost);
    }

    /// The command.
    pub(super) fn finish(self) -> TakeNotes {
        self.notes
    }

    fn read(&mut self, sequence: u64, intent: Intent) {
        // What needed an approval has another level than what is noted, so there is no template.
        let Intent { session, basis, template: _, summary, text, actions, asked } = intent;
        let sessions = &mut self.notes.sessions;
        let session = *self.sessions.entry(session).or_insert_with(|| put(sessions, session));
        let common = NotedBasis {
            audit: basis.audit,
            revision: basis.revision,
            rules: basis.rules,
            actions,
            asked,
        };
        let hash = hash(|to| {
            (common.audit, common.revision).hash(to);
            (&common.rules, &common.actions, &common.asked).hash(to);
        });
        let common = place(&mut self.bases, &mut self.notes.bases, (hash, common));
        let hash = hash_of_wording(&summary, &text);
        let wording = Wording { summary, text };
        let wording = place(&mut self.wordings, &mut self.notes.wordings, (hash, wording));
        self.reads.insert(basis.operation, self.notes.reads.len());
        self.notes.reads.push(NotedRead {
            sequence,
            operation: basis.operation,
            fingerprint: basis.fingerprint,
            session,
            basis: common,
            wording,
            outcome: None,
        });
    }

    fn outcome(&mut self, sequence: u64, settlement: Settlement) {
        let read = self.reads.get(&settlement.operation);
        match read.and_then(|place| self.notes.reads.get_mut(*place)) {
            Some(read) => {
                let Settlement { operation: _, outcome, rows, bytes, word, masked } = settlement;
                read.outcome = Some(NotedOutcome { sequence, outcome, rows, bytes, word, masked });
            }
            None => self.notes.outcomes.push(LateOutcome { sequence, settlement }),
        }
    }
}

fn hash(value: impl FnOnce(&mut DefaultHasher)) -> u64 {
    let mut hasher = DefaultHasher::new();
    value(&mut hasher);
    hasher.finish()
}

fn hash_of_wording(summary: &str, text: &AuditText) -> u64 {
    hash(|to| (summary, &text.text, text.length).hash(to))
}

/// The place of a value in `values`, where it is put unless it lies there already. Of two with the same hash only the later
/// one is found again.
fn place<T: PartialEq>(
    known: &mut HashMap<u64, u32>,
    values: &mut Vec<T>,
    (hash, value): (u64, T),
) -> u32 {
    let found = known.get(&hash).copied();
    let same =
        |place: &u32| usize::try_from(*place).is_ok_and(|place| values.get(place) == Some(&value));
    if let Some(found) = found.filter(same) {
        return found;
    }
    let place = put(values, value);
    known.insert(hash, place);
    place
}

/// There are never as many of anything in a batch.
fn put<T>(values: &mut Vec<T>, value: T) -> u32 {
    values.push(value);
    u32::try_from(values.len() - 1).unwrap_or(u32::MAX)
}
