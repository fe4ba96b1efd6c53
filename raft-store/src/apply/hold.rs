//! Holds: opened, attached to, decided about, parked, withdrawn, claimed. The transitions themselves are core's; here they
//! are put at their place in the log, with the checks that need the rest of the state.

mod book;
mod budget;
mod escalation;
mod evidence;
mod rejected;

pub(super) use book::{all_open, detach, elapse, invalidate};
pub(super) use escalation::escalate;
pub(super) use evidence::attach_evidence;
pub(super) use rejected::forget as forget_rejected;

use super::{
    chain::{self, Facts},
    grant,
    intent::{self, Planned},
    session, sharing,
    step::{Done, Step, Stop, named, short, within},
};
use crate::{
    command::{Attempt, ClaimHold, Decide, Leaves, OpenHold, ParkHold, WithdrawHold, Withdrawer},
    effect::Effect,
    key_space,
    limits::{
        Limit, MAX_ATTACHED, MAX_COMMENT, MAX_DECISIONS, MAX_HELD_PARAMETERS, MAX_HELD_TEXT,
        MAX_HOLD_LIFE_MS, MAX_HOLDS_A_PERIOD, MAX_NAMES, MAX_OPEN_HOLDS_PER_AGENT, MAX_QUORUM,
        MAX_REQUIREMENTS,
    },
    records::{
        Attachment, AuditText, HeldOperation, HoldPhase, HoldRecord, OperationRecord,
        OperationState, SessionRecord, action_names,
    },
    reply::{Answer, StateRefusal},
};
use countersign_core::{
    fingerprint::{Fingerprint, Fingerprinted},
    grant::MAX_SHAPE,
    hold::{
        Choice, Claim, Consumption, Decision, DecisionError, Hold, HoldError, HoldEvent, HoldState,
        HoldTerms, MAX_WAYS,
    },
    id::OperationId,
    permit::Approval,
    record::EventKind,
    target::Target,
};

pub(super) fn open(step: &mut Step<'_>, command: OpenHold) -> Done {
    if let Some(known) = step.get::<HoldRecord>(&key_space::hold(command.id))? {
        let same = known.operation == command.operation
            && known.session == command.session
            && known.hold.fingerprint == command.fingerprint;
        return if same {
            Ok(Answer::Held(Box::new(known)))
        } else {
            Err(StateRefusal::IdUsed.into())
        };
    }
    // A repetition that comes after the operation was claimed must not open another hold for it.
    match step.get::<OperationRecord>(&key_space::operation(command.operation))? {
        None => {}
        // It was refused, because the same had been rejected: so is its repetition.
        Some(known) if known.state == OperationState::Denied => {
            return rejected::again(step, &command);
        }
        Some(_) => return Err(StateRefusal::IdUsed.into()),
    }
    fits(&command.held, &command.terms)?;
    let session = session::live(step, command.session)?;
    session::not_expired(&session.agent, step.now)?;
    step.in_force(command.revision)?;
    if fingerprint(&session, &command.held) != command.fingerprint {
        return Err(StateRefusal::OtherFingerprint.into());
    }
    if let Some(other) = book::same(step, &session.agent.identity, &command.fingerprint)? {
        // The same operation may be judged otherwise under the same policy when the agent's claims have changed.
        if other.hold.terms == command.terms && other.hold.owner == session.agent.owner {
            return attach(step, other, &session);
        }
        invalidate(step, other, "the agent's claims have changed")?;
    }
    rejected::refuse(step, &command, &session)?;
    let open = book::count(step, &session.agent.identity)?;
    if open >= command.most_open.min(MAX_OPEN_HOLDS_PER_AGENT) {
        return Err(StateRefusal::OverLimit { limit: Limit::OpenHoldsPerAgent }.into());
    }
    let most = command.most_a_period.min(MAX_HOLDS_A_PERIOD);
    budget::spend(step, (&session.agent.identity, most), &command.held)?;
    begin(step, command, session)
}

