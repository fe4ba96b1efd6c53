//! Who else can be the agent: by what the cluster has issued, somebody who has a credential of the same key, or for whom another
//! credential of the agent's acts. None of them may decide about its operations (four eyes are two people).
//!
//! Known is what the state has: credentials that are not over. A key that somebody has copied is not known here.

use super::step::{Step, Stop};
use crate::{
    key_space,
    records::{CredentialForm, CredentialRecord},
    state,
};
use countersign_core::{
    agent::{Agent, Identity},
    hold::{Choice, Decision},
    id::CredentialId,
    reviewer::Reviewer,
};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// Bytes of a digest.
const DIGEST: usize = 32;

/// Enters a credential that was issued. Of its owner a digest is noted, so that many credentials for one are read as one.
pub(super) fn enter(step: &mut Step<'_>, record: &CredentialRecord) {
    let agent = &record.agent.identity;
    let mut noted = Sha256::digest(record.agent.owner.as_deref().unwrap_or_default()).to_vec();
    if let Some(key) = key(record) {
        noted.extend_from_slice(key);
        let place = key_space::credential_of_key(key, record.id);
        step.put_bytes(place, &key_space::digest(agent));
    }
    step.put_bytes(key_space::credential_of_agent(agent, record.id), &noted);
}

/// A credential counts no more: nobody is the agent by it. Who had it still has its key.
pub(super) fn ends(step: &mut Step<'_>, record: &CredentialRecord) {
    step.delete(key_space::credential_of_agent(&record.agent.identity, record.id));
}

/// A credential is gone from the state.
pub(super) fn forget(step: &mut Step<'_>, record: &CredentialRecord) {
    if let Some(key) = key(record) {
        step.delete(key_space::credential_of_key(key, record.id));
    }
}

/// The digest of the key that whoever has it can use; a token is drawn here and is nobody else's.
const fn key(record: &CredentialRecord) -> Option<&[u8; DIGEST]> {
    match record.form {
        CredentialForm::ClientCertificate | CredentialForm::SshCertificate => {
            Some(&record.proof_sha256)
        }
        CredentialForm::Token => None,
    }
}

/// Whether somebody who has let something through shares a credential with the agent by now.
pub(super) fn has_let_through(
    step: &Step<'_>,
    agent: &Identity,
    decisions: &[Decision],
) -> Result<bool, Stop> {
    for made in decisions {
        let lets_through = match made.choice {
            Choice::Approve | Choice::BreakGlass => true,
            Choice::Reject => false,
        };
        if lets_through && is_shared_by(step, agent, &made.reviewer)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether the reviewer may be somebody who can be the agent.
pub(super) fn is_shared_by(
    step: &Step<'_>,
    agent: &Identity,
    reviewer: &Reviewer,
) -> Result<bool, Stop> {
    let (mut by_owner, mut keys) = (BTreeMap::new(), BTreeSet::new());
    for (place, noted) in step.all(&key_space::credentials_of_agent(agent))? {
        let Some((owner, key)) = noted.split_at_checked(DIGEST) else {
            return Err(state::unreadable("a credential of an agent").into());
        };
        by_owner.entry(owner.to_vec()).or_insert(place);
        if !key.is_empty() {
            keys.insert(key.to_vec());
        }
    }
    for place in by_owner.into_values() {
        let record = credential(step, &place)?;
        if record.agent.owner.is_some_and(|owner| reviewer.may_be(&owner)) {
            return Ok(true);
        }
    }
    let own = key_space::digest(agent);
    for key in keys {
        for (place, of) in step.all(&key_space::credentials_of_key(&key))? {
            if of != own && may_be(reviewer, &credential(step, &place)?.agent) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

fn may_be(reviewer: &Reviewer, other: &Agent) -> bool {
    reviewer.identity == other.identity
        || reviewer.may_be(&other.identity.subject)
        || reviewer.may_be(&other.name)
        || other.owner.as_deref().is_some_and(|owner| reviewer.may_be(owner))
}

/// The credential whose id a key ends with. It is in the state as long as it is in an index.
fn credential(step: &Step<'_>, place: &[u8]) -> Result<CredentialRecord, Stop> {
    let unreadable = || state::unreadable("a credential's place");
    let id = key_space::trailing_id(place).ok_or_else(unreadable)?;
    let found = step.get(&key_space::credential(CredentialId::from_bytes(id)))?;
    Ok(found.ok_or_else(unreadable)?)
}
