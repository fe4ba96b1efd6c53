//! One entry on its way into the log.

use countersign_core::gate::Settlement;
use countersign_raft_store::{
    command::{AccessRefused, AttachEvidence, CloseSession, Intent, ParkHold, Refused},
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
/// The same for the outcome of what was forwarded. Its intent is in the log, or this node goes on proposing it.
const ATTEMPTS_AT_OUTCOME: u32 = 120;

/// What is recorded.
#[derive(Debug)]
pub(super) enum Write {
    /// The intent of an operation that was forwarded ahead of it.
    Intent(Box<Intent>),
    /// What became of an operation.
    Outcome(Settlement),
    /// An operation is not forwarded. Its intent may never have come into the log.
    Unforwarded(Settlement),
    /// An operation was refused.
    Refused(Box<Refused>),
    /// Nobody waits for a hold.
    Park(ParkHold),
    /// What was found out about a held operation.
    Evidence(Box<AttachEvidence>),
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
    /// Whether the state refuses because it does not know what this is about.
    fn is_not_known_yet(&self, refused: &StateRefusal) -> bool {
        match self {
            Self::Outcome(_) | Self::Unforwarded(_) => *refused == StateRefusal::NoSuchOperation,
            Self::Park(_) => *refused == StateRefusal::NoSuchHold,
            Self::Refused(_) => *refused == StateRefusal::SessionGone,
            // A refused intent is recorded as withheld, and an unknown session as closed.
            // Evidence comes behind its hold, or too late.
            Self::Intent(_) | Self::Evidence(_) | Self::Close(_) | Self::AccessRefused(_) => false,
        }
    }

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
                    if attempts >= self.attempts_at_unknown() {
                        return self.given_up();
                    }
                }
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    const fn attempts_at_unknown(&self) -> u32 {
        match self {
            Self::Outcome(_) => ATTEMPTS_AT_OUTCOME,
            Self::Intent(_)
            | Self::Unforwarded(_)
            | Self::Refused(_)
            | Self::Park(_)
            | Self::Evidence(_)
            | Self::Close(_)
            | Self::AccessRefused(_) => ATTEMPTS_AT_UNKNOWN,
        }
    }

    /// What is given up is said, where it is not what was to be expected.
    fn given_up(&self) {
        match self {
            Self::Outcome(settlement) => tracing::error!(
                operation.id = %settlement.operation,
                outcome = settlement.outcome.name(),
                "an outcome is not recorded: the state knows no intent of the operation"
            ),
            Self::Refused(refused) => tracing::error!(
                operation.id = %refused.operation,
                "a refusal is not recorded: the state does not know its session"
            ),
            // The intent, hold or session never came to be: there is nothing to record.
            Self::Intent(_)
            | Self::Unforwarded(_)
            | Self::Park(_)
            | Self::Evidence(_)
            | Self::Close(_)
            | Self::AccessRefused(_) => {}
        }
    }

    async fn attempt(&self, store: &Store) -> Attempted {
        let answer = match self {
            // The receipt is dropped: the answer of this operation is withheld. When an earlier attempt is in the log, this
            // one is told that the id is used.
            Self::Intent(intent) => store.intend(intent.as_ref().clone()).await.map(drop),
            Self::Outcome(settlement) | Self::Unforwarded(settlement) => {
                store.settle(settlement.clone()).await.map(drop)
            }
            Self::Refused(refused) => store.refused(refused.as_ref().clone()).await.map(drop),
            Self::Park(park) => store.park_hold(*park).await.map(drop),
            Self::Evidence(attach) => {
                store.attach_evidence(attach.as_ref().clone()).await.map(drop)
            }
            Self::Close(close) => store.close_session(close.clone()).await.map(drop),
            Self::AccessRefused(refused) => store.access_refused(refused.clone()).await.map(drop),
        };
        match answer {
            Ok(()) => Attempted::Recorded,
            Err(ProposeError::Log(
                LogError::NoQuorum | LogError::Overloaded | LogError::Unknown,
            )) => Attempted::Unanswered,
            Err(ProposeError::Log(LogError::Stopped)) => Attempted::Never,
            Err(ProposeError::Refused(refused)) if self.is_not_known_yet(&refused) => {
                Attempted::Unknown
            }
            // Settled, closed or parked by somebody else already: what is there stays.
            Err(ProposeError::Refused(refused)) => {
                tracing::debug!(%refused, "the state has something else already");
                Attempted::Recorded
            }
            Err(error @ (ProposeError::Format(_) | ProposeError::OtherAnswer)) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "an entry cannot be recorded"
                );
                Attempted::Never
            }
        }
    }
}
