//! From what the log and the state answer to what the agent hears. Whatever is not a clear answer is a refusal.

use crate::metrics::counters;
use countersign_core::{hold::HoldError, id::Revision, refusal::Refusal};
use countersign_raft_store::{
    handle::{LogError, ProposeError},
    limits::{Limit, MAX_HELD_PARAMETERS, MAX_HELD_TEXT, MAX_SHORT_TEXT},
    reply::StateRefusal,
};
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// How long a proposal may take before the agent hears that there is no quorum. Longer than an election.
pub(super) const NO_QUORUM_AFTER: Duration = Duration::from_secs(3);
/// How long a claim may take. Its agent is waiting anyway, and an approval whose claim is given up is lost.
pub(super) const CLAIM_AFTER: Duration = Duration::from_secs(10);

/// Why a proposal allows nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unproposed {
    /// No answer in time. It may be committed nevertheless.
    #[error("no answer of the log in time")]
    Late,
    /// An answer that allows nothing, or none.
    #[error(transparent)]
    Failed(#[from] ProposeError),
}

/// Waits for a proposal, but not for ever.
pub(super) async fn within<T>(
    limit: Duration,
    proposal: impl Future<Output = Result<T, ProposeError>>,
) -> Result<T, Unproposed> {
    let begun = Instant::now();
    let answer = timeout(limit, proposal).await;
    counters::proposed(begun.elapsed());
    match answer {
        Ok(answer) => Ok(answer?),
        Err(_late) => Err(Unproposed::Late),
    }
}

impl Unproposed {
    /// Whether the command may be, or become, part of the log.
    pub(super) fn may_be_committed(&self) -> bool {
        match self {
            Self::Late => true,
            Self::Failed(error) => match error {
                // The exception: the first of two entries of one call was committed, and its answer lost.
                ProposeError::Refused(refused) => *refused == StateRefusal::IntentStands,
                ProposeError::Log(LogError::Overloaded) => false,
                ProposeError::Log(LogError::NoQuorum | LogError::Unknown | LogError::Stopped)
                | ProposeError::Format(_)
                | ProposeError::OtherAnswer => true,
            },
        }
    }

    /// Whether the log gave no answer, and the command may not be part of it.
    pub(super) fn is_unanswered(&self) -> bool {
        match self {
            Self::Late => true,
            Self::Failed(error) => match error {
                ProposeError::Log(
                    LogError::NoQuorum | LogError::Overloaded | LogError::Unknown,
                ) => true,
                ProposeError::Refused(_)
                | ProposeError::Log(LogError::Stopped)
                | ProposeError::Format(_)
                | ProposeError::OtherAnswer => false,
            },
        }
    }

    /// The policy revision in force, when that is why: judge again.
    pub(super) fn stale(&self) -> Option<Revision> {
        match self {
            Self::Failed(ProposeError::Refused(StateRefusal::StaleRevision { in_force })) => {
                Some(*in_force)
            }
            Self::Late | Self::Failed(_) => None,
        }
    }

    /// Whether the grant that it rests on covers it no more: judge again.
    pub(super) fn is_grant_gone(&self) -> bool {
        match self {
            Self::Failed(ProposeError::Refused(refused)) => *refused == StateRefusal::GrantGone,
            Self::Late | Self::Failed(_) => false,
        }
    }

    /// Why the hold did not allow it, when that is why.
    pub(super) fn hold_error(&self) -> Option<&HoldError> {
        match self {
            Self::Failed(ProposeError::Refused(StateRefusal::Hold(error))) => Some(error),
            Self::Late | Self::Failed(_) => None,
        }
    }

    /// What the agent hears. Faults of our own are logged here, where they are handled.
    pub(super) fn refusal(&self) -> Refusal {
        match self {
            Self::Late => Refusal::NoQuorum,
            Self::Failed(ProposeError::Refused(refused)) => of_state(refused),
            Self::Failed(ProposeError::Log(error)) => of_log(error),
            Self::Failed(error @ (ProposeError::Format(_) | ProposeError::OtherAnswer)) => {
                tracing::error!(
                    error = error as &dyn std::error::Error,
                    "a proposal has no usable answer"
                );
                Refusal::Internal
            }
        }
    }
}

