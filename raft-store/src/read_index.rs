//! Linearizable reads: asks the leader, which asks a quorum, how far a node must have applied before it may answer. A
//! clock never stands in for the quorum. The question also carries the asker's last state hash; a node whose state is the
//! odd one out is not confirmed, and confirms nobody.

use std::sync::Arc;
use std::time::Duration;

use openraft::async_runtime::WatchReceiver;
use openraft::raft::ReadPolicy;
use tokio::time::{Instant, sleep, timeout_at};

use crate::agreement::Agreement;
use crate::encoding::{ReadIndexReply, ReadIndexRequest};
use crate::network::Peers;
use crate::raft_types::{Mark, Member, NodeId, Raft};
use crate::state_machine::StateMachine;

/// Pause between two questions while no leader answers.
const PAUSE: Duration = Duration::from_millis(20);

/// How long one question waits for its answer. A leader that is gone without a word is then asked no more: by that time
/// another may lead.
const ASK: Duration = Duration::from_secs(1);

/// Who leads, as far as this node knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Leader {
    Unknown,
    Own,
    Peer(NodeId, Member),
}

/// The number of the leader, whether or not it is known where it is.
pub(crate) fn known_leader(raft: &Raft) -> Option<NodeId> {
    raft.server_metrics().borrow_watched().current_leader
}

/// Looks the leader up in the consensus library's metrics.
pub(crate) fn leader(raft: &Raft) -> Leader {
    let metrics = raft.server_metrics();
    let metrics = metrics.borrow_watched();
    match metrics.current_leader {
        None => Leader::Unknown,
        Some(leader) if leader == metrics.id => Leader::Own,
        Some(leader) => match metrics.membership_config.get_node(&leader) {
            Some(member) => Leader::Peer(leader, member.clone()),
            None => Leader::Unknown,
        },
    }
}

/// Waits until another node leads than `led_by`, or none.
pub(crate) async fn leader_changed(raft: &Raft, led_by: Option<NodeId>) {
    let mut metrics = raft.server_metrics();
    if metrics.wait_until(|now| now.current_leader != led_by).await.is_err() {
        // The consensus has ended. Whoever waits for it hears that from itself.
        std::future::pending::<()>().await;
    }
}

/// No quorum confirmed a leader in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no quorum confirmed a leader in time")]
pub struct Unconfirmed;

/// Answers and asks.
#[derive(Clone)]
pub(crate) struct Reader {
    raft: Raft,
    state: StateMachine,
    peers: Arc<Peers>,
    agreement: Agreement,
}

impl Reader {
    pub(crate) fn new(
        raft: Raft,
        state: StateMachine,
        peers: Arc<Peers>,
        agreement: Agreement,
    ) -> Self {
        Self { raft, state, peers, agreement }
    }

    /// Answers a peer whose state was `mark`.
    pub(crate) async fn answer(&self, peer: NodeId, mark: Option<Mark>) -> Option<u64> {
        self.agreement.hear(peer, mark);
        self.confirm(mark).await
    }

    /// The index below which everything was committed when this was called, if this node leads and a quorum says so.
    async fn confirm(&self, asker: Option<Mark>) -> Option<u64> {
        if !self.agreement.may_confirm(asker) {
            return None;
        }
        let read = self.raft.get_read_linearizer(ReadPolicy::ReadIndex).await.ok()?;
        Some(read.read_log_id().index())
    }

    /// Asks until `deadline`, then waits until this node has applied that far.
    pub(crate) async fn read_index(&self, deadline: Instant) -> Result<u64, Unconfirmed> {
        let index = loop {
            let asked_until = deadline.min(Instant::now() + ASK);
            if let Ok(Some(index)) = timeout_at(asked_until, self.ask(asked_until)).await {
                break index;
            }
            if Instant::now() + PAUSE >= deadline {
                return Err(Unconfirmed);
            }
            sleep(PAUSE).await;
        };
        self.wait_applied(index, deadline).await.map(|()| index)
    }

    /// Waits until the entry at `index` is applied here.
    pub(crate) async fn wait_applied(
        &self,
        index: u64,
        deadline: Instant,
    ) -> Result<(), Unconfirmed> {
        let mut applied = self.state.watch_applied();
        let reached = timeout_at(deadline, applied.wait_for(|applied| *applied >= index)).await;
        match reached {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Unconfirmed),
        }
    }

    async fn ask(&self, deadline: Instant) -> Option<u64> {
        match leader(&self.raft) {
            Leader::Unknown => None,
            Leader::Own => self.confirm(None).await,
            Leader::Peer(id, member) => {
                let mark = self.state.read(|_, state| state.mark).ok()?;
                let within = deadline.saturating_duration_since(Instant::now());
                let request = ReadIndexRequest { mark };
                match self.peers.read_index((id, member), &request, within).await {
                    Ok(ReadIndexReply::At(index)) => Some(index),
                    Ok(ReadIndexReply::Unconfirmed) => None,
                    Err(error) => {
                        tracing::debug!(%error, leader = id, "no read index");
                        None
                    }
                }
            }
        }
    }
}
