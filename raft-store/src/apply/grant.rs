//! Grants: made by the approval that fills a quorum, used by intents, ended by revocation, time, or a change of what they were
//! given under. A grant covers nothing but what its own record says, at the place in the log where it is used (invariants
//! `no_forward_without_approval`, `revision_in_force`, `revoked_is_out`).

use super::{
    chain::{self, Facts},
    forget, sharing,
    step::{Done, Step, Stop},
};
use crate::{
    command::{Intent, Revoke},
    effect::Effect,
    key_space::{self, Expiring, Forgotten, Table},
    limits::{GRANT_KEPT_MS, Limit, MAX_GRANTS},
    records::{GrantRecord, HeldOperation, HoldRecord, SessionRecord},
    reply::{Answer, StateRefusal},
    state,
};
use countersign_core::{
    agent::Identity,
    grant::{Covered, Grant, GrantEnd, GrantState, Template},
    hold::{Choice, DecisionError, HoldError},
    id::GrantId,
    record::EventKind,
};

/// What the operation of a hold is like, where a grant can cover it.
pub(super) fn template(record: &HoldRecord, held: &HeldOperation) -> Option<Template> {
    held.template(record.protocol, &record.agent.workload)
}

/// Refuses an approval for a time that policy does not let, or for what no grant can cover. Nothing else than an approval
/// is for a time.
pub(super) fn may_be_given(
    step: &Step<'_>,
    record: &HoldRecord,
    (choice, grant_ms): (Choice, u64),
) -> Result<(), Stop> {
    if grant_ms == 0 {
        return Ok(());
    }
    let refused = |error| Err(StateRefusal::Hold(HoldError::Decision(error)).into());
    let Some(most_ms) = record.hold.terms.grantable_ms.filter(|_| choice == Choice::Approve) else {
        return refused(DecisionError::NotGrantable);
    };
    if grant_ms > most_ms {
        return refused(DecisionError::GrantTooLong { most_ms });
    }
    let held: Option<HeldOperation> = step.get(&key_space::held_operation(record.hold.id))?;
    match held.and_then(|held| template(record, &held)) {
        Some(_template) => Ok(()),
        None => refused(DecisionError::NotGrantable),
    }
}

/// Makes the grant of a hold that was just approved, where everybody who approved has said for how long: the shortest counts.
pub(super) fn give(step: &mut Step<'_>, record: &HoldRecord) -> Result<(), Stop> {
    let approvals = record.hold.state.decisions().iter();
    let approvals = approvals.filter(|made| made.choice == Choice::Approve);
    let grant_ms = approvals.map(|made| made.grant_ms).min().unwrap_or_default();
    // Who has approved for a time, and others have not, has not granted it by breaking the glass.
    if grant_ms == 0 || record.hold.state.glass_broken().is_some() {
        return Ok(());
    }
    let held: HeldOperation =
        step.get(&key_space::held_operation(record.hold.id))?.ok_or(StateRefusal::NoSuchHold)?;
    let Some(template) = template(record, &held) else { return Ok(()) };
    let hold = &record.hold;
    let place = key_space::grant_in_force(&hold.requester, &hold.target, &template);
    let before = match step.id_at(&place)? {
        Some(id) => step.get::<GrantRecord>(&key_space::grant(GrantId::from_bytes(id)))?,
        None => None,
    };
    if let Some(before) = before {
        let reason = "another grant has taken its place".to_owned();
        end(step, before, GrantEnd::Invalidated { reason }, Facts::default())?;
    }
    let in_force = step.first(&key_space::table(Table::GrantInForce), MAX_GRANTS)?;
    if in_force.len() >= MAX_GRANTS {
        return Err(StateRefusal::OverLimit { limit: Limit::Grants }.into());
    }
    enter(step, record, grant(record, template, step.now.after_ms(grant_ms)), held)
}

fn grant(
    record: &HoldRecord,
    template: Template,
    expires_at: countersign_core::log_time::LogTime,
) -> Grant {
    let hold = &record.hold;
    Grant {
        id: GrantId::from_bytes(*hold.id.as_bytes()),
        agent: hold.requester.clone(),
        owner: hold.owner.clone(),
        target: hold.target.clone(),
        target_revision: record.target_revision,
        template,
        terms: hold.terms.clone(),
        revision: hold.revision,
        expires_at,
        state: GrantState::InForce,
    }
}

fn enter(
    step: &mut Step<'_>,
    hold: &HoldRecord,
    grant: Grant,
    held: HeldOperation,
) -> Result<(), Stop> {
    let record = GrantRecord {
        number: chain::next_sequence(step)?,
        hold: hold.hold.id,
        agent_name: hold.hold.requester_name.clone(),
        protocol: hold.protocol,
        shape: held.shape.unwrap_or_default(),
        summary: hold.summary.clone(),
        decisions: hold.hold.state.decisions().to_vec(),
        granted_at: step.now,
        uses: 0,
        last_used_at: None,
        grant,
    };
    let id = record.grant.id;
    let facts = facts(&record)
        .with("hold.id", record.hold)
        .with("grant.expires_at_ms", record.grant.expires_at.0)
        .shown("grant.shape", &record.shape);
    chain::append(step, EventKind::Granted, facts)?;
    step.put_bytes(key_space::numbered(Table::GrantByNumber, record.number), id.as_bytes());
    step.put_bytes(place(&record), id.as_bytes());
    step.put_bytes(key_space::expiry(record.grant.expires_at, Expiring::Grant(id)), &[]);
    step.effect(Effect::GrantChanged { grant: id });
    step.put(key_space::grant(id), &record)
}

