//! Intents and outcomes, and what was refused. An operation is intended once and settled once: whatever comes later
//! under its id changes nothing. An outcome that arrives after the operation became `outcome_unknown` (its node was
//! declared dead) is answered with what stands and is not recorded: the event that people have acted upon stays the only one.

use super::{
    chain::{self, Facts},
    forget, grant, request, session,
    step::{Done, Step, Stop},
};
use crate::{
    command::{AccessRefused, Attempt, Intent, Refused},
    key_space::{self, Forgotten},
    limits::OPERATION_KEPT_MS,
    records::{OperationRecord, OperationState, RequestRecord, SessionRecord},
    reply::{Answer, StateRefusal},
};
use countersign_core::{
    gate::Settlement,
    id::{NodeId, OperationId, Revision},
    permit::{Approval, AuditLevel},
    record::{EventKind, Outcome},
};

/// An operation that is about to be intended.
pub(super) struct Planned {
    pub(super) operation: OperationId,
    pub(super) approval: Option<Approval>,
    pub(super) attempt: Attempt,
    pub(super) facts: Facts,
}

pub(super) fn record(step: &mut Step<'_>, command: Intent, attempt: Attempt) -> Done {
    let approval = command.basis.approval;
    match approval {
        Some(Approval::Hold(_)) => return Err(StateRefusal::NeedsClaim.into()),
        // What needed an approval is in the log before it is anywhere else.
        Some(Approval::Grant(_)) if command.basis.audit != AuditLevel::BeforeForward => {
            return Err(StateRefusal::NeedsClaim.into());
        }
        Some(Approval::Grant(_)) | None => {}
    }
    let operation = command.basis.operation;
    if let Some(known) = step.get::<OperationRecord>(&key_space::operation(operation))? {
        if known.attempt != attempt.0 || known.approval != approval {
            return Err(StateRefusal::IdUsed.into());
        }
        still_stands(step, &known)?;
        return Ok(Answer::Intended { index: known.index });
    }
    let session: SessionRecord =
        step.get(&key_space::session(command.session))?.ok_or(StateRefusal::SessionGone)?;
    let facts = facts(&command).judged(session.judged(), &command.asked);
    let planned = |facts| Planned { operation, approval, attempt, facts };
    match (may_begin(step, &session, command.basis.revision), command.basis.audit) {
        (Ok(()), _) => {
            let facts = match approval.and_then(Approval::grant) {
                Some(id) => {
                    let used = grant::consume(step, id, &session, &command)?;
                    facts.and(used).with("verdict", "grant")
                }
                None => facts.with("verdict", "allow"),
            };
            enter(step, &session, planned(facts))?;
            Ok(Answer::Intended { index: step.index })
        }
        // At this level it waits for the log where it could not be noted.
        (Err(Stop::Refused(why)), AuditLevel::Batched | AuditLevel::BeforeReply) => {
            withheld(step, &session, planned(facts), &why)?;
            step.keep();
            Err(Stop::Refused(why))
        }
        (Err(stop), AuditLevel::Batched | AuditLevel::BeforeForward | AuditLevel::BeforeReply) => {
            Err(stop)
        }
    }
}

pub(super) fn may_begin(
    step: &Step<'_>,
    session: &SessionRecord,
    revision: Revision,
) -> Result<(), Stop> {
    session::is_live(step, session)?;
    session::not_expired(&session.agent, step.now)?;
    step.in_force(revision)
}

/// Nothing here refuses an intent for the length of a text: its operation may be on its way to the target already.
pub(super) fn facts(command: &Intent) -> Facts {
    Facts::default()
        .with("fingerprint", command.basis.fingerprint)
        .with("policy.revision", command.basis.revision)
        .listed("policy.rules", &command.basis.rules)
        .shown("operation.summary", &command.summary)
        .listed("operation.actions", &command.actions)
        .with("audit", command.basis.audit.name())
        .text(&command.text)
}

