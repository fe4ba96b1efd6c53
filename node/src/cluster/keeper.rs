//! Keeps the membership as the replicated state says: on the leader, whoever was admitted becomes a learner, a learner that
//! has caught up becomes a voter, whoever was removed is taken out. Every step may be repeated, by this leader or the next.

use super::{Member, Membership, MembershipError};
use crate::app::App;
use countersign_core::id::{LogIndex, NodeId};
use countersign_raft_store::{
    handle::Store,
    records::{NodeRecord, NodeState},
};
use std::{sync::Arc, time::Duration};
use tokio::time::sleep;

/// How often the leader looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// A learner that is at most so many entries behind has caught up.
const CAUGHT_UP: u64 = 200;

/// Keeps until the node stops.
pub(super) fn start(app: Arc<App>, member: &Member) {
    let (id, store, membership) = (member.id, member.store.clone(), Arc::clone(&member.membership));
    let shutdown = app.shutdown.clone();
    shutdown.keep_running("keeping the membership", async move {
        loop {
            if store.status().leader == Some(id) {
                step(&store, &*membership).await;
            }
            tokio::select! {
                () = sleep(LOOK_EVERY) => {}
                () = app.shutdown.stopping() => return,
            }
        }
    });
}

async fn step(store: &Store, membership: &dyn Membership) {
    let reading = store.clone();
    let nodes = tokio::task::spawn_blocking(move || reading.view()?.nodes()).await;
    let nodes = match nodes {
        Ok(Ok(nodes)) => nodes,
        Ok(Err(error)) => {
            tracing::error!(error = &error as &dyn std::error::Error, "the nodes cannot be read");
            return;
        }
        Err(_stopped) => return,
    };
    for node in nodes {
        if let Err(error) = settle(store, membership, &node).await {
            tracing::info!(
                error = &error as &dyn std::error::Error,
                node.id = node.id.0,
                "the membership was not changed"
            );
            return;
        }
    }
}

/// One step of one node towards what the state says.
async fn settle(
    store: &Store,
    membership: &dyn Membership,
    node: &NodeRecord,
) -> Result<(), MembershipError> {
    let members = membership.members();
    let known = members.get(&node.id);
    match (&node.state, known) {
        (NodeState::Removed { .. }, Some(_)) => {
            tracing::info!(node.id = node.id.0, "a removed node is taken out");
            membership.remove(node.id).await
        }
        (NodeState::Admitted | NodeState::Started(_), None) => {
            tracing::info!(node.id = node.id.0, "a new node gets the log");
            membership.add_learner(node.id, node.facts.address.clone(), node.facts.storage).await
        }
        (NodeState::Admitted | NodeState::Started(_), Some(known)) if !known.voter => {
            promote(store.status().last, membership, node.id, known.matching).await
        }
        (NodeState::Removed { .. }, None)
        | (NodeState::Admitted | NodeState::Started(_), Some(_)) => Ok(()),
    }
}

async fn promote(
    last: LogIndex,
    membership: &dyn Membership,
    node: NodeId,
    matching: Option<LogIndex>,
) -> Result<(), MembershipError> {
    // What is not known to have arrived has not.
    let Some(matching) = matching else { return Ok(()) };
    if last.0.saturating_sub(matching.0) > CAUGHT_UP {
        return Ok(());
    }
    tracing::info!(node.id = node.0, "a node has caught up and votes now");
    membership.promote(node).await
}
