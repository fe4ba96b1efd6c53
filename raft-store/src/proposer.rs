//! Takes commands of many callers, gathers them into one entry of the log (group commit), and sees each through to its
//! reply: here when this node leads, at the leader otherwise, and again after a lost leader until the caller's deadline.
//!
//! What peers hand over has a queue and places of its own, and is only ever committed here. If it shared those of this
//! node's own commands, two nodes that each take the other for the leader would wait for each other.
//!
//! A command may therefore be committed twice, or after its caller gave up. Commands carry ids of their own, and the state
//! machine answers a repetition with the first reply; nothing here remembers commands.

mod dispatch;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::clocks::Clocks;
use crate::encoding::ForwardedReply;
use crate::network::Peers;
use crate::raft_types::Raft;
use crate::state_machine::StateMachine;

/// The longest command: a held operation with its text and its values.
pub const COMMAND_BYTES: usize = 3 << 20;
/// Commands of one origin that wait to be gathered.
const QUEUE: usize = 8192;
/// Bytes of commands of one origin that wait or are under way; the permits are bytes.
const ROOM_BYTES: usize = 64 << 20;
/// Commands in one entry.
const BATCH_COMMANDS: usize = 256;
/// Bytes of commands after which an entry takes no more.
const BATCH_BYTES: usize = 1 << 20;
/// Batches of one origin under way at a time. While they are, the next one gathers.
const IN_FLIGHT: usize = 4;
/// Commands that are worth an entry of their own while another one is under way.
const WORTH_AN_ENTRY: usize = 64;
/// How long fewer of them wait for more, while another entry is under way. An entry costs the cluster as much as tens of
/// commands in it do, and nobody waits who is alone.
const GATHER: Duration = Duration::from_millis(2);

/// A command that is committed and applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// The index of the entry it was applied with.
    pub index: u64,
    /// What the state machine replied.
    pub reply: Vec<u8>,
}

/// Why a command was not seen to be committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProposeError {
    /// No quorum committed it in time. It may still be committed later.
    #[error("no quorum committed the command in time")]
    NoQuorum,
    /// Too much is waiting already. The command was not proposed.
    #[error("too many commands are waiting")]
    Full,
    /// The command is longer than [`COMMAND_BYTES`]. It was not proposed.
    #[error("the command is too long")]
    TooLong,
    /// The engine is stopping. The command may still be committed.
    #[error("the engine is stopping")]
    Stopping,
}

/// Who waits for the replies of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// Callers on this node.
    Own,
    /// Peers, which took this node for the leader. Their commands are not forwarded again.
    Peer,
}

/// Whether a command may be in a log already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tried {
    /// Nobody was given it yet.
    Never,
    /// It was given to a leader, or written to the log here, without an answer that settles it.
    Unsettled,
}

/// How a proposal ended.
#[derive(Debug)]
enum Settled {
    Committed(Committed),
    Refused(ProposeError),
    /// This node does not lead; only for proposals of peers.
    NotLeader,
}

#[derive(Debug)]
struct Proposal {
    command: Vec<u8>,
    tried: Tried,
    deadline: Instant,
    reply: oneshot::Sender<Settled>,
    _room: OwnedSemaphorePermit,
}

/// The way into one of the queues.
#[derive(Debug, Clone)]
struct Entrance {
    queue: mpsc::Sender<Proposal>,
    room: Arc<Semaphore>,
}

/// The ways in.
#[derive(Debug, Clone)]
pub(crate) struct Proposer {
    own: Entrance,
    peers: Entrance,
    stop: CancellationToken,
}

/// What the gathering tasks work with.
#[derive(Clone)]
pub(crate) struct ProposerParts {
    pub(crate) raft: Raft,
    pub(crate) state: StateMachine,
    pub(crate) peers: Arc<Peers>,
    pub(crate) clocks: Clocks,
    pub(crate) stop: CancellationToken,
}

