//! Hands the effects of applied entries to this node's subscribers, in order. It keeps a bounded number; a subscriber that
//! falls behind is told so and must look at the state instead.

use tokio::sync::broadcast;

use crate::machine::Effect;

/// Entries whose effects wait for the slowest subscriber.
const KEPT: usize = 4096;

#[derive(Debug, Clone)]
enum Event {
    Applied {
        index: u64,
        effects: Vec<Effect>,
    },
    /// A snapshot replaced the state; the effects of what it covers are not known.
    Skipped {
        to: u64,
    },
}

/// The state machine's end.
#[derive(Debug, Clone)]
pub(crate) struct EffectsSender(broadcast::Sender<Event>);

impl EffectsSender {
    pub(crate) fn new() -> Self {
        Self(broadcast::channel(KEPT).0)
    }

    /// Nobody listening is no failure.
    pub(super) fn send(&self, index: u64, effects: Vec<Effect>) {
        drop(self.0.send(Event::Applied { index, effects }));
    }

    /// The effects up to `to` are lost to every subscriber.
    pub(super) fn skip(&self, to: u64) {
        drop(self.0.send(Event::Skipped { to }));
    }

    pub(crate) fn subscribe(&self) -> Effects {
        Effects(self.0.subscribe())
    }
}

/// A subscription to the effects of every entry applied from now on, on this node. After a restart, what was applied
/// before is not repeated.
#[derive(Debug)]
pub struct Effects(broadcast::Receiver<Event>);

/// Why there is no next effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EffectsLost {
    /// Effects were missed: the subscriber was too slow, or a snapshot replaced the state. Look at the state; the
    /// subscription goes on.
    #[error("effects were missed")]
    Lagged,
    /// The engine has stopped.
    #[error("the engine has stopped")]
    Stopped,
}

impl Effects {
    /// The index and the effects of the next entry that had any.
    ///
    /// # Errors
    /// [`EffectsLost::Lagged`] when some were missed, [`EffectsLost::Stopped`] after the end.
    pub async fn next(&mut self) -> Result<(u64, Vec<Effect>), EffectsLost> {
        match self.0.recv().await {
            Ok(Event::Applied { index, effects }) => Ok((index, effects)),
            Ok(Event::Skipped { to }) => {
                tracing::debug!(to, "a snapshot skipped effects");
                Err(EffectsLost::Lagged)
            }
            Err(broadcast::error::RecvError::Lagged(_)) => Err(EffectsLost::Lagged),
            Err(broadcast::error::RecvError::Closed) => Err(EffectsLost::Stopped),
        }
    }
}
