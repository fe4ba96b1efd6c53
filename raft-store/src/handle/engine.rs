//! The engine as the log of the typed store: words and errors of one side in those of the other. Every wait has its limit.

use super::{
    LogError,
    log::{BoxFuture, Effects, Log, Look, Status},
};
use crate::{ProposeError, Unconfirmed, engine::Engine, machine::StoreError};
use countersign_core::id::{LogIndex, NodeId};
use std::time::Duration;
use tokio::time::Instant;

/// How long a proposal is seen through, over lost leaders too. Whoever waits less gives up by itself.
const PROPOSE_WITHIN: Duration = Duration::from_secs(10);
/// How long a quorum may take to confirm a read.
const CONFIRM_WITHIN: Duration = Duration::from_secs(5);
/// How long this node may take to catch up with an entry.
const APPLY_WITHIN: Duration = Duration::from_secs(10);

impl Log for Engine {
    fn propose(&self, command: Vec<u8>) -> BoxFuture<'_, Result<(u64, Vec<u8>), LogError>> {
        Box::pin(async move {
            match Self::propose(self, command, Instant::now() + PROPOSE_WITHIN).await {
                Ok(committed) => Ok((committed.index, committed.reply)),
                Err(ProposeError::NoQuorum) => Err(LogError::NoQuorum),
                // The store looks at the length before it proposes.
                Err(ProposeError::Full | ProposeError::TooLong) => Err(LogError::Overloaded),
                Err(ProposeError::Stopping) => Err(LogError::Stopped),
            }
        })
    }

    fn read_index(&self) -> BoxFuture<'_, Result<u64, LogError>> {
        Box::pin(async move {
            Self::read_index(self, CONFIRM_WITHIN).await.map_err(|Unconfirmed| LogError::NoQuorum)
        })
    }

    fn applied(&self, index: u64) -> BoxFuture<'_, Result<(), LogError>> {
        Box::pin(async move {
            let waited = self.wait_applied(index, APPLY_WITHIN).await;
            waited.map_err(|Unconfirmed| LogError::NoQuorum)
        })
    }

    fn look(&self, look: Look<'_>) -> Result<(), StoreError> {
        self.read(|view, applied| look(view, applied))
    }

    fn lease_lapsed(&self) -> Option<Duration> {
        self.lease().lapsed_for()
    }

    fn lease_is_fresh(&self) -> bool {
        self.lease().is_fresh()
    }

    fn effects(&self) -> Effects {
        Self::effects(self).into()
    }

    fn status(&self) -> Status {
        let status = Self::status(self);
        let of = |voting: bool| {
            let peers = status.peers.iter().filter(move |(_, peer)| peer.voter == voting);
            peers.map(|(id, _)| NodeId(*id)).collect()
        };
        Status {
            node: NodeId(status.node),
            leader: status.leader.map(NodeId),
            term: status.term,
            last: LogIndex(status.last_log.unwrap_or_default()),
            applied: LogIndex(status.applied),
            voters: of(true),
            learners: of(false),
        }
    }
}
