//! The cluster's keys for SSH: the first ones come with the cluster, later ones are published before they are used. Keys are
//! drawn and sealed by nodes; who uses which of them when is read from here.

use super::{
    chain::{self, Facts},
    step::{Done, Step, Stop, short, within},
};
use crate::{
    command::RotateSshKey,
    key_space,
    limits::{Limit, MAX_SEALED_KEY, MAX_SSH_OVERLAP_MS},
    records::{DrawnSshKey, SshKeyRecord, SshRole},
    reply::{Answer, StateRefusal},
    state,
};
use countersign_core::record::EventKind;

/// Keys of a role that are kept: the one in use, the one before it, whose certificates may still live, and the next.
const KEPT: u64 = 3;

/// Takes the keys that the cluster is made with.
pub(super) fn found(step: &mut Step<'_>, keys: Vec<DrawnSshKey>) -> Result<(), Stop> {
    for key in keys {
        within(key.sealed_key.len(), MAX_SEALED_KEY, Limit::ShortText)?;
        let place = key_space::ssh_key(key.role, 1);
        if step.has(&place)? {
            return Err(StateRefusal::IdUsed.into());
        }
        let (published_at, used_from) = (step.now, step.now);
        step.put(place, &SshKeyRecord { number: 1, key, published_at, used_from })?;
    }
    Ok(())
}

pub(super) fn rotate(step: &mut Step<'_>, command: RotateSshKey) -> Done {
    let RotateSshKey { number, key, overlap_ms, author } = command;
    within(key.sealed_key.len(), MAX_SEALED_KEY, Limit::ShortText)?;
    short([author.name.as_str()])?;
    let last = last(step, key.role)?;
    let next = match &last {
        Some(last) if last.number == number => {
            let same = last.key.public_key == key.public_key;
            return if same {
                Ok(Answer::Done)
            } else {
                Err(StateRefusal::RotationUnderWay.into())
            };
        }
        Some(last) if step.now < last.used_from => {
            return Err(StateRefusal::RotationUnderWay.into());
        }
        Some(last) => last.number.saturating_add(1),
        None => 1,
    };
    if number != next {
        return Err(StateRefusal::RotationUnderWay.into());
    }
    let used_from = step.now.after_ms(overlap_ms.min(MAX_SSH_OVERLAP_MS));
    let facts = Facts::default()
        .with("reason", "a new key for SSH")
        .with("ssh.role", key.role.name())
        .with("ssh.key_number", number)
        .with("ssh.key_sha256", hex::encode(key.public_key))
        .with("ssh.used_from", used_from)
        .author(&author);
    chain::append(step, EventKind::ClusterChanged, facts)?;
    if let Some(old) = number.checked_sub(KEPT) {
        step.delete(key_space::ssh_key(key.role, old));
    }
    let place = key_space::ssh_key(key.role, number);
    step.put(place, &SshKeyRecord { number, key, published_at: step.now, used_from })?;
    Ok(Answer::Done)
}

fn last(step: &Step<'_>, role: SshRole) -> Result<Option<SshKeyRecord>, Stop> {
    let rows = step.all(&key_space::ssh_keys(role))?;
    let Some((key, _)) = rows.last() else { return Ok(None) };
    let number = key_space::trailing_number(key).ok_or_else(|| state::unreadable("a key"))?;
    step.get(&key_space::ssh_key(role, number))
}
