//! One start of a node: its `NodeUp` entry in the log. Nothing is served before it is there, because it settles what this
//! node's earlier starts held and had in flight.

use crate::shutdown::Shutdown;
use countersign_core::id::{Incarnation, NodeId};
use countersign_raft_store::{
    command::NodeUp,
    handle::{LogError, ProposeError, Store},
    records::{NodeRecord, NodeState},
    reply::StateRefusal,
};
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(5);
/// The pause between two attempts: a cluster that is starting has no leader yet.
const PAUSE: Duration = Duration::from_millis(500);
/// Attempts between two log lines that say what is waited for.
const SAY_EVERY: u32 = 20;

/// Why this node cannot announce itself.
#[derive(Debug, thiserror::Error)]
pub enum IncarnationError {
    /// The cluster does not take it: it was removed, or the data directory is another cluster's.
    #[error("the cluster does not take this node")]
    Refused(#[source] StateRefusal),
    /// The store has stopped.
    #[error("the store has stopped")]
    Stopped,
    /// The node is asked to stop before it was announced.
    #[error("the node was asked to stop before it was announced")]
    ShuttingDown,
}

/// Announces this start, as often as it takes until a leader has it in the log.
pub async fn announce(
    store: &Store,
    node: NodeId,
    api_url: &str,
    shutdown: &Shutdown,
) -> Result<Incarnation, IncarnationError> {
    // The same for all attempts: the log takes them for one start.
    let boot = rand::random();
    let mut attempts: u32 = 0;
    loop {
        let announcing = async {
            let after = before(store, node).await?;
            let version = env!("CARGO_PKG_VERSION").to_owned();
            store.node_up(NodeUp { node, boot, after, version, api_url: api_url.to_owned() }).await
        };
        let answer = tokio::select! {
            answer = timeout(ATTEMPT, announcing) => answer,
            () = shutdown.draining() => return Err(IncarnationError::ShuttingDown),
        };
        match answer {
            Ok(Ok(committed)) => {
                // What this node serves from must be as new as its own announcement.
                drop(timeout(ATTEMPT, store.applied(committed.index)).await);
                return Ok(committed.value);
            }
            // A joining node's admission may not be applied where the proposal ends up.
            Ok(Err(ProposeError::Refused(
                StateRefusal::UnknownNode | StateRefusal::NotInitialised,
            ))) if attempts < SAY_EVERY => {}
            // An earlier start of this node was announced only now.
            Ok(Err(ProposeError::Refused(StateRefusal::StaleIncarnation))) => {}
            Ok(Err(ProposeError::Refused(refused))) => {
                return Err(IncarnationError::Refused(refused));
            }
            Ok(Err(ProposeError::Log(LogError::Stopped))) => return Err(IncarnationError::Stopped),
            Ok(Err(ProposeError::Log(_) | ProposeError::Format(_) | ProposeError::OtherAnswer))
            | Err(_) => {}
        }
        if attempts.is_multiple_of(SAY_EVERY) {
            tracing::info!(node.id = node.0, "waits for a leader before it serves");
        }
        attempts = attempts.saturating_add(1);
        sleep(PAUSE).await;
    }
}

/// The incarnation that this start follows, as a quorum knows it.
async fn before(store: &Store, node: NodeId) -> Result<Option<Incarnation>, ProposeError> {
    store.read_index().await?;
    let known = store.view().and_then(|view| view.node(node));
    match known.map_err(|_unreadable| LogError::Stopped)? {
        Some(NodeRecord { state: NodeState::Started(start), .. }) => Ok(Some(start.incarnation)),
        Some(NodeRecord { state: NodeState::Admitted | NodeState::Removed { .. }, .. }) | None => {
            Ok(None)
        }
    }
}