fn begin(step: &mut Step<'_>, command: OpenHold, session: SessionRecord) -> Done {
    let expires_after_ms = command.terms.expires_after_ms.min(MAX_HOLD_LIFE_MS);
    let record = HoldRecord {
        number: chain::next_sequence(step)?,
        hold: Hold {
            id: command.id,
            fingerprint: command.fingerprint,
            requester: session.agent.identity.clone(),
            requester_name: session.agent.name.clone(),
            owner: session.agent.owner.clone(),
            target: session.target.clone(),
            terms: command.terms,
            revision: command.revision,
            opened_at: step.now,
            expires_at: step.now.after_ms(expires_after_ms),
            state: HoldState::Pending { decisions: Vec::new() },
        },
        session: session.id,
        operation: command.operation,
        protocol: session.protocol,
        target_revision: session.target_revision,
        summary: command.held.summary.clone(),
        attached: vec![attachment(&session)],
        agent: session.agent,
    };
    let facts = Facts::default()
        .hold(&record)
        .with("session.id", record.session)
        .with("operation.id", record.operation)
        .with("operation.actions", action_names(&command.held.demands).join(","))
        .with("node.id", session.node)
        .with("incarnation", session.incarnation)
        .with("verdict", "hold")
        .judged((&record.agent, record.protocol, &session.role), &command.held.asked)
        .parameters(&command.held.parameters)
        .text(&AuditText::of(&command.held.text));
    chain::append(step, EventKind::Held, facts)?;
    step.put(key_space::held_operation(command.id), &command.held)?;
    book::enter(step, &record)?;
    Ok(Answer::Held(Box::new(record)))
}

fn attach(step: &mut Step<'_>, mut record: HoldRecord, session: &SessionRecord) -> Done {
    if !record.attached.iter().any(|waiting| waiting.session == session.id) {
        within(record.attached.len() + 1, MAX_ATTACHED, Limit::Attached)?;
        record.attached.push(attachment(session));
        step.put_bytes(key_space::waiting_for(session.id, record.hold.id), &[]);
        book::rewrite(step, &record)?;
    }
    Ok(Answer::Attached(Box::new(record)))
}

fn attachment(session: &SessionRecord) -> Attachment {
    Attachment { session: session.id, node: session.node, incarnation: session.incarnation }
}

pub(super) fn decide(step: &mut Step<'_>, command: Decide) -> Done {
    within(command.comment.len(), MAX_COMMENT, Limit::Comment)?;
    let reviewer = &command.reviewer;
    named([&reviewer.name, &reviewer.identity.issuer, &reviewer.identity.subject].map(|t| &**t))?;
    named(reviewer.also_known_as.iter().map(String::as_str))?;
    within(reviewer.also_known_as.len(), MAX_NAMES, Limit::Names)?;
    let record = book::get(step, command.hold)?;
    let repeated = record.hold.state.decisions().iter().any(|made| {
        made.reviewer.identity == command.reviewer.identity
            && made.choice == command.choice
            && made.grant_ms == command.grant_ms
            && made.comment == command.comment
    });
    if repeated && command.seen == record.hold.fingerprint {
        return Ok(Answer::Hold(Box::new(record)));
    }
    session::not_revoked(step, &command.reviewer.identity)?;
    let record = elapse(step, record)?;
    within(record.hold.state.decisions().len() + 1, MAX_DECISIONS, Limit::Decisions)?;
    // Of the groups, those that count here: they say by which right the reviewer decides, and their number is bounded.
    let mut reviewer = command.reviewer;
    let counting = record.hold.terms.groups();
    reviewer.groups.retain(|group| counting.contains(group.as_str()));
    grant::may_be_given(step, &record, (command.choice, command.grant_ms))?;
    if sharing::is_shared_by(step, &record.hold.requester, &reviewer)? {
        return Err(StateRefusal::Hold(HoldError::Decision(DecisionError::Sharer)).into());
    }
    let decision = Decision {
        reviewer,
        choice: command.choice,
        grant_ms: command.grant_ms,
        comment: command.comment,
        at: step.now,
        node: command.node,
    };
    let facts = Facts::default()
        .hold(&record)
        .reviewer(&decision.reviewer)
        .with("decision", decision.choice.name())
        .maybe("decision.grant_ms", Some(decision.grant_ms).filter(|ms| *ms > 0))
        .with("comment", &decision.comment)
        .with("node.id", decision.node);
    let event = HoldEvent::Decide { decision: Box::new(decision), seen: command.seen };
    let record = book::handle(step, record, event)?;
    let facts = facts.with("state", record.hold.state.name());
    let kind = match command.choice {
        Choice::Approve | Choice::Reject => EventKind::Decided,
        Choice::BreakGlass => EventKind::GlassBroken,
    };
    chain::append(step, kind, facts)?;
    match HoldPhase::of(&record.hold.state) {
        HoldPhase::Approved => grant::give(step, &record)?,
        HoldPhase::Rejected => rejected::remember(step, &record),
        HoldPhase::Pending
        | HoldPhase::Consumed
        | HoldPhase::Withdrawn
        | HoldPhase::Expired
        | HoldPhase::Invalidated => {}
    }
    Ok(Answer::Hold(Box::new(record)))
}

