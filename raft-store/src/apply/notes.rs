//! What nodes have noted on their own disks. Their answers are out, so nothing is refused here: an intent that could not
//! begin any more when the log takes it is recorded with the reason. Each note is taken once, by its sequence in a book of
//! its node. A read whose outcome comes with it is two events and leaves nothing else in the state.

mod reads;

use super::{
    chain::{self, Facts},
    forget, intent, session,
    step::{Done, Step, Stop},
};
use crate::{
    command::{Attempt, Intent, LostNotes, TakeNotes},
    key_space::{self, Forgotten},
    limits::OPERATION_KEPT_MS,
    records::{BookTaken, NotesTaken, OperationRecord, OperationState, SessionRecord},
    reply::Answer,
};
use countersign_core::{
    gate::Settlement,
    id::{Incarnation, NodeId, OperationId},
    record::{EventKind, Outcome},
};
use reads::Reads;

/// Books of a node that are remembered. A start carries what earlier ones have left before it notes anything, so what is
/// carried late belongs to the book before, and to none that is much older.
const KEPT_BOOKS: usize = 8;

pub(super) fn take(step: &mut Step<'_>, command: TakeNotes) -> Done {
    let TakeNotes { node, book, sessions, bases, wordings, outcomes, reads, lost } = command;
    let place = key_space::notes_taken(node);
    let mut known: NotesTaken = step.get(&place)?.unwrap_or_default();
    let taken = known.last_of(&book);
    let mut last = taken;
    let mut is_new = |sequence: u64| {
        last = last.max(sequence);
        sequence > taken
    };
    for late in outcomes {
        if is_new(late.sequence) {
            settle(step, late.settlement)?;
        }
    }
    let mut of = Reads::new(node, (sessions, bases, wordings));
    for mut read in reads {
        let intent_is_new = is_new(read.sequence);
        let outcome = read.outcome.take().filter(|outcome| is_new(outcome.sequence));
        match (intent_is_new, outcome) {
            (true, Some(outcome)) => of.whole(step, &read, outcome)?,
            (true, None) => of.wait(read),
            (false, Some(outcome)) => of.late(read.operation, outcome),
            (false, None) => {}
        }
    }
    of.close(step)?;
    for lost in lost {
        if is_new(lost.last.unwrap_or(lost.first)) {
            // What is in the chain already is not lost with it.
            let first = lost.first.max(taken.saturating_add(1));
            report(step, node, LostNotes { first, ..lost })?;
        }
    }
    known.take(book, last);
    step.put(place, &known)?;
    Ok(Answer::Done)
}

impl NotesTaken {
    fn last_of(&self, book: &[u8; 16]) -> u64 {
        self.books.iter().find(|known| known.book == *book).map_or(0, |known| known.last)
    }

    fn take(&mut self, book: [u8; 16], last: u64) {
        if let Some(known) = self.books.iter_mut().find(|known| known.book == book) {
            known.last = last;
            return;
        }
        self.books.push(BookTaken { book, last });
        let over = self.books.len().saturating_sub(KEPT_BOOKS);
        self.books.drain(..over);
    }
}

/// What a node cannot read any more of what it had noted: nobody will know what that was, but everybody that it was.
fn report(step: &mut Step<'_>, node: NodeId, lost: LostNotes) -> Result<(), Stop> {
    let (what, count) = match lost.last {
        Some(last) => {
            let count = last.saturating_sub(lost.first).saturating_add(1);
            (
                "intents or outcomes of reads that were answered are lost with the node's file",
                Some(count),
            )
        }
        None => (
            "the node's file ends in what cannot be read: cut off while it was written, or damaged",
            None,
        ),
    };
    let facts = Facts::default()
        .with("node.id", node)
        .with("reason", what)
        .with("notes.first", lost.first)
        .maybe("notes.count", count)
        .with("notes.bytes", lost.bytes);
    chain::append(step, EventKind::NotesLost, facts).map(drop)
}

fn settle(step: &mut Step<'_>, settlement: Settlement) -> Result<(), Stop> {
    match intent::settle(step, settlement) {
        // It is settled already, by the start of its node that came after.
        Ok(_) | Err(Stop::Refused(_)) => Ok(()),
        Err(stop @ Stop::Unreadable(_)) => Err(stop),
    }
}

/// Records an intent whose outcome is to come.
fn record(step: &mut Step<'_>, node: NodeId, command: Intent) -> Result<(), Stop> {
    let operation = command.basis.operation;
    if step.has(&key_space::operation(operation))? {
        return Ok(());
    }
    let Some(session) = step.get::<SessionRecord>(&key_space::session(command.session))? else {
        return of_forgotten_session(step, node, command);
    };
    let facts = facts(step, &session, &command)?;
    let attempt = Attempt(*operation.as_bytes());
    let planned = intent::Planned { operation, approval: None, attempt, facts };
    let record = intent::begin(step, &session, planned, OperationState::Intended)?;
    match session::is_current(step, session.node, session.incarnation) {
        Ok(()) => Ok(()),
        // What its node had in flight is settled already: nobody else will settle this.
        Err(Stop::Refused(_)) => intent::lost(step, record),
        Err(stop @ Stop::Unreadable(_)) => Err(stop),
    }
}

/// The facts of a noted intent, with the reason where it could not begin any more.
fn facts(step: &Step<'_>, session: &SessionRecord, command: &Intent) -> Result<Facts, Stop> {
    let facts =
        intent::facts(command).judged(session.judged(), &command.asked).with("verdict", "allow");
    match intent::may_begin(step, session, command.basis.revision) {
        Ok(()) => Ok(facts),
        Err(Stop::Refused(why)) => Ok(facts.with("reason", format!("noted before this: {why}"))),
        Err(stop @ Stop::Unreadable(_)) => Err(stop),
    }
}

/// What is said of an operation whose session the state does not know any more.
fn without_session(facts: Facts, node: NodeId, command: &Intent) -> Facts {
    facts
        .with("session.id", command.session)
        .with("operation.id", command.basis.operation)
        .with("node.id", node)
        .with("reason", "its session is not known any more")
}

/// The node was away for so long that nothing is known of the session any more.
fn of_forgotten_session(step: &mut Step<'_>, node: NodeId, command: Intent) -> Result<(), Stop> {
    let id: OperationId = command.basis.operation;
    let facts = intent::facts(&command).with("verdict", "allow");
    let facts = without_session(facts, node, &command);
    let sequence = chain::append(step, EventKind::Intent, facts)?;
    let outcome = Outcome::OutcomeUnknown;
    let facts = Facts::default().with("outcome", outcome.name());
    chain::append(step, EventKind::Outcome, without_session(facts, node, &command))?;
    forget::after(step, OPERATION_KEPT_MS, Forgotten::Operation(id));
    let record = OperationRecord {
        id,
        session: command.session,
        approval: None,
        sequence,
        index: step.index,
        attempt: *id.as_bytes(),
        carrier: (node, Incarnation(0)),
        state: OperationState::Settled(outcome),
    };
    step.put(key_space::operation(id), &record)
}
