//! Reads that are never stale: a quorum confirms how far the log is, this node applies that far, then the state is read.
//! Without a quorum there is no answer.

use super::failure::{Answer, Failure};
use crate::app::Node;
use countersign_api::problem::ProblemKind;
use countersign_core::id::LogIndex;
use countersign_raft_store::handle::StateView;
use std::time::Duration;
use tokio::time::timeout;

/// How long a quorum may take to confirm a read: longer than an election.
const CONFIRM: Duration = Duration::from_secs(3);
/// How long `?min_index=` waits.
const CATCH_UP: Duration = Duration::from_secs(5);

/// Reads the state as it is now, at or after `min_index`. The closure may take its time: it runs where blocking is allowed.
pub(crate) async fn linear<T: Send + 'static>(
    node: &Node,
    min_index: Option<LogIndex>,
    read: impl FnOnce(&StateView) -> Answer<T> + Send + 'static,
) -> Answer<T> {
    match timeout(CONFIRM, node.store.read_index()).await {
        Ok(confirmed) => confirmed?,
        Err(_late) => return Err(Failure::no_quorum()),
    };
    if let Some(index) = min_index {
        match timeout(CATCH_UP, node.store.applied(index)).await {
            Ok(applied) => applied?,
            Err(_late) => {
                let detail = format!("this node did not reach log index {index} in {} s", CATCH_UP.as_secs());
                return Err(Failure::new(ProblemKind::Behind, detail).hint("is `min_index` an index of this cluster?"));
            }
        }
    }
    now(node, read).await
}

/// Reads the state as this node has it, right after a commit that it has applied.
pub(crate) async fn now<T: Send + 'static>(
    node: &Node,
    read: impl FnOnce(&StateView) -> Answer<T> + Send + 'static,
) -> Answer<T> {
    let store = node.store.clone();
    let done = tokio::task::spawn_blocking(move || read(&store.view()?)).await;
    done.unwrap_or_else(|error| Err(Failure::internal("a read was not finished", &error)))
}

/// Waits for a proposal, but not for ever.
pub(crate) async fn committed<T>(
    proposal: impl Future<Output = Result<T, countersign_raft_store::handle::ProposeError>>,
) -> Answer<T> {
    match timeout(COMMIT, proposal).await {
        Ok(answer) => Ok(answer?),
        Err(_late) => Err(countersign_raft_store::handle::LogError::Unknown.into()),
    }
}

/// How long a change may take before the caller hears that nobody knows whether it was committed.
const COMMIT: Duration = Duration::from_secs(5);
