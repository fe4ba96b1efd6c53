//! Keeps the membership as the replicated state says: on the leader, whoever was admitted becomes a learner, a learner that
//! has caught up and stays so becomes a voter, whoever was removed is taken out. Every step may be repeated, by this leader
//! or the next. That a node goes is decided elsewhere (`retire`); here is only what a lost leader has left of that.

use super::{
    Member, Membership, MembershipError,
    change::{Change, Look},
};
use crate::app::App;
use countersign_core::id::NodeId;
use countersign_raft_store::{
    handle::Store,
    records::{JoinFacts, NodeRecord, NodeState},
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::{
    sync::Mutex,
    time::{Instant, sleep},
};

/// How often the leader looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Keeps until the node stops.
pub(super) fn start(app: Arc<App>, member: &Member) {
    let mut keeper = Keeper {
        node: member.id,
        store: member.store.clone(),
        membership: Arc::clone(&member.membership),
        changes: Arc::clone(&member.changes),
        steady_for: Duration::from_millis(app.config.cluster.steady_ms),
        steady_since: BTreeMap::new(),
    };
    let shutdown = app.shutdown.clone();
    shutdown.keep_running("keeping the membership", async move {
        loop {
            if keeper.leads() {
                keeper.step().await;
            } else {
                keeper.steady_since.clear();
            }
            tokio::select! {
                () = sleep(LOOK_EVERY) => {}
                () = app.shutdown.stopping() => return,
            }
        }
    });
}

struct Keeper {
    node: NodeId,
    store: Store,
    membership: Arc<dyn Membership>,
    changes: Arc<Mutex<()>>,
    steady_for: Duration,
    /// Since when each learner has had the log, as far as this leader has seen.
    steady_since: BTreeMap<NodeId, Instant>,
}

impl Keeper {
    fn leads(&self) -> bool {
        self.store.status().leader == Some(self.node)
    }

    async fn step(&mut self) {
        // Whoever takes a node out is not to be outrun.
        let changes = Arc::clone(&self.changes);
        let _alone = changes.lock().await;
        let reading = self.store.clone();
        let nodes = tokio::task::spawn_blocking(move || reading.view()?.nodes()).await;
        let nodes = match nodes {
            Ok(Ok(nodes)) => nodes,
            Ok(Err(error)) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the nodes cannot be read"
                );
                return;
            }
            Err(_stopped) => return,
        };
        for node in nodes {
            if let Err(error) = self.settle(&node).await {
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
    async fn settle(&mut self, node: &NodeRecord) -> Result<(), MembershipError> {
        let (id, members) = (node.id, self.membership.members());
        match (&node.state, members.get(&id)) {
            (NodeState::Removed { .. }, Some(known)) if known.voter => self.demote(id).await,
            (NodeState::Removed { .. }, Some(_)) => {
                tracing::info!(node.id = id.0, "a removed node is taken out");
                self.membership.remove(id).await
            }
            (NodeState::Admitted | NodeState::Started(_), None) => {
                tracing::info!(node.id = id.0, "a new node gets the log");
                let JoinFacts { address, storage, .. } = &node.facts;
                self.membership.add_learner(id, address.clone(), *storage).await
            }
            (NodeState::Admitted | NodeState::Started(_), Some(known)) if !known.voter => {
                self.promote(id).await
            }
            (NodeState::Removed { .. }, None)
            | (NodeState::Admitted | NodeState::Started(_), Some(_)) => Ok(()),
        }
    }

    /// Takes the vote of a node that is removed in the state already, once the others can do without it.
    async fn demote(&self, node: NodeId) -> Result<(), MembershipError> {
        let members = self.membership.members();
        let others = members.iter().filter(|(id, member)| member.voter && **id != node);
        let best = others.max_by_key(|(_, member)| member.matching).map(|(id, _)| *id);
        if let (true, Some(best)) = (node == self.node, best) {
            return self.membership.transfer_leader(best).await;
        }
        self.may(Change::Remove(node))?;
        tracing::info!(node.id = node.0, "a removed node votes no more");
        self.membership.demote(node).await
    }

    async fn promote(&mut self, node: NodeId) -> Result<(), MembershipError> {
        if self.may(Change::Promote(node)).is_err() {
            self.steady_since.remove(&node);
            return Ok(());
        }
        let since = *self.steady_since.entry(node).or_insert_with(Instant::now);
        if since.elapsed() < self.steady_for {
            return Ok(());
        }
        tracing::info!(node.id = node.0, "a node has caught up and votes now");
        self.steady_since.remove(&node);
        self.membership.promote(node).await
    }

    fn may(&self, change: Change) -> Result<(), MembershipError> {
        let members = self.membership.members();
        let look = Look { leader: self.node, last: self.store.status().last, members: &members };
        look.may(change).map_err(|why| MembershipError::Refused { reason: why.to_string() })
    }
}