pub(super) fn withdraw(step: &mut Step<'_>, command: WithdrawHold) -> Done {
    within(command.comment.len(), MAX_COMMENT, Limit::Comment)?;
    let record = book::get(step, command.hold)?;
    let facts = match &command.by {
        Withdrawer::Author(author) => Facts::default().author(author),
        Withdrawer::Agent(id) => {
            // A closed session may still withdraw: the agent cancelled and went away at once.
            let session: SessionRecord =
                step.get(&key_space::session(*id))?.ok_or(StateRefusal::SessionGone)?;
            if session.agent.identity != record.hold.requester {
                return Err(StateRefusal::Hold(HoldError::OtherAgent).into());
            }
            Facts::default().with("session.id", *id)
        }
    };
    if HoldPhase::of(&record.hold.state) == HoldPhase::Withdrawn {
        return Ok(Answer::Hold(Box::new(record)));
    }
    let record = elapse(step, record)?;
    let record = book::handle(step, record, HoldEvent::Withdraw)?;
    let comment = Some(command.comment).filter(|comment| !comment.is_empty());
    let facts = facts.hold(&record).maybe("comment", comment);
    chain::append(step, EventKind::Withdrawn, facts)?;
    Ok(Answer::Hold(Box::new(record)))
}

pub(super) fn park(step: &mut Step<'_>, command: ParkHold) -> Done {
    let record = book::get(step, command.hold)?;
    let record = elapse(step, record)?;
    let record = match command.leaves {
        Leaves::Parked => book::let_go(step, record, command.session)?,
        Leaves::Void => book::make_void(step, record, command.session)?,
    };
    Ok(Answer::Hold(Box::new(record)))
}

/// Invariants `approval_consumed_once` and `no_forward_without_approval`: the hold is consumed and the intent recorded in
/// the same step, or neither.
pub(super) fn claim(step: &mut Step<'_>, command: ClaimHold, attempt: Attempt) -> Done {
    let record = book::get(step, command.hold)?;
    if let Some(answer) = claimed_before(step, &record, command.operation, attempt)? {
        return Ok(answer);
    }
    let session = session::live(step, command.session)?;
    let record = elapse(step, record)?;
    step.in_force(command.revision)?;
    let record = still_four_eyes(step, record)?;
    let waits = record.attached.iter().any(|waiting| waiting.session == session.id);
    let claim = Claim {
        operation: command.operation,
        fingerprint: command.fingerprint,
        agent: session.agent.identity.clone(),
        revision: command.revision,
    };
    let record = book::handle(step, record, HoldEvent::Claim(claim))?;
    if !waits {
        return Err(StateRefusal::NotAttached.into());
    }
    let held: HeldOperation =
        step.get(&key_space::held_operation(command.hold))?.ok_or(StateRefusal::NoSuchHold)?;
    let facts = Facts::default()
        .hold(&record)
        .with("operation.actions", action_names(&held.demands).join(","))
        .with("verdict", "hold")
        .maybe("hold.glass_broken_by", glass_broken_by(&record))
        .parameters(&held.parameters)
        .text(&AuditText::of(&held.text));
    intent::enter(
        step,
        &session,
        Planned {
            operation: command.operation,
            approval: Some(Approval::Hold(command.hold)),
            attempt,
            facts,
        },
    )?;
    Ok(Answer::Claimed { consumption: consumption(&record, command.operation), index: step.index })
}

