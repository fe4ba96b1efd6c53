//! Intents and outcomes, and what was refused. An operation is intended once and settled once: whatever comes later
//! under its id changes nothing. An outcome that arrives after the operation became `outcome_unknown` (its node was
//! declared dead) is answered with what stands and is not recorded: the event that people have acted upon stays the only one.

use super::{
    chain::{self, Facts},
    session,
    step::{Done, Step, Stop, short, within},
};
use crate::{
    command::{AccessRefused, Attempt, Intent, Refused},
    key_space::{self, Expiring},
    limits::{Limit, MAX_AUDIT_TEXT, REQUEST_KEPT_MS},
    records::{OperationRecord, OperationState, SessionRecord},
    reply::{Answer, StateRefusal},
};
use countersign_core::{
    gate::Settlement,
    id::{HoldId, NodeId, OperationId},
    record::{EventKind, Outcome},
};

/// An operation that is about to be intended.
pub(super) struct Planned {
    pub(super) operation: OperationId,
    pub(super) hold: Option<HoldId>,
    pub(super) attempt: Attempt,
    pub(super) facts: Facts,
}

pub(super) fn record(step: &mut Step<'_>, command: Intent, attempt: Attempt) -> Done {
    if command.basis.hold.is_some() {
        return Err(StateRefusal::NeedsClaim.into());
    }
    let operation = command.basis.operation;
    if let Some(known) = step.get::<OperationRecord>(&key_space::operation(operation))? {
        return if known.attempt == attempt.0 && known.hold.is_none() {
            Ok(Answer::Intended { index: known.index })
        } else {
            Err(StateRefusal::IdUsed.into())
        };
    }
    within(command.text.text.len(), MAX_AUDIT_TEXT, Limit::HeldText)?;
    short([command.summary.as_str()])?;
    short(command.basis.rules.iter().chain(&command.actions).map(String::as_str))?;
    let session = session::live(step, command.session)?;
    session::not_expired(&session.agent, step.now)?;
    step.in_force(command.basis.revision)?;
    let facts = Facts::default()
        .with("fingerprint", command.basis.fingerprint)
        .with("policy.revision", command.basis.revision)
        .with("policy.rules", command.basis.rules.join(","))
        .with("operation.summary", &command.summary)
        .with("operation.actions", command.actions.join(","))
        .with("audit", command.basis.audit.name())
        .with("verdict", "allow")
        .text(&command.text);
    enter(step, &session, Planned { operation, hold: None, attempt, facts })?;
    Ok(Answer::Intended { index: step.index })
}

/// Records an intent and remembers that its outcome is to come.
pub(super) fn enter(
    step: &mut Step<'_>,
    session: &SessionRecord,
    planned: Planned,
) -> Result<(), Stop> {
    let Planned { operation, hold, attempt, facts } = planned;
    let facts = facts.session(session).with("operation.id", operation);
    let sequence = chain::append(step, EventKind::Intent, facts)?;
    let record = OperationRecord {
        id: operation,
        session: session.id,
        hold,
        sequence,
        index: step.index,
        attempt: attempt.0,
        carrier: (session.node, session.incarnation),
        state: OperationState::Intended,
    };
    step.put_bytes(key_space::open_operation(session.node, session.incarnation, operation), &[]);
    step.put(key_space::operation(operation), &record)
}

pub(super) fn settle(step: &mut Step<'_>, settlement: Settlement) -> Done {
    short([settlement.word.as_str()])?;
    let known: OperationRecord = step
        .get(&key_space::operation(settlement.operation))?
        .ok_or(StateRefusal::NoSuchOperation)?;
    match known.state {
        OperationState::Settled(outcome) if outcome == settlement.outcome => Ok(Answer::Done),
        OperationState::Settled(outcome) => Err(StateRefusal::AlreadySettled { outcome }.into()),
        OperationState::Denied => Err(StateRefusal::NoSuchOperation.into()),
        OperationState::Intended => {
            let facts = Facts::default()
                .with("rows", settlement.rows)
                .with("bytes", settlement.bytes)
                .with("word", &settlement.word);
            conclude(step, known, settlement.outcome, facts)?;
            Ok(Answer::Done)
        }
    }
}

