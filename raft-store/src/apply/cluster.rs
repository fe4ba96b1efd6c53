//! The cluster and its nodes: initialised once, nodes admitted by one-time tokens, each start an incarnation. Raft's own
//! membership is the engine's.

use super::{
    chain::{self, Facts},
    intent, request, session, ssh,
    step::{Done, Step, Stop, short, within},
};
use crate::{
    cluster_version,
    command::{Administered, CreateJoinToken, Initialise, Leads, NodeUp, RemoveNode, UseJoinToken},
    effect::Effect,
    key_space::{self, Expiring, Single},
    limits::{Limit, MAX_JOIN_TOKEN_LIFE_MS},
    records::{
        ClusterRecord, JoinFacts, JoinTokenRecord, NodeRecord, NodeState, RequestRecord,
        SessionRecord, Start,
    },
    reply::{Answer, StateRefusal},
};
use countersign_core::{
    id::{Incarnation, NodeId, SessionId},
    record::EventKind,
};

pub(super) fn initialise(step: &mut Step<'_>, command: Initialise) -> Done {
    let place = key_space::single(Single::Cluster);
    if let Some(known) = step.get::<ClusterRecord>(&place)? {
        return if known.id == command.cluster_id {
            Ok(Answer::Done)
        } else {
            Err(StateRefusal::AlreadyInitialised.into())
        };
    }
    short([command.cluster_name.as_str()])?;
    let life = command.bootstrap_expires_after_ms.min(MAX_JOIN_TOKEN_LIFE_MS);
    let record = ClusterRecord {
        id: command.cluster_id,
        name: command.cluster_name,
        ca_cert_pem: command.ca_cert_pem,
        sealed_ca_key: command.sealed_ca_key,
        credential_ca_cert_pem: command.credential_ca_cert_pem,
        sealed_credential_ca_key: command.sealed_credential_ca_key,
        bootstrap_token_sha256: command.bootstrap_token_sha256,
        bootstrap_expires_at: step.now.after_ms(life),
        version: cluster_version::FIRST,
        initialised_at: step.now,
    };
    step.put(place, &record)?;
    let facts = Facts::default().with("cluster.name", &record.name).with("reason", "initialised");
    chain::append(step, EventKind::ClusterChanged, facts)?;
    ssh::found(step, command.ssh_keys)?;
    admit(step, command.first)?;
    Ok(Answer::Done)
}

/// Gives a node the next id.
pub(super) fn admit(step: &mut Step<'_>, facts: JoinFacts) -> Result<NodeId, Stop> {
    let node = NodeId(step.number(Single::LastNode)? + 1);
    step.put_number(key_space::single(Single::LastNode), node.0);
    let event = Facts::default()
        .with("node.id", node)
        .with("source.address", &facts.address)
        .with("reason", "node admitted");
    chain::append(step, EventKind::ClusterChanged, event)?;
    let record = NodeRecord { id: node, facts, admitted_at: step.now, state: NodeState::Admitted };
    step.put(key_space::node(node), &record)?;
    Ok(node)
}

pub(super) fn node_up(step: &mut Step<'_>, command: NodeUp) -> Done {
    let record: NodeRecord =
        step.get(&key_space::node(command.node))?.ok_or(StateRefusal::UnknownNode)?;
    let before = match &record.state {
        NodeState::Removed { .. } => return Err(StateRefusal::UnknownNode.into()),
        NodeState::Started(start) if start.boot == command.boot => {
            return Ok(Answer::NodeUp(start.incarnation));
        }
        NodeState::Started(start) => Some(start.incarnation),
        NodeState::Admitted => None,
    };
    if command.after != before {
        return Err(StateRefusal::StaleIncarnation.into());
    }
    short([command.version.as_str(), command.api_url.as_str()])?;
    settle(step, command.node, "the node was started again")?;
    let least = before.map_or(1, |before| before.0 + 1);
    let incarnation = Incarnation(step.index.0.max(least));
    let facts = Facts::default()
        .with("node.id", command.node)
        .with("incarnation", incarnation)
        .with("version", &command.version);
    chain::append(step, EventKind::NodeUp, facts)?;
    step.effect(Effect::NodeUp { node: command.node, incarnation });
    let start = Start {
        incarnation,
        boot: command.boot,
        version: command.version,
        api_url: command.api_url,
        at: step.now,
    };
    let state = NodeState::Started(start);
    step.put(key_space::node(command.node), &NodeRecord { state, ..record })?;
    Ok(Answer::NodeUp(incarnation))
}

/// Whether a node belongs to the cluster, up or not.
pub(super) fn is_member(step: &Step<'_>, node: NodeId) -> Result<bool, Stop> {
    let node: Option<NodeRecord> = step.get(&key_space::node(node))?;
    Ok(node.is_some_and(|node| !matches!(node.state, NodeState::Removed { .. })))
}

