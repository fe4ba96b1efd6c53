//! Reads that are never stale: a quorum confirms how far the log is, this node applies that far, then the state is read.
//! Without a quorum there is no answer.

use super::failure::{Answer, Failure};
use crate::{app::Node, metrics::counters};
use countersign_api::problem::ProblemKind;
use countersign_core::id::LogIndex;
use countersign_raft_store::handle::StateView;
use std::time::Duration;
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout},
};

/// How long a quorum may take to confirm a read: longer than an election.
const CONFIRM: Duration = Duration::from_secs(3);
/// Short reads at a time, and long ones (searches, checks of policies), on the threads for blocking work.
static READS: Semaphore = Semaphore::const_new(32);
static HEAVY: Semaphore = Semaphore::const_new(4);
/// How long a read waits for its turn.
const TURN: Duration = Duration::from_secs(5);
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
    reached(node, min_index).await?;
    now(node, read).await
}

/// Waits until this node has applied the log up to `min_index`.
pub(crate) async fn reached(node: &Node, min_index: Option<LogIndex>) -> Answer<()> {
    let Some(index) = min_index else { return Ok(()) };
    match timeout(CATCH_UP, node.store.applied(index)).await {
        Ok(applied) => Ok(applied?),
        Err(_late) => {
            let seconds = CATCH_UP.as_secs();
            let detail = format!("this node did not reach log index {index} in {seconds} s");
            Err(Failure::new(ProblemKind::Behind, detail)
                .hint("is `min_index` an index of this cluster?"))
        }
    }
}

/// Reads the state as this node has it, right after a commit that it has applied.
pub(crate) async fn now<T: Send + 'static>(
    node: &Node,
    read: impl FnOnce(&StateView) -> Answer<T> + Send + 'static,
) -> Answer<T> {
    let store = node.store.clone();
    blocking(&READS, move || read(&store.view()?)).await
}

/// Does what may take its time for one caller. Few at a time, so that nobody's search or check keeps the reads waiting by
/// which callers are identified.
pub(crate) async fn heavy<T: Send + 'static>(
    work: impl FnOnce() -> Answer<T> + Send + 'static,
) -> Answer<T> {
    blocking(&HEAVY, work).await
}

/// The same as [`linear`], for a read that looks through much.
pub(crate) async fn search<T: Send + 'static>(
    node: &Node,
    min_index: Option<LogIndex>,
    read: impl FnOnce(&StateView) -> Answer<T> + Send + 'static,
) -> Answer<T> {
    linear(node, min_index, |_| Ok(())).await?;
    let store = node.store.clone();
    heavy(move || read(&store.view()?)).await
}

async fn blocking<T: Send + 'static>(
    places: &'static Semaphore,
    work: impl FnOnce() -> Answer<T> + Send + 'static,
) -> Answer<T> {
    let overloaded = || {
        Failure::new(ProblemKind::Overloaded, "this node is busy with other requests")
            .hint("try again in a moment")
    };
    let Ok(Ok(place)) = timeout(TURN, places.acquire()).await else { return Err(overloaded()) };
    // The place is held by the work itself: a caller who goes away does not end it, and does not make room for more.
    let done = tokio::task::spawn_blocking(move || {
        let _place = place;
        work()
    });
    done.await.unwrap_or_else(|error| Err(Failure::internal("a read was not finished", &error)))
}

/// Waits for a proposal, but not for ever.
pub(crate) async fn committed<T>(
    proposal: impl Future<Output = Result<T, countersign_raft_store::handle::ProposeError>>,
) -> Answer<T> {
    let begun = Instant::now();
    let answer = timeout(COMMIT, proposal).await;
    counters::proposed(begun.elapsed());
    match answer {
        Ok(answer) => Ok(answer?),
        Err(_late) => Err(countersign_raft_store::handle::LogError::Unknown.into()),
    }
}

/// How long a change may take before the caller hears that nobody knows whether it was committed.
const COMMIT: Duration = Duration::from_secs(5);
