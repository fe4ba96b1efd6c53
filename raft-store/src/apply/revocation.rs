//! Revocations (invariant `revoked_is_out`): from its place in the log on nothing is admitted for what was revoked.

use super::{
    chain::{self, Facts},
    credential, grant, hold, session,
    step::{Done, Step, Stop, short},
};
use crate::{
    command::{Revocable, Revoke},
    effect::Effect,
    format::Stored,
    key_space::{self, Table},
    records::{HoldRecord, IssuerRevocation, RevocationRecord, SessionRecord, Voucher},
    reply::{Answer, StateRefusal},
};
use countersign_core::{agent::Identity, record::EventKind};
use std::collections::BTreeSet;

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
        Revocable::Provider { provider, issuer } => {
            short([issuer.as_str(), provider.provider.as_str()])?;
            credential::is_vouched(step, &provider)?;
            cut_issuer(step, (provider, issuer), command)?;
            Ok(Answer::Done)
        }
        Revocable::Grant(id) => grant::revoke(step, id, &command),
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
    expel(step, &command.reason, |one| *one == identity)?;
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

/// Revokes everybody of a provider's issuer.
fn cut_issuer(
    step: &mut Step<'_>,
    (provider, issuer): (Voucher, String),
    command: Revoke,
) -> Result<(), Stop> {
    let place = key_space::revoked_issuer(&issuer);
    let known: Option<IssuerRevocation> = step.get(&place)?;
    if known.as_ref().is_some_and(|known| known.providers.contains(&provider.provider)) {
        return Ok(());
    }
    let facts = Facts::default()
        .with("provider", &provider.provider)
        .with("provider.issuer", &issuer)
        .with("reason", &command.reason)
        .author(&command.author);
    chain::append(step, EventKind::Revoked, facts)?;
    expel(step, &command.reason, |one| one.issuer == issuer)?;
    step.effect(Effect::IssuerRevoked { issuer: issuer.clone() });
    let mut record = known.unwrap_or_else(|| IssuerRevocation {
        issuer,
        providers: BTreeSet::new(),
        reason: command.reason,
        author: command.author,
        at: step.now,
        index: step.index,
    });
    record.providers.insert(provider.provider);
    step.put(place, &record)
}

/// A provider is defined otherwise than when it was revoked: whoever did that knows what it stands for now.
pub(super) fn provider_defined(step: &mut Step<'_>, name: &str) -> Result<(), Stop> {
    for (place, bytes) in step.all(&key_space::table(Table::RevokedIssuer))? {
        let mut record = IssuerRevocation::decode(&bytes)?;
        if record.providers.remove(name) {
            if record.providers.is_empty() {
                step.delete(place);
            } else {
                step.put(place, &record)?;
            }
        }
    }
    Ok(())
}

/// Ends the sessions of those identities, and voids the holds and grants that they asked for or decided about.
fn expel(
    step: &mut Step<'_>,
    reason: &str,
    is_one: impl Fn(&Identity) -> bool,
) -> Result<(), Stop> {
    for session in session::all_open(step)? {
        if is_one(&session.agent.identity) {
            session::expel(step, session, reason, Facts::default())?;
        }
    }
    for record in hold::all_open(step)? {
        if concerns(&record, &is_one) {
            hold::invalidate(step, record, "an identity was revoked")?;
        }
    }
    grant::invalidate(step, "an identity was revoked", |record| {
        is_one(&record.grant.agent) || grant::was_approved_by(record, &is_one)
    })
}

/// Whether one of these identities asked for the operation, or has approved it.
fn concerns(record: &HoldRecord, is_one: impl Fn(&Identity) -> bool) -> bool {
    is_one(&record.hold.requester)
        || record.hold.state.decisions().iter().any(|made| is_one(&made.reviewer.identity))
}
