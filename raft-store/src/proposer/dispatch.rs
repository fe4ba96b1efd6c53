//! Sees one batch through: finds the leader, hands the batch over, and begins again with what is left when it was the
//! wrong one. It gives up on a command when its caller has.

use std::time::Duration;

use openraft::errors::{ClientWriteError, RaftError};
use tokio::time::{Instant, sleep, timeout_at};

use super::{Committed, Origin, Proposal, ProposeError, ProposerParts, Settled};
use crate::encoding::{ForwardedReply, ProposeRequest};
use crate::raft_types::{EntryData, Member, NodeId};
use crate::read_index::{Leader, leader};

/// Pauses while there is no leader: the first, and the longest after doubling. A leader without a fresh quorum refuses
/// too, so a refusal never means more than "not now".
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(80);

/// Works on the batch until every command is settled or its caller gone.
pub(super) async fn see_through(parts: &ProposerParts, mut batch: Vec<Proposal>) {
    let mut pause = FIRST_PAUSE;
    loop {
        let now = Instant::now();
        batch.retain(|proposal| proposal.deadline > now && !proposal.reply.is_closed());
        let Some(deadline) = batch.iter().map(|proposal| proposal.deadline).max() else { return };
        batch = match leader(&parts.raft) {
            Leader::Own => commit(parts, batch, deadline).await,
            Leader::Peer(id, member) => forward(parts, batch, deadline, (id, member)).await,
            Leader::Unknown => send_back(batch),
        };
        if !batch.is_empty() {
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

fn settle(proposal: Proposal, how: Settled) {
    // Nobody waits any more when the caller was cancelled.
    drop(proposal.reply.send(how));
}

/// What came from peers goes back to them, to ask the right leader; what is this node's own stays.
fn send_back(batch: Vec<Proposal>) -> Vec<Proposal> {
    let (own, peers): (Vec<_>, Vec<_>) =
        batch.into_iter().partition(|proposal| proposal.origin == Origin::Own);
    for proposal in peers {
        settle(proposal, Settled::NotLeader);
    }
    own
}

/// Makes the batch one entry of the log. Returns what must be tried again.
async fn commit(parts: &ProposerParts, batch: Vec<Proposal>, deadline: Instant) -> Vec<Proposal> {
    let commands = batch.iter().map(|proposal| proposal.command.clone()).collect();
    let data = EntryData::Batch { at_ms: parts.clock.wall_ms(), commands };
    match timeout_at(deadline, parts.raft.client_write(data)).await {
        // All callers are gone; what was proposed may still be committed.
        Err(_) => Vec::new(),
        Ok(Ok(written)) => {
            let index = written.log_id.index;
            for (proposal, reply) in batch.into_iter().zip(written.data.0) {
                settle(proposal, Settled::Committed(Committed { index, reply }));
            }
            Vec::new()
        }
        Ok(Err(RaftError::APIError(
            ClientWriteError::ForwardToLeader(_) | ClientWriteError::LogEntryDiscarded(_),
        ))) => send_back_if_led_elsewhere(parts, batch),
        Ok(Err(error)) => {
            tracing::error!(%error, "proposals cannot be committed");
            for proposal in batch {
                settle(proposal, Settled::Refused(ProposeError::Stopping));
            }
            Vec::new()
        }
    }
}

/// A leader that only lacks a fresh quorum keeps what peers gave it.
fn send_back_if_led_elsewhere(parts: &ProposerParts, batch: Vec<Proposal>) -> Vec<Proposal> {
    match leader(&parts.raft) {
        Leader::Own => batch,
        Leader::Peer(..) | Leader::Unknown => send_back(batch),
    }
}

/// Hands this node's own commands to the leader. Returns what must be tried again.
async fn forward(
    parts: &ProposerParts,
    batch: Vec<Proposal>,
    deadline: Instant,
    to: (NodeId, Member),
) -> Vec<Proposal> {
    let own = send_back(batch);
    if own.is_empty() {
        return own;
    }
    let within = deadline.saturating_duration_since(Instant::now());
    let request = ProposeRequest {
        commands: own.iter().map(|proposal| proposal.command.clone()).collect(),
        within_ms: u64::try_from(within.as_millis()).unwrap_or(u64::MAX),
    };
    let replies = match parts.peers.propose(to, &request).await {
        Ok(replies) if replies.0.len() == own.len() => replies.0,
        Ok(_) => {
            tracing::warn!("the leader answered another number of commands than it was asked");
            return own;
        }
        Err(error) => {
            tracing::debug!(%error, "commands could not be forwarded");
            return own;
        }
    };
    let mut left = Vec::new();
    for (proposal, reply) in own.into_iter().zip(replies) {
        match reply {
            ForwardedReply::Committed { index, reply } => {
                settle(proposal, Settled::Committed(Committed { index, reply }));
            }
            ForwardedReply::Full => settle(proposal, Settled::Refused(ProposeError::Full)),
            ForwardedReply::Unsettled => left.push(proposal),
        }
    }
    left
}