/// Records an outcome. The only place where an operation becomes settled.
fn conclude(
    step: &mut Step<'_>,
    known: OperationRecord,
    outcome: Outcome,
    facts: Facts,
) -> Result<(), Stop> {
    let (node, incarnation) = known.carrier;
    let facts = match step.get::<SessionRecord>(&key_space::session(known.session))? {
        Some(session) => facts.session(&session),
        None => facts,
    };
    let facts = facts
        .with("operation.id", known.id)
        .maybe("hold.id", known.hold)
        .with("outcome", outcome.name());
    chain::append(step, EventKind::Outcome, facts)?;
    step.delete(key_space::open_operation(node, incarnation, known.id));
    let state = OperationState::Settled(outcome);
    step.put(key_space::operation(known.id), &OperationRecord { state, ..known })
}

/// What a node had in flight when it was lost may or may not have been executed.
pub(super) fn abandon(step: &mut Step<'_>, node: NodeId) -> Result<(), Stop> {
    for (key, _) in step.all(&key_space::open_operations_of_node(node))? {
        let id = key_space::trailing_id(&key).map(OperationId::from_bytes);
        let Some(id) = id else { continue };
        if let Some(known) = step.get::<OperationRecord>(&key_space::operation(id))? {
            let facts = Facts::default().with("reason", "the node was lost or started again");
            conclude(step, known, Outcome::OutcomeUnknown, facts)?;
        }
    }
    Ok(())
}

pub(super) fn refused(step: &mut Step<'_>, command: Refused) -> Done {
    let place = key_space::operation(command.operation);
    if let Some(known) = step.get::<OperationRecord>(&place)? {
        return match known.state {
            OperationState::Denied => Ok(Answer::Done),
            OperationState::Intended | OperationState::Settled(_) => {
                Err(StateRefusal::IdUsed.into())
            }
        };
    }
    within(command.text.text.len(), MAX_AUDIT_TEXT, Limit::HeldText)?;
    short([command.summary.as_str(), command.message.as_str()])?;
    short(command.rules.iter().chain(&command.actions).map(String::as_str))?;
    // Recorded for closed sessions too: that an operation was refused is a fact whatever became of the session since.
    let session: SessionRecord =
        step.get(&key_space::session(command.session))?.ok_or(StateRefusal::SessionGone)?;
    let facts = Facts::default()
        .session(&session)
        .with("operation.id", command.operation)
        .with("operation.summary", &command.summary)
        .with("operation.actions", command.actions.join(","))
        .with("fingerprint", command.fingerprint)
        .with("policy.revision", command.revision)
        .with("policy.rules", command.rules.join(","))
        .with("message", &command.message)
        .with("verdict", "deny")
        .text(&command.text);
    let sequence = chain::append(step, EventKind::Refused, facts)?;
    let record = OperationRecord {
        id: command.operation,
        session: session.id,
        hold: None,
        sequence,
        index: step.index,
        attempt: [0; 16],
        carrier: (session.node, session.incarnation),
        state: OperationState::Denied,
    };
    step.put(place, &record)?;
    Ok(Answer::Done)
}

pub(super) fn access_refused(step: &mut Step<'_>, command: AccessRefused) -> Done {
    let place = key_space::request(command.id);
    if step.has(&place)? {
        return Ok(Answer::Done);
    }
    short([&command.source, &command.what, &command.reason].map(String::as_str))?;
    let facts = match &command.who {
        Some(who) => Facts::default().identity(who),
        None => Facts::default(),
    };
    let facts = facts
        .with("source.address", &command.source)
        .with("node.id", command.node)
        .with("message", &command.what)
        .with("reason", &command.reason);
    chain::append(step, EventKind::AccessRefused, facts)?;
    step.put_bytes(place, &[]);
    let until = step.now.after_ms(REQUEST_KEPT_MS);
    step.put_bytes(key_space::expiry(until, Expiring::Request(command.id)), &[]);
    Ok(Answer::Done)
}