/// An approval by somebody who turns out to share a credential with the agent approves nothing.
fn still_four_eyes(step: &mut Step<'_>, record: HoldRecord) -> Result<HoldRecord, Stop> {
    if !sharing::has_let_through(step, &record.hold.requester, record.hold.state.decisions())? {
        return Ok(record);
    }
    let reason = "somebody who approved it shares a credential with the agent";
    let record = invalidate(step, record, reason)?;
    step.keep();
    Err(StateRefusal::Hold(HoldError::Settled { state: record.hold.state.name() }).into())
}

fn glass_broken_by(record: &HoldRecord) -> Option<String> {
    record.hold.state.glass_broken().map(|made| made.reviewer.identity.to_string())
}

fn claimed_before(
    step: &Step<'_>,
    record: &HoldRecord,
    operation: OperationId,
    attempt: Attempt,
) -> Result<Option<Answer>, Stop> {
    let Some(known) = step.get::<OperationRecord>(&key_space::operation(operation))? else {
        return Ok(None);
    };
    if known.approval == Some(Approval::Hold(record.hold.id)) && known.attempt == attempt.0 {
        intent::still_stands(step, &known)?;
        let consumption = consumption(record, operation);
        return Ok(Some(Answer::Claimed { consumption, index: known.index }));
    }
    Err(StateRefusal::IdUsed.into())
}

fn consumption(record: &HoldRecord, operation: OperationId) -> Consumption {
    Consumption {
        hold: record.hold.id,
        operation,
        fingerprint: record.hold.fingerprint,
        revision: record.hold.revision,
        rules: record.hold.terms.rules.clone(),
    }
}

/// The fingerprint that the operation has in this session: what reviewers see must be what the approval covers.
fn fingerprint(session: &SessionRecord, held: &HeldOperation) -> Fingerprint {
    let target = Target {
        name: session.target.clone(),
        revision: session.target_revision,
        protocol: session.protocol,
    };
    Fingerprint::of(Fingerprinted {
        target: &target,
        agent: &session.agent.identity,
        workload: &session.agent.workload,
        settings: &held.settings,
        text: &held.text,
        parameters: &held.parameters,
    })
}

fn fits(held: &HeldOperation, terms: &HoldTerms) -> Result<(), Stop> {
    within(held.text.len(), MAX_HELD_TEXT, Limit::HeldText)?;
    let values = held
        .parameters
        .iter()
        .map(|parameter| parameter.shown.len() + parameter.value.as_ref().map_or(0, Vec::len));
    within(values.sum(), MAX_HELD_PARAMETERS, Limit::HeldParameters)?;
    short([held.summary.as_str()])?;
    short(terms.rules.iter().map(String::as_str))?;
    within(held.shape.as_ref().map_or(0, String::len), MAX_SHAPE, Limit::ShortText)?;
    within(terms.requirements.len(), MAX_REQUIREMENTS, Limit::Requirements)?;
    named(terms.groups())?;
    if terms.ways() > MAX_WAYS {
        return Err(StateRefusal::OverLimit { limit: Limit::Requirements }.into());
    }
    let mut quorums = terms.requirements.iter().map(|needed| needed.quorum);
    if quorums.any(|quorum| !(1..=MAX_QUORUM).contains(&quorum)) {
        return Err(StateRefusal::OverLimit { limit: Limit::Quorum }.into());
    }
    // More than can ever decide would be a hold that nobody can approve.
    within(terms.fewest() as usize, MAX_DECISIONS, Limit::Quorum)?;
    let pairs = held.settings.iter().chain(&held.context);
    short(pairs.flat_map(|(name, value)| [name.as_str(), value.as_str()]))
}

/// Tells the nodes where a hold stands.
fn changed(step: &mut Step<'_>, record: &HoldRecord) {
    step.effect(Effect::HoldChanged {
        hold: record.hold.id,
        agent: record.hold.requester.clone(),
        phase: HoldPhase::of(&record.hold.state),
    });
}
