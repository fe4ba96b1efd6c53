//! What nodes have noted on their own disks. Their answers are out, so nothing is refused here: an intent that could not
//! begin any more when the log takes it is recorded with the reason. Each is taken once: by its sequence in the node's book,
//! and by its operation's id where an earlier carrying of the same note was late.

use super::{
    chain::{self, Facts},
    forget, intent, session,
    step::{Done, Step, Stop},
};
use crate::{
    command::{Attempt, Intent, TakeNotes},
    key_space::{self, Forgotten},
    limits::OPERATION_KEPT_MS,
    records::{NotesTaken, OperationRecord, OperationState, SessionRecord},
    reply::Answer,
};
use countersign_core::{
    id::{Incarnation, NodeId},
    record::{EventKind, Outcome},
};

pub(super) fn take(step: &mut Step<'_>, command: TakeNotes) -> Done {
    let TakeNotes { node, book, first, intents, outcomes } = command;
    let place = key_space::notes_taken(node);
    let taken = match step.get::<NotesTaken>(&place)? {
        Some(known) if known.book == book => known.last,
        Some(_) | None => 0,
    };
    let mut last = taken;
    for (sequence, intent) in (first..).zip(intents) {
        if sequence > last {
            record(step, node, intent)?;
            last = sequence;
        }
    }
    step.put(place, &NotesTaken { book, last })?;
    for settlement in outcomes {
        match intent::settle(step, settlement) {
            // It is settled already, by the start of its node that came after.
            Ok(_) | Err(Stop::Refused(_)) => {}
            Err(stop @ Stop::Unreadable(_)) => return Err(stop),
        }
    }
    Ok(Answer::Done)
}

fn record(step: &mut Step<'_>, node: NodeId, command: Intent) -> Result<(), Stop> {
    let operation = command.basis.operation;
    if step.has(&key_space::operation(operation))? {
        return Ok(());
    }
    let facts = intent::facts(&command).with("verdict", "allow");
    let Some(session) = step.get::<SessionRecord>(&key_space::session(command.session))? else {
        return of_forgotten_session(step, node, (&command, facts));
    };
    let facts = match intent::may_begin(step, &session, &command) {
        Ok(()) => facts,
        Err(Stop::Refused(why)) => facts.with("reason", format!("noted before this: {why}")),
        Err(stop @ Stop::Unreadable(_)) => return Err(stop),
    };
    let attempt = Attempt(*operation.as_bytes());
    let planned = intent::Planned { operation, hold: None, attempt, facts };
    let record = intent::begin(step, &session, planned, OperationState::Intended)?;
    match session::is_current(step, session.node, session.incarnation) {
        Ok(()) => Ok(()),
        // What its node had in flight is settled already: nobody else will settle this.
        Err(Stop::Refused(_)) => intent::lost(step, record),
        Err(stop @ Stop::Unreadable(_)) => Err(stop),
    }
}

/// The node was away for so long that nothing is known of the session any more.
fn of_forgotten_session(
    step: &mut Step<'_>,
    node: NodeId,
    (command, facts): (&Intent, Facts),
) -> Result<(), Stop> {
    let (id, reason) = (command.basis.operation, "its session is not known any more");
    let of = |facts: Facts| {
        facts
            .with("session.id", command.session)
            .with("operation.id", id)
            .with("node.id", node)
            .with("reason", reason)
    };
    let sequence = chain::append(step, EventKind::Intent, of(facts))?;
    let outcome = Outcome::OutcomeUnknown;
    let facts = Facts::default().with("outcome", outcome.name());
    chain::append(step, EventKind::Outcome, of(facts))?;
    forget::after(step, OPERATION_KEPT_MS, Forgotten::Operation(id));
    let record = OperationRecord {
        id,
        session: command.session,
        hold: None,
        sequence,
        index: step.index,
        attempt: *id.as_bytes(),
        carrier: (node, Incarnation(0)),
        state: OperationState::Settled(outcome),
    };
    step.put(key_space::operation(id), &record)
}
