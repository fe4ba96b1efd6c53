//! Revocations (invariant `revoked_is_out`): from its place in the log on nothing is admitted for what was revoked.

use super::{
    chain::{self, Facts},
    credential, hold, session,
    step::{Done, Step, Stop, short},
};
use crate::{
    command::{Revocable, Revoke},
    effect::Effect,
    key_space,
    records::{HoldRecord, RevocationRecord, SessionRecord},
    reply::{Answer, StateRefusal},
};
use countersign_core::{agent::Identity, record::EventKind};

pub(super) fn revoke(step: &mut Step<'_>, command: Revoke) -> Done {
    short([command.reason.as_str(), command.author.name.as_str()])?;
    match command.what.clone() {
        Revocable::Session(id) => {
            let session: SessionRecord =
                step.get(&key_space::session(id))?.ok_or(StateRefusal::SessionGone)?;
            let facts = Facts::default()
                .session(&session)
                .with("reason", &command.reason)
                .author(&command.author);
            if session.state == crate::records::SessionState::Open {
                chain::append(step, EventKind::Revoked, facts)?;
            }
            session::expel(step, session, &command.reason, Facts::default())?;
            Ok(Answer::Done)
        }
        Revocable::Credential(id) => credential::revoke(step, id, &command),
        Revocable::Identity(identity) => {
            short([identity.issuer.as_str(), identity.subject.as_str()])?;
            if !step.has(&key_space::revocation(&identity))? {
                cut(step, identity, command)?;
            }
            Ok(Answer::Done)
        }
    }
}

fn cut(step: &mut Step<'_>, identity: Identity, command: Revoke) -> Result<(), Stop> {
    let facts = Facts::default()
        .identity(&identity)
        .with("reason", &command.reason)
        .author(&command.author);
    chain::append(step, EventKind::Revoked, facts)?;
    for session in session::all_open(step)? {
        if session.agent.identity == identity {
            session::expel(step, session, &command.reason, Facts::default())?;
        }
    }
    for record in hold::all_open(step)? {
        if concerns(&record, &identity) {
            hold::invalidate(step, record, "an identity was revoked")?;
        }
    }
    step.effect(Effect::Revoked { identity: identity.clone() });
    let record = RevocationRecord {
        identity,
        reason: command.reason,
        author: command.author,
        at: step.now,
        index: step.index,
    };
    step.put(key_space::revocation(&record.identity), &record)
}

/// Whether the identity asked for the operation, or has approved it.
fn concerns(record: &HoldRecord, identity: &Identity) -> bool {
    record.hold.requester == *identity
        || record.hold.state.decisions().iter().any(|made| made.reviewer.identity == *identity)
}
