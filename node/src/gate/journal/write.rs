//! One entry on its way into the log.

use countersign_core::gate::Settlement;
use countersign_raft_store::{
    command::{AccessRefused, CloseSession, ParkHold},
    handle::{LogError, ProposeError, Store},
    reply::StateRefusal,
};
use std::time::Duration;
use tokio::time::sleep;

/// The first pause between two attempts; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// Attempts to record something about what the state does not know: its own entry may still be on its way.
const ATTEMPTS_AT_UNKNOWN: u32 = 12;

/// What is recorded.
#[derive(Debug)]
pub(super) enum Write {
    /// What became of an operation.
    Outcome(Settlement),
    /// Nobody waits for a hold.
    Park(ParkHold),
    /// A session is closed.
    Close(CloseSession),
    /// Somebody was not let in.
    AccessRefused(AccessRefused),
}

/// What an attempt came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attempted {
    /// It is recorded, or there is nothing to record any more.
    Recorded,
    /// The log gave no answer: again.
    Unanswered,
    /// The state does not know what this is about, perhaps not yet.
    Unknown,
    /// It will never be recorded by this node.
    Never,
}

impl Write {
    /// Tries until the log has it. Ends without that only when the store has stopped, or when what it is about does not
    /// come to be.
    pub(super) async fn until_recorded(&self, store: &Store) {
        let mut pause = FIRST_PAUSE;
        let mut attempts = 0;
        loop {
            match self.attempt(store).await {
                Attempted::Recorded | Attempted::Never => return,
                Attempted::Unanswered => {}
                Attempted::Unknown => {
                    attempts += 1;
                    if attempts >= ATTEMPTS_AT_UNKNOWN {
                        return;
                    }
                }
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn attempt(&self, store: &Store) -> Attempted {
        let answer = match self {
            Self::Outcome(settlement) => store.settle(settlement.clone()).await.map(drop),
            Self::Park(park) => store.park_hold(*park).await.map(drop),
            Self::Close(close) => store.close_session(close.clone()).await.map(drop),
            Self::AccessRefused(refused) => store.access_refused(refused.clone()).await.map(drop),
        };
        match answer {
            Ok(()) => Attempted::Recorded,
            Err(ProposeError::Log(LogError::NoQuorum | LogError::Overloaded | LogError::Unknown)) => {
                Attempted::Unanswered
            }
            Err(ProposeError::Log(LogError::Stopped)) => Attempted::Never,
            Err(ProposeError::Refused(
                StateRefusal::NoSuchOperation | StateRefusal::NoSuchHold | StateRefusal::SessionGone,
            )) => Attempted::Unknown,
            // Settled, closed or parked by somebody else already: what is there stays.
            Err(ProposeError::Refused(refused)) => {
                tracing::debug!(%refused, "the state has something else already");
                Attempted::Recorded
            }
            Err(error @ (ProposeError::Format(_) | ProposeError::OtherAnswer)) => {
                tracing::error!(error = &error as &dyn std::error::Error, "an entry cannot be recorded");
                Attempted::Never
            }
        }
    }
}
