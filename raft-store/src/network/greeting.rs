//! Greets every member every second, on the connections that a change of leader needs: whoever leads next does not begin
//! with handshakes. The answer says the peer's clock, and what it has applied,
//! or that this node was removed. Nothing is concluded here from a peer that does not answer.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use openraft::async_runtime::WatchReceiver;
use tokio::time::{Instant, sleep_until};
use tonic::Code;

use super::{CallError, Lane, Peers};
use crate::clocks::Clocks;
use crate::progress::Progress;
use crate::raft_types::{Member, NodeId, Raft};

/// How often a peer is greeted.
const EVERY: Duration = Duration::from_secs(1);
/// How long an answer is waited for.
const WITHIN: Duration = Duration::from_secs(1);
/// The connections that are kept open. A snapshot can wait for its handshake.
const LANES: [Lane; 3] = [Lane::Log, Lane::Heartbeat, Lane::Forward];

/// Where the answers are taken down.
pub(crate) struct Heard {
    pub(crate) clocks: Clocks,
    pub(crate) progress: Progress,
}

/// Greets for ever. Drop the future to stop.
pub(crate) async fn keep(raft: &Raft, peers: &Arc<Peers>, heard: &Heard) {
    loop {
        let next = Instant::now() + EVERY;
        let greetings = others(raft).into_iter().flat_map(|(id, member)| {
            LANES.map(|lane| greet(peers, heard, (id, member.clone()), lane))
        });
        join_all(greetings).await;
        sleep_until(next).await;
    }
}

fn others(raft: &Raft) -> Vec<(NodeId, Member)> {
    let metrics = raft.server_metrics();
    let metrics = metrics.borrow_watched();
    let members = metrics.membership_config.nodes().filter(|(id, _)| **id != metrics.id);
    members.map(|(id, member)| (*id, member.clone())).collect()
}

async fn greet(peers: &Peers, heard: &Heard, to: (NodeId, Member), lane: Lane) {
    let id = to.0;
    match peers.greet(to, lane, WITHIN).await {
        Ok(answer) => {
            heard.clocks.hear(id, answer.wall_ms);
            heard.progress.hear(id, answer.applied);
        }
        Err(CallError::Status(status)) if status.code() == Code::PermissionDenied => {
            heard.progress.turn_away();
        }
        Err(error) => tracing::trace!(%error, peer = id, ?lane, "no answer to a greeting"),
    }
}
