//! Credentials of agents: issued for a token, for an hour at most, and gone when their time is over. A credential says
//! nothing by itself: whose it is stands here, and a revoked one opens nothing (invariant `revoked_is_out`).

use super::{
    chain::{self, Facts},
    session,
    step::{Done, Step, Stop, named, short},
};
use crate::{
    command::{IssueCredential, Revoke},
    key_space::{self, Expiring},
    limits::MAX_CREDENTIAL_LIFE_MS,
    records::{CredentialRecord, CredentialState},
    reply::{Answer, CredentialLife, StateRefusal},
};
use countersign_core::{
    agent::{Agent, Identity},
    id::CredentialId,
    record::EventKind,
};

pub(super) fn issue(step: &mut Step<'_>, command: IssueCredential) -> Done {
    let place = key_space::credential(command.id);
    if let Some(known) = step.get::<CredentialRecord>(&place)? {
        let same = known.agent.identity == command.agent.identity
            && known.key_sha256 == command.key_sha256
            && known.state == CredentialState::Valid;
        return if same { Ok(issued(&known)) } else { Err(StateRefusal::IdUsed.into()) };
    }
    let agent = command.agent;
    short([command.provider.as_str()])?;
    named([&agent.name, &agent.identity.issuer, &agent.identity.subject].map(|t| &**t))?;
    named(agent.groups.iter().chain(&agent.owner).map(String::as_str))?;
    session::not_revoked(step, &agent.identity)?;
    session::not_expired(&agent, step.now)?;
    let expires_at = agent.expires_at.min(step.now.after_ms(MAX_CREDENTIAL_LIFE_MS));
    let record = CredentialRecord {
        id: command.id,
        agent: Agent { expires_at, ..agent },
        provider: command.provider,
        key_sha256: command.key_sha256,
        issued_at: step.now,
        state: CredentialState::Valid,
    };
    let facts = Facts::default()
        .identity(&record.agent.identity)
        .with("agent.name", &record.agent.name)
        .with("credential.id", record.id)
        .with("node.id", command.node)
        .with("source.address", command.source);
    chain::append(step, EventKind::CredentialIssued, facts)?;
    step.put_bytes(key_space::expiry(expires_at, Expiring::Credential(record.id)), &[]);
    step.put(place, &record)?;
    Ok(issued(&record))
}

fn issued(record: &CredentialRecord) -> Answer {
    let (issued_at, expires_at) = (record.issued_at, record.agent.expires_at);
    Answer::CredentialIssued(CredentialLife { issued_at, expires_at })
}

/// Refuses a credential that is not this agent's, or not any more.
pub(super) fn is_valid(step: &Step<'_>, id: CredentialId, of: &Identity) -> Result<(), Stop> {
    let record: CredentialRecord =
        step.get(&key_space::credential(id))?.ok_or(StateRefusal::NoSuchCredential)?;
    match record.state {
        CredentialState::Revoked => Err(StateRefusal::Revoked.into()),
        CredentialState::Valid if record.agent.identity != *of => {
            Err(StateRefusal::NoSuchCredential.into())
        }
        CredentialState::Valid => session::not_expired(&record.agent, step.now),
    }
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
    let revoked = CredentialRecord { state: CredentialState::Revoked, ..record };
    step.put(key_space::credential(id), &revoked)?;
    Ok(Answer::Done)
}
