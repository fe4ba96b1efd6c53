//! Sees one batch through: finds the leader, hands the batch over, and begins again with what is left when it was the
//! wrong one, or when another one leads before there is an answer. It gives up on a command when its caller has.

use openraft::errors::{ClientWriteError, RaftError};
use tokio::time::{Duration, Instant, sleep_until, timeout};

use super::{Committed, Proposal, ProposeError, ProposerParts, Settled, Tried};
use crate::encoding::{ForwardedReply, ProposeRequest};
use crate::raft_types::{EntryData, Member, NodeId};
use crate::read_index::{Leader, known_leader, leader, leader_changed};

/// Pauses while the leader is the same one that refused, or there is none: the first, and the longest after doubling. A
/// leader without a fresh quorum refuses too, so a refusal never means more than "not now".
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(80);

/// Works on this node's own batch until every command is settled or its caller gone.
pub(super) async fn see_through(parts: &ProposerParts, mut batch: Vec<Proposal>) {
    let mut pause = FIRST_PAUSE;
    loop {
        let Some(deadline) = drop_abandoned(&mut batch) else { return };
        let asked = known_leader(&parts.raft);
        batch = match leader(&parts.raft) {
            Leader::Own => commit(parts, batch, deadline).await,
            Leader::Peer(id, member) => forward(parts, batch, deadline, (id, member)).await,
            Leader::Unknown => batch,
        };
        if batch.is_empty() {
            return;
        }
        pause = match timeout(pause, leader_changed(&parts.raft, asked)).await {
            Ok(()) => FIRST_PAUSE,
            Err(_) => (pause * 2).min(LONGEST_PAUSE),
        };
    }
}

/// Makes a batch of peers an entry if this node leads, and sends back what it cannot commit now, for the peers to ask
/// the right leader. Nothing of it waits for another node.
pub(super) async fn commit_for_peers(parts: &ProposerParts, mut batch: Vec<Proposal>) {
    let Some(deadline) = drop_abandoned(&mut batch) else { return };
    let left = match leader(&parts.raft) {
        Leader::Own => commit(parts, batch, deadline).await,
        Leader::Peer(..) | Leader::Unknown => batch,
    };
    for proposal in left {
        settle(proposal, Settled::NotLeader);
    }
}

/// Forgets the commands nobody waits for. Until when somebody waits for one of the others; none when there are none.
fn drop_abandoned(batch: &mut Vec<Proposal>) -> Option<Instant> {
    let now = Instant::now();
    batch.retain(|proposal| proposal.deadline > now && !proposal.reply.is_closed());
    batch.iter().map(|proposal| proposal.deadline).max()
}

fn settle(proposal: Proposal, how: Settled) {
    // Nobody waits any more when the caller was cancelled.
    drop(proposal.reply.send(how));
}

/// How waiting for the answer to a batch ended.
enum Waited<T> {
    Answered(T),
    /// Another node leads, or none: the answer may never come.
    LeaderLost,
    /// Nobody waits for it any more.
    Abandoned,
}

/// Waits for an answer as long as it makes sense. From here on the commands may be in a log.
async fn wait<T>(
    parts: &ProposerParts,
    batch: &mut [Proposal],
    (led_by, deadline): (NodeId, Instant),
    answer: impl Future<Output = T>,
) -> Waited<T> {
    for proposal in batch.iter_mut() {
        proposal.tried = Tried::Unsettled;
    }
    let callers_gone = async {
        for proposal in batch.iter_mut() {
            proposal.reply.closed().await;
        }
    };
    tokio::select! {
        biased;
        answer = answer => Waited::Answered(answer),
        () = leader_changed(&parts.raft, Some(led_by)) => Waited::LeaderLost,
        () = callers_gone => Waited::Abandoned,
        () = sleep_until(deadline) => Waited::Abandoned,
    }
}

/// Makes the batch one entry of the log. Returns what must be tried again.
async fn commit(
    parts: &ProposerParts,
    mut batch: Vec<Proposal>,
    deadline: Instant,
) -> Vec<Proposal> {
    // What this node's state would reply is not to be trusted.
    if parts.state.diverged_at().is_some() {
        return batch;
    }
    let voters: Vec<NodeId> = parts.raft.voter_ids().collect();
    let Some(at_ms) = parts.clocks.stamp(*parts.raft.node_id(), &voters) else { return batch };
    let commands: Vec<_> = batch.iter().map(|proposal| proposal.command.clone()).collect();
    let data = EntryData::Batch { at_ms, commands: commands.into() };
    let write = parts.raft.client_write(data);
    match wait(parts, &mut batch, (*parts.raft.node_id(), deadline), write).await {
        Waited::Answered(Ok(written)) => {
            let index = written.log_id.index;
            for (proposal, reply) in batch.into_iter().zip(written.data.0) {
                settle(proposal, Settled::Committed(Committed { index, reply }));
            }
            Vec::new()
        }
        Waited::Answered(Err(RaftError::APIError(
            ClientWriteError::ForwardToLeader(_) | ClientWriteError::LogEntryDiscarded(_),
        )))
        | Waited::LeaderLost => batch,
        Waited::Answered(Err(error)) => {
            tracing::error!(%error, "proposals cannot be committed");
            for proposal in batch {
                settle(proposal, Settled::Refused(ProposeError::Stopping));
            }
            Vec::new()
        }
        Waited::Abandoned => Vec::new(),
    }
}

/// Hands this node's own commands to the leader. Returns what must be tried again.
async fn forward(
    parts: &ProposerParts,
    mut batch: Vec<Proposal>,
    deadline: Instant,
    to: (NodeId, Member),
) -> Vec<Proposal> {
    let within = deadline.saturating_duration_since(Instant::now());
    let request = ProposeRequest {
        commands: batch.iter().map(|proposal| proposal.command.clone()).collect(),
        within_ms: u64::try_from(within.as_millis()).unwrap_or(u64::MAX),
    };
    let tried: Vec<_> = batch.iter().map(|proposal| proposal.tried).collect();
    let id = to.0;
    let call = parts.peers.propose(to, &request);
    match wait(parts, &mut batch, (id, deadline), call).await {
        Waited::Answered(Ok(replies)) if replies.0.len() == batch.len() => {
            let answered = batch.into_iter().zip(tried).zip(replies.0);
            answered.filter_map(|((proposal, tried), reply)| take(proposal, tried, reply)).collect()
        }
        Waited::Answered(Ok(_)) => {
            tracing::warn!("the leader answered another number of commands than it was asked");
            batch
        }
        Waited::Answered(Err(error)) => {
            tracing::debug!(%error, "commands could not be forwarded");
            batch
        }
        Waited::LeaderLost => batch,
        Waited::Abandoned => Vec::new(),
    }
}

/// Settles a command by the leader's reply, or gives it back. `tried` is what was known of it before this leader was
/// asked: that this one has no room says nothing of what an earlier one did with it.
pub(super) fn take(
    mut proposal: Proposal,
    tried: Tried,
    reply: ForwardedReply,
) -> Option<Proposal> {
    match (reply, tried) {
        (ForwardedReply::Committed { index, reply }, _) => {
            settle(proposal, Settled::Committed(Committed { index, reply }));
            None
        }
        (ForwardedReply::Full, Tried::Never) => {
            settle(proposal, Settled::Refused(ProposeError::Full));
            None
        }
        (ForwardedReply::Full, Tried::Unsettled) | (ForwardedReply::Unsettled, _) => {
            proposal.tried = Tried::Unsettled;
            Some(proposal)
        }
    }
}