fn of_log(error: &LogError) -> Refusal {
    match error {
        LogError::NoQuorum | LogError::Unknown => Refusal::NoQuorum,
        LogError::Overloaded => Refusal::Overloaded { limit: "proposals" },
        LogError::Stopped => Refusal::ShuttingDown,
    }
}

fn of_state(refused: &StateRefusal) -> Refusal {
    let ended = |reason: &str| Refusal::SessionEnded { reason: reason.to_owned() };
    match refused {
        StateRefusal::RejectedLately { hold } => Refusal::Rejected {
            hold: *hold,
            comment: "the same was rejected a short while ago, and nobody is asked again yet"
                .to_owned(),
        },
        StateRefusal::NoSuchTarget => Refusal::NoSuchTarget,
        StateRefusal::Revoked => ended("revoked"),
        StateRefusal::NoSuchCredential => ended("its credential is not valid any more"),
        // It proves nothing to this target; whether there is one is not said.
        StateRefusal::OtherAudience => Refusal::NotIdentified,
        StateRefusal::ProviderChanged => ended("its identity provider has changed"),
        StateRefusal::IdentityExpired => ended("the proof of identity has expired"),
        StateRefusal::SessionGone | StateRefusal::IntentStands => ended("it is closed"),
        StateRefusal::NotInitialised
        | StateRefusal::Closed
        | StateRefusal::UnknownNode
        | StateRefusal::StaleIncarnation => Refusal::ShuttingDown,
        StateRefusal::OldCluster { .. } => Refusal::NotSupported {
            message: "not before every node of the gateway is upgraded".to_owned(),
        },
        StateRefusal::StaleRevision { .. } | StateRefusal::GrantGone => Refusal::PolicyChanged,
        StateRefusal::OverLimit { limit } => over(*limit),
        StateRefusal::NoSuchHold
        | StateRefusal::NotAttached
        | StateRefusal::Hold(_)
        | StateRefusal::AlreadyInitialised
        | StateRefusal::OtherFingerprint
        | StateRefusal::NeedsClaim
        | StateRefusal::IdUsed
        | StateRefusal::NoSuchOperation
        | StateRefusal::AlreadySettled { .. }
        | StateRefusal::Conflict { .. }
        | StateRefusal::BadName { .. }
        | StateRefusal::OutOfOrder { .. }
        | StateRefusal::RecordingEnded
        | StateRefusal::RotationUnderWay
        | StateRefusal::WrappedAnew
        | StateRefusal::KeyNotEverywhere
        | StateRefusal::NoSuchGrant
        | StateRefusal::BadJoinToken
        | StateRefusal::NotVerified => {
            tracing::error!(
                refused = refused as &dyn std::error::Error,
                "the state refused what the gate proposed"
            );
            Refusal::Internal
        }
    }
}

/// What is too large stays too large; what is too many may be fewer later.
fn over(limit: Limit) -> Refusal {
    let too_large = |most| Refusal::TooLarge { limit: limit.name(), most };
    match limit {
        Limit::OpenHoldsPerAgent | Limit::HoldsAPeriod | Limit::HeldBytesAPeriod => {
            Refusal::TooManyHolds
        }
        Limit::HeldText => too_large(MAX_HELD_TEXT),
        Limit::HeldParameters => too_large(MAX_HELD_PARAMETERS),
        Limit::ShortText => too_large(MAX_SHORT_TEXT),
        Limit::Comment
        | Limit::Decisions
        | Limit::Attached
        | Limit::ResourceBody
        | Limit::Changes
        | Limit::JoinTokenLife
        | Limit::Requirements
        | Limit::Quorum
        | Limit::Name
        | Limit::Names
        | Limit::Evidence
        | Limit::Segment
        | Limit::Grants
        | Limit::CredentialsPerAgent => Refusal::Overloaded { limit: limit.name() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_large_is_told_by_its_limit_and_never_to_be_tried_again() {
        for (limit, most) in [
            (Limit::HeldText, MAX_HELD_TEXT),
            (Limit::HeldParameters, MAX_HELD_PARAMETERS),
            (Limit::ShortText, MAX_SHORT_TEXT),
        ] {
            let refused = ProposeError::Refused(StateRefusal::OverLimit { limit });
            let refusal = Unproposed::Failed(refused).refusal();
            assert_eq!(refusal, Refusal::TooLarge { limit: limit.name(), most });
            assert!(!refusal.is_retryable());
        }
    }
}
