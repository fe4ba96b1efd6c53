//! Takes commands of many callers, gathers them into one entry of the log (group commit), and sees each through to its
//! reply: here when this node leads, at the leader otherwise, and again after a lost leader until the caller's deadline.
//!
//! A command may therefore be committed twice, or after its caller gave up. Commands carry ids of their own, and the state
//! machine answers a repetition with the first reply; nothing here remembers commands.

mod dispatch;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::encoding::ForwardedReply;
use crate::network::Peers;
use crate::raft_types::Raft;

/// The longest command: a held operation with its text and its values.
pub const COMMAND_BYTES: usize = 3 << 20;
/// Commands that wait to be gathered.
const QUEUE: usize = 8192;
/// Bytes of commands that wait or are under way; the permits are bytes.
const ROOM_BYTES: usize = 64 << 20;
/// Commands in one entry.
const BATCH_COMMANDS: usize = 256;
/// Bytes of commands after which an entry takes no more.
const BATCH_BYTES: usize = 1 << 20;
/// Entries under way at a time. While they are, the next one gathers.
const IN_FLIGHT: usize = 4;

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

/// Who waits for the reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// A caller on this node.
    Own,
    /// A peer, which took this node for the leader. It is not forwarded again.
    Peer,
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
    origin: Origin,
    deadline: Instant,
    reply: oneshot::Sender<Settled>,
    _room: OwnedSemaphorePermit,
}

/// The way into the queue.
#[derive(Debug, Clone)]
pub(crate) struct Proposer {
    queue: mpsc::Sender<Proposal>,
    room: Arc<Semaphore>,
}

/// What the gathering task works with.
#[derive(Clone)]
pub(crate) struct ProposerParts {
    pub(crate) raft: Raft,
    pub(crate) peers: Arc<Peers>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) stop: CancellationToken,
}

impl Proposer {
    /// Starts gathering.
    pub(crate) fn start(parts: ProposerParts) -> (Self, tokio::task::JoinHandle<()>) {
        let (queue, proposals) = mpsc::channel(QUEUE);
        let task = tokio::spawn(gather(parts, proposals));
        (Self { queue, room: Arc::new(Semaphore::new(ROOM_BYTES)) }, task)
    }

    /// Sees a command through, until `deadline`.
    pub(crate) async fn propose(
        &self,
        command: Vec<u8>,
        deadline: Instant,
    ) -> Result<Committed, ProposeError> {
        let reply = self.enqueue(command, Origin::Own, deadline)?;
        match timeout_at(deadline, reply).await {
            Err(_) | Ok(Ok(Settled::NotLeader)) => Err(ProposeError::NoQuorum),
            Ok(Err(_)) => Err(ProposeError::Stopping),
            Ok(Ok(Settled::Committed(committed))) => Ok(committed),
            Ok(Ok(Settled::Refused(reason))) => Err(reason),
        }
    }

    /// Sees a peer's commands through, if this node leads.
    pub(crate) async fn forwarded(
        &self,
        commands: Vec<Vec<u8>>,
        within: Duration,
    ) -> Vec<ForwardedReply> {
        let deadline = Instant::now() + within;
        let waiting: Vec<_> = commands
            .into_iter()
            .map(|command| self.enqueue(command, Origin::Peer, deadline))
            .collect();
        let mut replies = Vec::with_capacity(waiting.len());
        for reply in waiting {
            replies.push(match reply {
                Err(_) => ForwardedReply::Full,
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

    fn enqueue(
        &self,
        command: Vec<u8>,
        origin: Origin,
        deadline: Instant,
    ) -> Result<oneshot::Receiver<Settled>, ProposeError> {
        let bytes = u32::try_from(command.len()).map_err(|_| ProposeError::TooLong)?;
        if command.len() > COMMAND_BYTES {
            return Err(ProposeError::TooLong);
        }
        let room =
            self.room.clone().try_acquire_many_owned(bytes).map_err(|_| ProposeError::Full)?;
        let (reply, settled) = oneshot::channel();
        let proposal = Proposal { command, origin, deadline, reply, _room: room };
        self.queue.try_send(proposal).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => ProposeError::Full,
            mpsc::error::TrySendError::Closed(_) => ProposeError::Stopping,
        })?;
        Ok(settled)
    }
}

/// Fills one batch after another and sends each on its way.
async fn gather(parts: ProposerParts, mut proposals: mpsc::Receiver<Proposal>) {
    let places = Arc::new(Semaphore::new(IN_FLIGHT));
    let stop = parts.stop.clone();
    let run = async {
        while let Ok(place) = places.clone().acquire_owned().await {
            let Some(first) = proposals.recv().await else { return };
            let mut bytes = first.command.len();
            let mut batch = vec![first];
            while batch.len() < BATCH_COMMANDS && bytes < BATCH_BYTES {
                let Ok(next) = proposals.try_recv() else { break };
                bytes += next.command.len();
                batch.push(next);
            }
            let parts = parts.clone();
            tokio::spawn(async move {
                let stop = parts.stop.clone();
                stop.run_until_cancelled(dispatch::see_through(&parts, batch)).await;
                drop(place);
            });
        }
    };
    stop.run_until_cancelled(run).await;
}