fn place(record: &GrantRecord) -> Vec<u8> {
    let grant = &record.grant;
    key_space::grant_in_force(&grant.agent, &grant.target, &grant.template)
}

fn facts(record: &GrantRecord) -> Facts {
    let grant = &record.grant;
    Facts::default()
        .with("grant.id", grant.id)
        .identity(&grant.agent)
        .with("agent.name", &record.agent_name)
        .with("target.name", &grant.target)
        .with("target.revision", grant.target_revision)
        .with("policy.revision", grant.revision)
        .listed("policy.rules", &grant.terms.rules)
        .with("grant.template", grant.template)
        .with("grant.uses", record.uses)
}

/// Has a grant cover one more operation, or refuses it.
pub(super) fn consume(
    step: &mut Step<'_>,
    id: GrantId,
    session: &SessionRecord,
    command: &Intent,
) -> Result<Facts, Stop> {
    let gone = || Stop::from(StateRefusal::GrantGone);
    let record: GrantRecord = step.get(&key_space::grant(id))?.ok_or_else(gone)?;
    let covered = Covered {
        agent: &session.agent.identity,
        owner: session.agent.owner.as_deref(),
        target: &session.target,
        target_revision: session.target_revision,
        template: command.template.as_ref().ok_or_else(gone)?,
        rules: &command.basis.rules,
        revision: command.basis.revision,
    };
    if !record.grant.covers(covered, step.now) {
        return Err(gone());
    }
    if sharing::has_let_through(step, &record.grant.agent, &record.decisions)? {
        let reason = "somebody who gave it shares a credential with the agent".to_owned();
        end(step, record, GrantEnd::Invalidated { reason }, Facts::default())?;
        step.keep();
        return Err(gone());
    }
    let uses = record.uses.saturating_add(1);
    let record = GrantRecord { uses, last_used_at: Some(step.now), ..record };
    step.put(key_space::grant(id), &record)?;
    Ok(Facts::default().with("grant.id", id).with("grant.uses", uses).with("hold.id", record.hold))
}

/// Ends a grant. The first end stays.
fn end(
    step: &mut Step<'_>,
    record: GrantRecord,
    end: GrantEnd,
    facts_of_end: Facts,
) -> Result<(), Stop> {
    if record.grant.state != GrantState::InForce {
        return Ok(());
    }
    let id = record.grant.id;
    let (kind, reason) = match &end {
        GrantEnd::Revoked { reason } => (EventKind::Revoked, Some(reason.clone())),
        GrantEnd::Expired => (EventKind::GrantEnded, None),
        GrantEnd::Invalidated { reason } => (EventKind::GrantEnded, Some(reason.clone())),
    };
    let facts = facts(&record).and(facts_of_end).with("state", end.name()).maybe("reason", reason);
    chain::append(step, kind, facts)?;
    step.delete(place(&record));
    step.delete(key_space::expiry(record.grant.expires_at, Expiring::Grant(id)));
    forget::after(step, GRANT_KEPT_MS, Forgotten::Grant(id));
    step.effect(Effect::GrantChanged { grant: id });
    let state = GrantState::Over { end, at: step.now };
    let grant = Grant { state, ..record.grant };
    step.put(key_space::grant(id), &GrantRecord { grant, ..record })
}

pub(super) fn expire(step: &mut Step<'_>, id: GrantId) -> Result<(), Stop> {
    match step.get::<GrantRecord>(&key_space::grant(id))? {
        Some(record) if step.now >= record.grant.expires_at => {
            end(step, record, GrantEnd::Expired, Facts::default())
        }
        Some(_) | None => Ok(()),
    }
}

pub(super) fn revoke(step: &mut Step<'_>, id: GrantId, command: &Revoke) -> Done {
    let record: GrantRecord = step.get(&key_space::grant(id))?.ok_or(StateRefusal::NoSuchGrant)?;
    // Before its next tick an expired one is still listed as in force, and may be ended by whoever comes first.
    let reason = command.reason.clone();
    end(step, record, GrantEnd::Revoked { reason }, Facts::default().author(&command.author))?;
    Ok(Answer::Done)
}

/// Ends every grant in force of which `concerned` says so.
pub(super) fn invalidate(
    step: &mut Step<'_>,
    reason: &str,
    concerned: impl Fn(&GrantRecord) -> bool,
) -> Result<(), Stop> {
    for (_, id) in step.all(&key_space::table(Table::GrantInForce))? {
        let id: [u8; 16] = id.try_into().map_err(|_| state::unreadable("a grant id"))?;
        let found = step.get::<GrantRecord>(&key_space::grant(GrantId::from_bytes(id)))?;
        if let Some(record) = found.filter(|record| concerned(record)) {
            let reason = reason.to_owned();
            end(step, record, GrantEnd::Invalidated { reason }, Facts::default())?;
        }
    }
    Ok(())
}

/// Whether one of these identities has approved it.
pub(super) fn was_approved_by(record: &GrantRecord, is_one: impl Fn(&Identity) -> bool) -> bool {
    record.decisions.iter().any(|decision| is_one(&decision.reviewer.identity))
}
