//! What the typed store needs of the engine: bytes in, bytes out. The engine implements it; so can a test in one process.

use super::LogError;
use crate::{
    EffectsLost,
    machine::{Effect, StoreError, View},
    state_machine::Effects as EngineEffects,
};
use countersign_core::id::{LogIndex, NodeId};
use std::{
    collections::{BTreeSet, VecDeque},
    fmt,
    pin::Pin,
    sync::Arc,
    time::Duration,
};
use tokio::sync::broadcast::{self, error::RecvError};

/// A boxed future.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What is shown of the state: the picture, and the index of the last entry in it.
pub type Look<'l> = &'l mut (dyn FnMut(&dyn View, u64) + Send);

/// What happens from now on, as log index and stored form, in log order.
#[derive(Debug)]
pub struct Effects {
    entries: Entries,
    waiting: VecDeque<(u64, Arc<[u8]>)>,
}

#[derive(Debug)]
enum Entries {
    Engine(EngineEffects),
    Channel(broadcast::Receiver<(u64, Vec<Effect>)>),
}

impl Effects {
    /// Effects of entries that come over a channel, for logs of one process.
    pub fn of_channel(channel: broadcast::Receiver<(u64, Vec<Effect>)>) -> Self {
        Self { entries: Entries::Channel(channel), waiting: VecDeque::new() }
    }

    /// The next effect. Safe to drop and call again.
    ///
    /// # Errors
    /// [`RecvError::Lagged`] when some were missed: the state must be looked at. [`RecvError::Closed`] after the end.
    pub async fn recv(&mut self) -> Result<(u64, Arc<[u8]>), RecvError> {
        loop {
            if let Some(effect) = self.waiting.pop_front() {
                return Ok(effect);
            }
            let (index, effects) = match &mut self.entries {
                Entries::Channel(channel) => channel.recv().await?,
                Entries::Engine(engine) => engine.next().await.map_err(|lost| match lost {
                    // How many is not known.
                    EffectsLost::Lagged => RecvError::Lagged(1),
                    EffectsLost::Stopped => RecvError::Closed,
                })?,
            };
            self.waiting.extend(effects.into_iter().map(|effect| (index, Arc::from(effect))));
        }
    }
}

/// A replicated log with the state machine behind it.
pub trait Log: Send + Sync + fmt::Debug {
    /// Has a command committed and applied; gives the entry's index and the reply.
    fn propose(&self, command: Vec<u8>) -> BoxFuture<'_, Result<(u64, Vec<u8>), LogError>>;

    /// A linearizable read index; this node has applied it when this returns.
    fn read_index(&self) -> BoxFuture<'_, Result<u64, LogError>>;

    /// Waits until this node has applied `index`.
    fn applied(&self, index: u64) -> BoxFuture<'_, Result<(), LogError>>;

    /// Shows one consistent picture of what this node has applied.
    fn look(&self, look: Look<'_>) -> Result<(), StoreError>;

    /// For how long the serving lease has been lapsed, in time that goes on while the machine sleeps; none while it is
    /// valid. A lease that will not come back has been lapsed for ever ([`Duration::MAX`]).
    fn lease_lapsed(&self) -> Option<Duration>;

    /// Whether a quorum has confirmed the lease so lately that a read may be answered before the log has its intent.
    fn lease_is_fresh(&self) -> bool;

    /// What happens from now on.
    fn effects(&self) -> Effects;

    /// What this node knows of the cluster.
    fn status(&self) -> Status;
}

/// What a node knows of the cluster at a moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Status {
    /// This node.
    pub node: NodeId,
    /// The leader, if there is one this node knows of.
    pub leader: Option<NodeId>,
    /// The term.
    pub term: u64,
    /// The last entry of this node's log.
    pub last: LogIndex,
    /// The last entry this node has applied.
    pub applied: LogIndex,
    /// Who votes.
    pub voters: BTreeSet<NodeId>,
    /// Who only follows.
    pub learners: BTreeSet<NodeId>,
}

impl From<EngineEffects> for Effects {
    fn from(engine: EngineEffects) -> Self {
        Self { entries: Entries::Engine(engine), waiting: VecDeque::new() }
    }
}