impl Proposer {
    /// Starts gathering. What is returned beside ends when `stop` is cancelled.
    pub(crate) fn start(parts: ProposerParts) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (own, own_proposals) = Entrance::new();
        let (peers, peer_proposals) = Entrance::new();
        let proposer = Self { own, peers, stop: parts.stop.clone() };
        let gathering = async move {
            tokio::join!(
                gather(parts.clone(), own_proposals, Origin::Own),
                gather(parts, peer_proposals, Origin::Peer)
            );
        };
        (proposer, gathering)
    }

    /// Sees a command through, until `deadline`.
    pub(crate) async fn propose(
        &self,
        command: Vec<u8>,
        deadline: Instant,
    ) -> Result<Committed, ProposeError> {
        let reply = self.own.enqueue(command, deadline)?;
        match timeout_at(deadline, reply).await {
            Ok(Ok(Settled::Committed(committed))) => Ok(committed),
            Ok(Ok(Settled::Refused(reason))) => Err(reason),
            // The proposal was dropped unanswered: because everything stops, or at its deadline.
            Ok(Err(_)) if self.stop.is_cancelled() => Err(ProposeError::Stopping),
            Err(_) | Ok(Err(_) | Ok(Settled::NotLeader)) => Err(ProposeError::NoQuorum),
        }
    }

    /// Sees a peer's commands through, if this node leads.
    pub(crate) async fn forwarded(
        &self,
        commands: Vec<Vec<u8>>,
        within: Duration,
    ) -> Vec<ForwardedReply> {
        let deadline = Instant::now() + within;
        let waiting: Vec<_> =
            commands.into_iter().map(|command| self.peers.enqueue(command, deadline)).collect();
        let mut replies = Vec::with_capacity(waiting.len());
        for reply in waiting {
            replies.push(match reply {
                Err(ProposeError::Full | ProposeError::TooLong) => ForwardedReply::Full,
                Err(ProposeError::NoQuorum | ProposeError::Stopping) => ForwardedReply::Unsettled,
                Ok(reply) => match timeout_at(deadline, reply).await {
                    Ok(Ok(Settled::Committed(Committed { index, reply }))) => {
                        ForwardedReply::Committed { index, reply }
                    }
                    Ok(Ok(Settled::Refused(_) | Settled::NotLeader) | Err(_)) | Err(_) => {
                        ForwardedReply::Unsettled
                    }
                },
            });
        }
        replies
    }
}

impl Entrance {
    fn new() -> (Self, mpsc::Receiver<Proposal>) {
        let (queue, proposals) = mpsc::channel(QUEUE);
        (Self { queue, room: Arc::new(Semaphore::new(ROOM_BYTES)) }, proposals)
    }

    fn enqueue(
        &self,
        command: Vec<u8>,
        deadline: Instant,
    ) -> Result<oneshot::Receiver<Settled>, ProposeError> {
        let bytes = u32::try_from(command.len()).map_err(|_| ProposeError::TooLong)?;
        if command.len() > COMMAND_BYTES {
            return Err(ProposeError::TooLong);
        }
        let room =
            self.room.clone().try_acquire_many_owned(bytes).map_err(|_| ProposeError::Full)?;
        let (reply, settled) = oneshot::channel();
        let proposal = Proposal { command, tried: Tried::Never, deadline, reply, _room: room };
        self.queue.try_send(proposal).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => ProposeError::Full,
            mpsc::error::TrySendError::Closed(_) => ProposeError::Stopping,
        })?;
        Ok(settled)
    }
}

/// Fills one batch after another and sends each on its way. Ends, with everything it began, when it is told to stop.
async fn gather(parts: ProposerParts, mut proposals: mpsc::Receiver<Proposal>, origin: Origin) {
    let places = Arc::new(Semaphore::new(IN_FLIGHT));
    let stop = parts.stop.clone();
    let mut under_way = JoinSet::new();
    let run = async {
        while let Ok(place) = places.clone().acquire_owned().await {
            while under_way.try_join_next().is_some() {}
            let Some(first) = proposals.recv().await else { return };
            let mut batch = Filling::new(first);
            batch.take_waiting(&mut proposals);
            batch.take_coming(&mut proposals, &mut under_way).await;
            let batch = batch.commands;
            let parts = parts.clone();
            under_way.spawn(async move {
                match origin {
                    Origin::Own => dispatch::see_through(&parts, batch).await,
                    Origin::Peer => dispatch::commit_for_peers(&parts, batch).await,
                }
                drop(place);
            });
        }
    };
    stop.run_until_cancelled(run).await;
    under_way.shutdown().await;
}

/// A batch that is being gathered.
struct Filling {
    commands: Vec<Proposal>,
    bytes: usize,
}

impl Filling {
    fn new(first: Proposal) -> Self {
        Self { bytes: first.command.len(), commands: vec![first] }
    }

    fn add(&mut self, next: Proposal) {
        self.bytes += next.command.len();
        self.commands.push(next);
    }

    fn has_room(&self) -> bool {
        self.commands.len() < BATCH_COMMANDS && self.bytes < BATCH_BYTES
    }

    /// Takes what waits already, up to the limits of one entry.
    fn take_waiting(&mut self, proposals: &mut mpsc::Receiver<Proposal>) {
        while self.has_room()
            && let Ok(next) = proposals.try_recv()
        {
            self.add(next);
        }
    }

    /// Takes what comes, for a short while, as long as other batches are under way.
    async fn take_coming(
        &mut self,
        proposals: &mut mpsc::Receiver<Proposal>,
        under_way: &mut JoinSet<()>,
    ) {
        let end = Instant::now() + GATHER;
        while self.has_room() && self.commands.len() < WORTH_AN_ENTRY && !under_way.is_empty() {
            tokio::select! {
                biased;
                next = proposals.recv() => match next {
                    Some(next) => self.add(next),
                    None => return,
                },
                _done = under_way.join_next() => {}
                () = sleep_until(end) => return,
            }
        }
    }
}

#[cfg(test)]
mod tests;
