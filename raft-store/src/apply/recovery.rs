//! A new beginning of the cluster on what one node, or a snapshot, has left of it (invariant `approval_consumed_once`): what
//! the lost nodes did behind that is not known, so nothing that was approved, opened or issued before counts any more, and
//! nothing is opened before an administrator has looked. How the log comes to have one voter is not decided here.

use super::{
    chain::{self, Facts},
    cluster, credential, grant, hold, session,
    step::{Done, Step, Stop, short},
};
use crate::{
    command::{Recover, Reopen, Revocable, Revoke},
    effect::Effect,
    format::Stored,
    key_space::{self, Single, Table},
    records::{ClusterRecord, CredentialRecord, EpochRecord, NodeRecord, NodeState, Service},
    reply::{Answer, StateRefusal},
};
use countersign_core::{
    id::NodeId,
    record::{ChainHead, EventKind},
};

/// Why everything that was there ends.
const REASON: &str = "the cluster was recovered";

pub(super) fn recover(step: &mut Step<'_>, command: Recover) -> Done {
    let before = epoch(step)?;
    if before.id == command.epoch {
        return Ok(Answer::Done);
    }
    short([command.source.as_str(), command.author.name.as_str()])?;
    short([command.facts.address.as_str(), command.facts.api_url.as_str()])?;
    let known: ChainHead = step.get(&key_space::single(Single::ChainHead))?.unwrap_or_default();
    let record = EpochRecord {
        number: before.number + 1,
        id: command.epoch,
        began_at: step.now,
        known,
        source: command.source.clone(),
        service: Service::Closed,
    };
    let facts = Facts::default()
        .with("reason", "recovered")
        .with("epoch.number", record.number)
        .with("epoch.id", hex::encode(record.id))
        .with("epoch.source", &record.source)
        .with("chain.sequence", known.sequence)
        .with("chain.hash", known.hash)
        .with("node.id", command.node)
        .author(&command.author);
    chain::append(step, EventKind::ClusterChanged, facts)?;
    step.put(key_space::single(Single::Epoch), &record)?;
    end_everything(step, &command)?;
    stand_alone(step, &command)?;
    close_the_old_ways_in(step, command)?;
    Ok(Answer::Done)
}

/// The epoch that the cluster is in.
fn epoch(step: &Step<'_>) -> Result<EpochRecord, Stop> {
    Ok(step.get(&key_space::single(Single::Epoch))?.unwrap_or_default())
}

/// Refuses while an administrator has not looked at what was recovered.
pub(super) fn is_open(step: &Step<'_>) -> Result<(), Stop> {
    match epoch(step)?.service {
        Service::Open => Ok(()),
        Service::Closed => Err(StateRefusal::Closed.into()),
    }
}

pub(super) fn reopen(step: &mut Step<'_>, command: Reopen) -> Done {
    let record = epoch(step)?;
    if record.service == Service::Open {
        return Ok(Answer::Done);
    }
    let facts = Facts::default()
        .with("reason", "reopened")
        .with("epoch.number", record.number)
        .author(&command.author);
    chain::append(step, EventKind::ClusterChanged, facts)?;
    step.put(key_space::single(Single::Epoch), &EpochRecord { service: Service::Open, ..record })?;
    Ok(Answer::Done)
}

/// Ends what was open: the lost nodes may have claimed an approval, used a grant, or revoked a credential.
fn end_everything(step: &mut Step<'_>, command: &Recover) -> Result<(), Stop> {
    for open in session::all_open(step)? {
        session::expel(step, open, REASON, Facts::default())?;
    }
    for record in hold::all_open(step)? {
        hold::invalidate(step, record, REASON)?;
    }
    grant::invalidate(step, REASON, |_all| true)?;
    for (_, bytes) in step.all(&key_space::table(Table::Credential))? {
        let id = CredentialRecord::decode(&bytes)?.id;
        let revoke = Revoke {
            what: Revocable::Credential(id),
            reason: REASON.to_owned(),
            author: command.author.clone(),
        };
        credential::revoke(step, id, &revoke)?;
    }
    Ok(())
}

/// Every other node is removed: none of them comes back under its number.
fn stand_alone(step: &mut Step<'_>, command: &Recover) -> Result<(), Stop> {
    let mut own = None;
    for (_, bytes) in step.all(&key_space::table(Table::Node))? {
        let record = NodeRecord::decode(&bytes)?;
        cluster::settle(step, record.id, REASON)?;
        match &record.state {
            NodeState::Removed { .. } => {}
            NodeState::Admitted | NodeState::Started(_) if record.id == command.node => {
                own = Some(record);
            }
            NodeState::Admitted | NodeState::Started(_) => {
                step.effect(Effect::NodeRemoved { node: record.id });
                let state = NodeState::Removed { at: step.now };
                step.put(key_space::node(record.id), &NodeRecord { state, ..record })?;
            }
        }
    }
    let facts = command.facts.clone();
    match own {
        Some(record) => step.put(key_space::node(record.id), &NodeRecord { facts, ..record }),
        None if step.number(Single::LastNode)? + 1 == command.node.0 => {
            let _: NodeId = cluster::admit(step, facts)?;
            Ok(())
        }
        None => Err(StateRefusal::UnknownNode.into()),
    }
}

/// Tokens of joining nodes and the founder's are worth nothing, and certificates of the old peers neither.
fn close_the_old_ways_in(step: &mut Step<'_>, command: Recover) -> Result<(), Stop> {
    for (place, _) in step.all(&key_space::table(Table::JoinToken))? {
        step.delete(place);
    }
    let place = key_space::single(Single::Cluster);
    let cluster: ClusterRecord = step.get(&place)?.ok_or(StateRefusal::NotInitialised)?;
    let record = ClusterRecord {
        ca_cert_pem: command.ca_cert_pem,
        sealed_ca_key: command.sealed_ca_key,
        bootstrap_expires_at: cluster.bootstrap_expires_at.min(step.now),
        ..cluster
    };
    step.put(place, &record)
}
