//! What is signed about the chain: the cluster's audit keys, and checkpoints. The signatures are made by nodes, which can
//! open the sealed key; here they are verified before anything is kept, so that no chain holds one that is wrong.

use super::{
    chain::{self, Facts},
    request,
    step::{Done, Step, Stop, short, within},
};
use crate::{
    command::{IntroduceAuditKey, RecordCheckpoint},
    key_space::{self, Single, Table},
    limits::{Limit, MAX_SEALED_KEY},
    records::{AuditKeyRecord, CheckpointRecord, ClusterRecord, RequestRecord},
    reply::{Answer, StateRefusal},
};
use countersign_core::record::{
    ChainHead, Claim, ClusterId, EventKind, KeyRing, MAX_CHECKPOINT_LAG, Signed, facts,
};

/// The keys of the cluster so far.
fn ring(step: &Step<'_>) -> Result<KeyRing, Stop> {
    let cluster: Option<ClusterRecord> = step.get(&key_space::single(Single::Cluster))?;
    let cluster = cluster.ok_or(StateRefusal::NotInitialised)?;
    let mut ring = KeyRing::of(ClusterId(cluster.id));
    for number in 1..=step.number(Single::LastAuditKey)? {
        let place = key_space::numbered(Table::AuditKey, number);
        let known: AuditKeyRecord = step.get(&place)?.ok_or(StateRefusal::NotVerified)?;
        ring.introduce(&known.introduction).map_err(|_forged| StateRefusal::NotVerified)?;
    }
    Ok(ring)
}

pub(super) fn introduce(step: &mut Step<'_>, command: IntroduceAuditKey) -> Done {
    let IntroduceAuditKey { introduction, sealed_key, author } = command;
    let place = key_space::numbered(Table::AuditKey, introduction.number);
    if let Some(known) = step.get::<AuditKeyRecord>(&place)? {
        return if known.introduction == introduction {
            Ok(Answer::Done)
        } else {
            Err(StateRefusal::NotVerified.into())
        };
    }
    within(sealed_key.len(), MAX_SEALED_KEY, Limit::ShortText)?;
    short(author.iter().map(|author| author.name.as_str()))?;
    ring(step)?.introduce(&introduction).map_err(|_wrong| StateRefusal::NotVerified)?;
    let facts = Facts::read(facts::of_introduction(&introduction));
    let facts = author.iter().fold(facts, Facts::author);
    let sequence = chain::append(step, EventKind::AuditKeyIntroduced, facts)?;
    step.put_number(key_space::single(Single::LastAuditKey), introduction.number);
    step.put(place, &AuditKeyRecord { introduction, sealed_key, at: step.now, sequence })?;
    Ok(Answer::Done)
}

pub(super) fn checkpoint(step: &mut Step<'_>, command: RecordCheckpoint) -> Done {
    let RecordCheckpoint { signed, asked } = command;
    let place = key_space::single(Single::Checkpoint);
    let last: Option<CheckpointRecord> = step.get(&place)?;
    let about = signed.statement.head.sequence;
    let newer = last.is_none_or(|last| about > last.signed.statement.head.sequence);
    match &asked {
        None if !newer => return Ok(Answer::Done),
        None => {}
        Some(asked) => match request::known(step, asked.id)? {
            None => short([asked.reason.as_str(), asked.author.name.as_str()])?,
            Some(RequestRecord::Checkpointed) => return Ok(Answer::Done),
            Some(
                RequestRecord::AccessRefused
                | RequestRecord::Applied(_)
                | RequestRecord::Cancelled
                | RequestRecord::ClosedUnopened
                | RequestRecord::Administered
                | RequestRecord::SignedIn,
            ) => return Err(StateRefusal::IdUsed.into()),
        },
    }
    of_this_chain(step, &signed)?;
    let mut facts = Facts::read(facts::of_checkpoint(&signed));
    if let Some(asked) = asked {
        facts = facts.author(&asked.author).with("reason", &asked.reason);
        request::remember(step, asked.id, RequestRecord::Checkpointed)?;
    }
    let sequence = chain::append(step, EventKind::Checkpoint, facts)?;
    if newer {
        step.put(place, &CheckpointRecord { signed, sequence })?;
    }
    Ok(Answer::Done)
}

/// Refuses what is not signed by the key in force about an event of this chain as it is here.
fn of_this_chain(step: &Step<'_>, signed: &Signed) -> Result<(), Stop> {
    let ring = ring(step)?;
    let said = &signed.statement;
    let head: ChainHead = step.get(&key_space::single(Single::ChainHead))?.unwrap_or_default();
    let lag = head.sequence.checked_sub(said.head.sequence);
    let event = step.audit_event(said.head.sequence)?;
    let holds = said.claim == Claim::Checkpoint
        && said.cluster == ring.cluster()
        && ring.last() == Some(&signed.key)
        && lag.is_some_and(|lag| lag < MAX_CHECKPOINT_LAG)
        && event.is_some_and(|event| event.hash() == said.head.hash)
        && signed.verify().is_ok();
    if holds { Ok(()) } else { Err(StateRefusal::NotVerified.into()) }
}