/// Settles what a node that is lost held: its sessions are closed, its holds parked, its intents unknown.
pub(super) fn settle(step: &mut Step<'_>, node: NodeId, reason: &str) -> Result<(), Stop> {
    for (key, _) in step.all(&key_space::open_sessions_of_node(node))? {
        let id = key_space::trailing_id(&key).map(SessionId::from_bytes);
        let Some(id) = id else { continue };
        if let Some(session) = step.get::<SessionRecord>(&key_space::session(id))? {
            session::expel(step, session, reason, Facts::default())?;
        }
    }
    intent::abandon(step, node)
}

pub(super) fn create_join_token(step: &mut Step<'_>, command: CreateJoinToken) -> Done {
    let place = key_space::join_token(&command.sha256);
    if step.has(&place)? {
        return Ok(Answer::Done);
    }
    if command.expires_after_ms > MAX_JOIN_TOKEN_LIFE_MS {
        return Err(StateRefusal::OverLimit { limit: Limit::JoinTokenLife }.into());
    }
    within(command.author.name.len(), crate::limits::MAX_SHORT_TEXT, Limit::ShortText)?;
    let expires_at = step.now.after_ms(command.expires_after_ms);
    let facts = Facts::default().with("reason", "join token created").author(&command.author);
    chain::append(step, EventKind::ClusterChanged, facts)?;
    step.put_bytes(key_space::expiry(expires_at, Expiring::JoinToken(command.sha256)), &[]);
    let record = JoinTokenRecord {
        sha256: command.sha256,
        expires_at,
        author: command.author,
        used_by: None,
    };
    step.put(place, &record)?;
    Ok(Answer::Done)
}

pub(super) fn use_join_token(step: &mut Step<'_>, command: UseJoinToken) -> Done {
    let place = key_space::join_token(&command.sha256);
    let record: JoinTokenRecord = step.get(&place)?.ok_or(StateRefusal::BadJoinToken)?;
    if let Some(node) = record.used_by {
        let known: Option<NodeRecord> = step.get(&key_space::node(node))?;
        let same = known.is_some_and(|known| known.facts == command.facts);
        return if same {
            Ok(Answer::NodeAdmitted(node))
        } else {
            Err(StateRefusal::BadJoinToken.into())
        };
    }
    if step.now >= record.expires_at {
        return Err(StateRefusal::BadJoinToken.into());
    }
    short([command.facts.address.as_str(), command.facts.api_url.as_str()])?;
    let node = admit(step, command.facts)?;
    step.put(place, &JoinTokenRecord { used_by: Some(node), ..record })?;
    Ok(Answer::NodeAdmitted(node))
}

/// Records what an administrator does to a node or to the engine. The same request is recorded once.
pub(super) fn administered(step: &mut Step<'_>, command: Administered) -> Done {
    match request::known(step, command.id)? {
        None => {}
        Some(RequestRecord::Administered) => return Ok(Answer::Done),
        Some(
            RequestRecord::AccessRefused
            | RequestRecord::Applied(_)
            | RequestRecord::Cancelled
            | RequestRecord::ClosedUnopened
            | RequestRecord::Checkpointed
            | RequestRecord::SignedIn,
        ) => return Err(StateRefusal::IdUsed.into()),
    }
    short([command.what.as_str(), command.author.name.as_str()])?;
    let facts = Facts::default()
        .with("node.id", command.node)
        .with("reason", &command.what)
        .author(&command.author);
    chain::append(step, EventKind::ClusterChanged, facts)?;
    request::remember(step, command.id, RequestRecord::Administered)?;
    Ok(Answer::Done)
}

/// Records that a node leads, once a term.
pub(super) fn leads(step: &mut Step<'_>, command: Leads) -> Done {
    if command.term > step.number(Single::LeaderTerm)? {
        let facts = Facts::default()
            .with("node.id", command.node)
            .with("term", command.term)
            .with("reason", "another node leads");
        chain::append(step, EventKind::ClusterChanged, facts)?;
        step.put_number(key_space::single(Single::LeaderTerm), command.term);
    }
    Ok(Answer::Done)
}

pub(super) fn remove_node(step: &mut Step<'_>, command: RemoveNode) -> Done {
    let record: NodeRecord =
        step.get(&key_space::node(command.node))?.ok_or(StateRefusal::UnknownNode)?;
    if let NodeState::Removed { .. } = record.state {
        return Ok(Answer::Done);
    }
    settle(step, command.node, "the node was removed")?;
    let facts = Facts::default()
        .with("node.id", command.node)
        .with("reason", "node removed")
        .author(&command.author);
    chain::append(step, EventKind::ClusterChanged, facts)?;
    step.effect(Effect::NodeRemoved { node: command.node });
    let state = NodeState::Removed { at: step.now };
    step.put(key_space::node(command.node), &NodeRecord { state, ..record })?;
    Ok(Answer::Done)
}
