//! Credentials of agents: issued for a token, for an hour at most, and gone when their time is over. A credential says
//! nothing by itself: whose it is stands here, and a revoked one opens nothing (invariant `revoked_is_out`). It counts as
//! long as its provider is defined as it was when it vouched (`revision_in_force`).

use super::{
    chain::{self, Facts},
    session, sharing,
    step::{Done, Step, Stop, named, short},
};
use crate::{
    command::{IssueCredential, OpenSession, Revoke},
    key_space::{self, Expiring},
    limits::{Limit, MAX_CREDENTIAL_LIFE_MS, MAX_CREDENTIALS_PER_AGENT},
    records::{
        CredentialRecord, CredentialState, ResourceKind, ResourceRecord, SessionRecord, Voucher,
    },
    reply::{Answer, CredentialLife, StateRefusal},
};
use countersign_core::{agent::Agent, id::CredentialId, record::EventKind};

pub(super) fn issue(step: &mut Step<'_>, command: IssueCredential) -> Done {
    let place = key_space::credential(command.id);
    if let Some(known) = step.get::<CredentialRecord>(&place)? {
        let same = known.agent.identity == command.agent.identity
            && (known.form, known.proof_sha256) == (command.form, command.proof_sha256)
            && known.audience == command.audience
            && known.state == CredentialState::Valid;
        return if same { Ok(issued(&known)) } else { Err(StateRefusal::IdUsed.into()) };
    }
    let agent = command.agent;
    short([command.voucher.provider.as_str()])?;
    named([&agent.name, &agent.identity.issuer, &agent.identity.subject].map(|t| &**t))?;
    named(agent.groups.iter().chain(&agent.owner).map(String::as_str))?;
    named(agent.workload.parts().map(|(_name, said)| said))?;
    session::not_revoked(step, &agent.identity)?;
    session::not_expired(&agent, step.now)?;
    is_vouched(step, &command.voucher)?;
    let count = key_space::credential_count(&agent.identity, command.voucher.revision);
    let live = step.number_at(&count)?;
    if live >= command.most_live.min(MAX_CREDENTIALS_PER_AGENT) {
        return Err(StateRefusal::OverLimit { limit: Limit::CredentialsPerAgent }.into());
    }
    step.put_number(count, live.saturating_add(1));
    let expires_at = agent.expires_at.min(step.now.after_ms(MAX_CREDENTIAL_LIFE_MS));
    let record = CredentialRecord {
        id: command.id,
        agent: Agent { expires_at, ..agent },
        voucher: command.voucher,
        form: command.form,
        audience: command.audience,
        proof_sha256: command.proof_sha256,
        issued_at: step.now,
        state: CredentialState::Valid,
    };
    let facts = Facts::default()
        .identity(&record.agent.identity)
        .with("agent.name", &record.agent.name)
        .with("credential.id", record.id)
        .with("credential.form", record.form.name())
        .with("provider", &record.voucher.provider)
        .with("node.id", command.node)
        .with("source.address", command.source);
    let facts = match record.audience.target() {
        Some(target) => facts.with("target.name", target),
        None => facts,
    };
    chain::append(step, EventKind::CredentialIssued, facts)?;
    step.put_bytes(key_space::expiry(expires_at, Expiring::Credential(record.id)), &[]);
    sharing::enter(step, &record);
    step.put(place, &record)?;
    Ok(issued(&record))
}

fn issued(record: &CredentialRecord) -> Answer {
    let (issued_at, expires_at) = (record.issued_at, record.agent.expires_at);
    Answer::CredentialIssued(CredentialLife { issued_at, expires_at })
}

/// Refuses what a provider vouched for that is gone, or is defined anew.
pub(super) fn is_vouched(step: &Step<'_>, voucher: &Voucher) -> Result<(), Stop> {
    let place = key_space::resource(ResourceKind::IdentityProvider, &voucher.provider);
    match step.get::<ResourceRecord>(&place)? {
        Some(provider) if provider.revision == voucher.revision => Ok(()),
        Some(_) | None => Err(StateRefusal::ProviderChanged.into()),
    }
}

/// Refuses a credential that is not this agent's, not any more, or not for this session.
pub(super) fn may_open(
    step: &Step<'_>,
    id: CredentialId,
    session: &OpenSession,
) -> Result<(), Stop> {
    let record: CredentialRecord =
        step.get(&key_space::credential(id))?.ok_or(StateRefusal::NoSuchCredential)?;
    match record.state {
        CredentialState::Revoked => Err(StateRefusal::Revoked.into()),
        CredentialState::Valid if record.agent.identity != session.agent.identity => {
            Err(StateRefusal::NoSuchCredential.into())
        }
        CredentialState::Valid if !record.audience.has(&session.target, session.protocol) => {
            Err(StateRefusal::OtherAudience.into())
        }
        CredentialState::Valid => {
            is_vouched(step, &record.voucher)?;
            session::not_expired(&record.agent, step.now)
        }
    }
}

/// Whether a session was opened with a credential that one of these providers vouched for.
pub(super) fn is_of(
    step: &Step<'_>,
    session: &SessionRecord,
    is_one: impl Fn(&str) -> bool,
) -> Result<bool, Stop> {
    let Some(id) = session.credential else { return Ok(false) };
    let record: Option<CredentialRecord> = step.get(&key_space::credential(id))?;
    // One that is gone has expired, and the session ends with it.
    Ok(record.is_some_and(|record| is_one(&record.voucher.provider)))
}

/// The time of a credential is over.
pub(super) fn elapse(step: &mut Step<'_>, id: CredentialId) -> Result<(), Stop> {
    let place = key_space::credential(id);
    let Some(record) = step.get::<CredentialRecord>(&place)? else { return Ok(()) };
    match record.state {
        CredentialState::Valid => count_off(step, &record)?,
        CredentialState::Revoked => {}
    }
    sharing::forget(step, &record);
    step.delete(place);
    Ok(())
}

/// One credential less.
fn count_off(step: &mut Step<'_>, record: &CredentialRecord) -> Result<(), Stop> {
    sharing::ends(step, record);
    let place = key_space::credential_count(&record.agent.identity, record.voucher.revision);
    match step.number_at(&place)?.saturating_sub(1) {
        0 => step.delete(place),
        left => step.put_number(place, left),
    }
    Ok(())
}

/// Revokes a credential, and ends what was opened with it.
pub(super) fn revoke(step: &mut Step<'_>, id: CredentialId, command: &Revoke) -> Done {
    let record: CredentialRecord =
        step.get(&key_space::credential(id))?.ok_or(StateRefusal::NoSuchCredential)?;
    if record.state == CredentialState::Revoked {
        return Ok(Answer::Done);
    }
    let facts = Facts::default()
        .identity(&record.agent.identity)
        .with("credential.id", id)
        .with("reason", &command.reason)
        .author(&command.author);
    chain::append(step, EventKind::Revoked, facts)?;
    for open in session::all_open(step)? {
        if open.credential == Some(id) {
            session::expel(step, open, &command.reason, Facts::default())?;
        }
    }
    count_off(step, &record)?;
    let revoked = CredentialRecord { state: CredentialState::Revoked, ..record };
    step.put(key_space::credential(id), &revoked)?;
    Ok(Answer::Done)
}