/// Records an intent that is refused although its operation was forwarded ahead of it: whatever went to a target has an
/// intent and an outcome, also when its answer is withheld.
fn withheld(
    step: &mut Step<'_>,
    session: &SessionRecord,
    planned: Planned,
    why: &StateRefusal,
) -> Result<(), Stop> {
    let Planned { operation, approval, attempt, facts } = planned;
    let facts = facts.with("verdict", "withheld").with("reason", why);
    let planned = Planned { operation, approval, attempt, facts };
    let record = begin(step, session, planned, OperationState::Withheld)?;
    match session::is_current(step, session.node, session.incarnation) {
        Ok(()) => Ok(()),
        // Its node is gone, and what it had in flight is settled already: nobody else will settle this.
        Err(Stop::Refused(_)) => lost(step, record),
        Err(stop @ Stop::Unreadable(_)) => Err(stop),
    }
}

/// Whether the repetition of a call may be answered as the call was: only while something can be forwarded under it.
pub(super) fn still_stands(step: &Step<'_>, known: &OperationRecord) -> Result<(), Stop> {
    match known.state {
        OperationState::Intended => {}
        OperationState::Settled(outcome) => {
            return Err(StateRefusal::AlreadySettled { outcome }.into());
        }
        OperationState::Withheld => return Err(StateRefusal::IntentStands.into()),
        OperationState::Denied => return Err(StateRefusal::IdUsed.into()),
    }
    match session::live(step, known.session) {
        Ok(_session) => Ok(()),
        Err(Stop::Refused(_)) => Err(StateRefusal::IntentStands.into()),
        Err(stop @ Stop::Unreadable(_)) => Err(stop),
    }
}

/// Records an intent and remembers that its outcome is to come.
pub(super) fn enter(
    step: &mut Step<'_>,
    session: &SessionRecord,
    planned: Planned,
) -> Result<(), Stop> {
    begin(step, session, planned, OperationState::Intended).map(drop)
}

pub(super) fn begin(
    step: &mut Step<'_>,
    session: &SessionRecord,
    planned: Planned,
    state: OperationState,
) -> Result<OperationRecord, Stop> {
    let Planned { operation, approval, attempt, facts } = planned;
    let facts = facts.session(session).with("operation.id", operation);
    let sequence = chain::append(step, EventKind::Intent, facts)?;
    let record = OperationRecord {
        id: operation,
        session: session.id,
        approval,
        sequence,
        index: step.index,
        attempt: attempt.0,
        carrier: (session.node, session.incarnation),
        state,
    };
    step.put_bytes(key_space::open_operation(session.node, session.incarnation, operation), &[]);
    step.put(key_space::operation(operation), &record)?;
    Ok(record)
}

pub(super) fn settle(step: &mut Step<'_>, settlement: Settlement) -> Done {
    let known: OperationRecord = step
        .get(&key_space::operation(settlement.operation))?
        .ok_or(StateRefusal::NoSuchOperation)?;
    match known.state {
        OperationState::Settled(outcome) if outcome == settlement.outcome => Ok(Answer::Done),
        OperationState::Settled(outcome) => Err(StateRefusal::AlreadySettled { outcome }.into()),
        OperationState::Denied => Err(StateRefusal::NoSuchOperation.into()),
        OperationState::Intended | OperationState::Withheld => {
            conclude(step, known, settlement.outcome, settled(&settlement))?;
            Ok(Answer::Done)
        }
    }
}

/// What the carrier says of what became of an operation.
pub(super) fn settled(settlement: &Settlement) -> Facts {
    Facts::default()
        .with("rows", settlement.rows)
        .with("bytes", settlement.bytes)
        .shown("word", &settlement.word)
        .masked(&settlement.masked)
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
        .maybe("hold.id", known.approval.and_then(Approval::hold))
        .maybe("grant.id", known.approval.and_then(Approval::grant))
        .with("outcome", outcome.name());
    chain::append(step, EventKind::Outcome, facts)?;
    step.delete(key_space::open_operation(node, incarnation, known.id));
    forget::after(step, OPERATION_KEPT_MS, Forgotten::Operation(known.id));
    let state = OperationState::Settled(outcome);
    step.put(key_space::operation(known.id), &OperationRecord { state, ..known })
}

