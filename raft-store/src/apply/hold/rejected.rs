//! What was rejected is not asked again for a while: the same operation of the same agent, under the same policy, is refused
//! at once, with the hold that says why. That it was tried is in the audit.

use crate::{
    apply::{
        chain::Facts,
        intent,
        step::{Done, Step, Stop},
    },
    command::OpenHold,
    key_space,
    records::{AuditText, HoldPhase, HoldRecord, SessionRecord, action_names},
    reply::StateRefusal,
};
use countersign_core::{id::HoldId, log_time::LogTime};

/// Remembers a hold that was just rejected.
pub(super) fn remember(step: &mut Step<'_>, record: &HoldRecord) {
    let hold = &record.hold;
    let place = key_space::rejected_hold(&hold.requester, &hold.fingerprint);
    step.put_bytes(place, hold.id.as_bytes());
}

/// Forgets a rejected hold with its record, unless a later one has taken its place.
pub(in crate::apply) fn forget(step: &mut Step<'_>, record: &HoldRecord) -> Result<(), Stop> {
    let hold = &record.hold;
    let place = key_space::rejected_hold(&hold.requester, &hold.fingerprint);
    if step.id_at(&place)? == Some(*hold.id.as_bytes()) {
        step.delete(place);
    }
    Ok(())
}

/// Refuses what was rejected lately. The refusal is recorded, once for each operation.
pub(super) fn refuse(
    step: &mut Step<'_>,
    command: &OpenHold,
    session: &SessionRecord,
) -> Result<(), Stop> {
    let place = key_space::rejected_hold(&session.agent.identity, &command.fingerprint);
    let Some(id) = step.id_at(&place)? else { return Ok(()) };
    let Some(before) = step.get::<HoldRecord>(&key_space::hold(HoldId::from_bytes(id)))? else {
        return Ok(());
    };
    let ends = quiet_until(&before);
    // Under another policy others may be asked, or for other reasons.
    if step.now >= ends || before.hold.revision != command.revision {
        return Ok(());
    }
    let facts = Facts::default()
        .session(session)
        .with("operation.id", command.operation)
        .shown("operation.summary", &command.held.summary)
        .with("operation.actions", action_names(&command.held.demands).join(","))
        .with("fingerprint", command.fingerprint)
        .with("policy.revision", command.revision)
        .listed("policy.rules", &command.terms.rules)
        .with("hold.id", before.hold.id)
        .with("message", "the same was rejected a short while ago")
        .with("verdict", "deny")
        .judged(session.judged(), &command.held.asked)
        .text(&AuditText::of(&command.held.text));
    intent::deny(step, session, (command.operation, facts))?;
    step.keep();
    Err(StateRefusal::RejectedLately { hold: before.hold.id }.into())
}

/// The answer to the repetition of a call that was refused.
pub(super) fn again(step: &Step<'_>, command: &OpenHold) -> Done {
    let used = || Stop::from(StateRefusal::IdUsed);
    let session: SessionRecord =
        step.get(&key_space::session(command.session))?.ok_or_else(used)?;
    let place = key_space::rejected_hold(&session.agent.identity, &command.fingerprint);
    let hold = step.id_at(&place)?.map(HoldId::from_bytes).ok_or_else(used)?;
    Err(StateRefusal::RejectedLately { hold }.into())
}

/// Log time until which nobody is asked again.
fn quiet_until(record: &HoldRecord) -> LogTime {
    let rejected = HoldPhase::of(&record.hold.state) == HoldPhase::Rejected;
    let last = record.hold.state.decisions().last().filter(|_| rejected);
    last.map_or(LogTime(0), |last| last.at.after_ms(record.hold.terms.again_after_ms))
}