pub(super) fn lost(step: &mut Step<'_>, known: OperationRecord) -> Result<(), Stop> {
    let facts = Facts::default().with("reason", "the node was lost or started again");
    conclude(step, known, Outcome::OutcomeUnknown, facts)
}

/// What a node had in flight when it was lost may or may not have been executed.
pub(super) fn abandon(step: &mut Step<'_>, node: NodeId) -> Result<(), Stop> {
    for (key, _) in step.all(&key_space::open_operations_of_node(node))? {
        let id = key_space::trailing_id(&key).map(OperationId::from_bytes);
        let Some(id) = id else { continue };
        if let Some(known) = step.get::<OperationRecord>(&key_space::operation(id))? {
            lost(step, known)?;
        }
    }
    Ok(())
}

pub(super) fn refused(step: &mut Step<'_>, command: Refused) -> Done {
    let known = step.get::<OperationRecord>(&key_space::operation(command.operation))?;
    if let Some(known) = known {
        return match known.state {
            OperationState::Denied => Ok(Answer::Done),
            OperationState::Intended | OperationState::Withheld | OperationState::Settled(_) => {
                Err(StateRefusal::IdUsed.into())
            }
        };
    }
    // Recorded for closed sessions too: that an operation was refused is a fact whatever became of the session since.
    let session: SessionRecord =
        step.get(&key_space::session(command.session))?.ok_or(StateRefusal::SessionGone)?;
    let facts = Facts::default()
        .session(&session)
        .with("operation.id", command.operation)
        .shown("operation.summary", &command.summary)
        .listed("operation.actions", &command.actions)
        .with("fingerprint", command.fingerprint)
        .with("policy.revision", command.revision)
        .listed("policy.rules", &command.rules)
        .shown("message", &command.message)
        .with("verdict", "deny")
        .judged(session.judged(), &command.asked)
        .text(&command.text);
    deny(step, &session, (command.operation, facts))?;
    Ok(Answer::Done)
}

/// Records that an operation was refused, and remembers it so that nothing is intended under its id.
pub(super) fn deny(
    step: &mut Step<'_>,
    session: &SessionRecord,
    (operation, facts): (OperationId, Facts),
) -> Result<(), Stop> {
    let sequence = chain::append(step, EventKind::Refused, facts)?;
    let record = OperationRecord {
        id: operation,
        session: session.id,
        approval: None,
        sequence,
        index: step.index,
        attempt: [0; 16],
        carrier: (session.node, session.incarnation),
        state: OperationState::Denied,
    };
    step.put(key_space::operation(operation), &record)?;
    forget::after(step, OPERATION_KEPT_MS, Forgotten::Operation(operation));
    Ok(())
}

pub(super) fn access_refused(step: &mut Step<'_>, command: AccessRefused) -> Done {
    match request::known(step, command.id)? {
        None => {}
        Some(RequestRecord::AccessRefused) => return Ok(Answer::Done),
        Some(
            RequestRecord::Applied(_)
            | RequestRecord::Cancelled
            | RequestRecord::ClosedUnopened
            | RequestRecord::Administered
            | RequestRecord::Checkpointed
            | RequestRecord::SignedIn,
        ) => return Err(StateRefusal::IdUsed.into()),
    }
    let facts = match &command.who {
        Some(who) => Facts::default().identity(who),
        None => Facts::default(),
    };
    let facts = facts
        .shown("source.address", &command.source)
        .with("node.id", command.node)
        .shown("message", &command.what)
        .shown("reason", &command.reason);
    chain::append(step, EventKind::AccessRefused, facts)?;
    request::remember(step, command.id, RequestRecord::AccessRefused)?;
    Ok(Answer::Done)
}
