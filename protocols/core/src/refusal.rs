//! Why an operation does not go through, as the agent may hear it: curated, without topology and without secrets.
//! Each adapter maps the variants to its wire exhaustively (SQLSTATE, exit status, `metav1.Status`).

use crate::{id::HoldId, operation::Effect};

/// A refusal. Every failure on the data path ends in one of these: there is no other way to say no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The proof of identity was not accepted. Deliberately without details.
    #[error("authentication failed")]
    NotIdentified,
    /// The agent may not use this target or role, or it does not exist: the two are not told apart.
    #[error("no such target or role for this agent")]
    NoSuchTarget,
    /// Policy denies.
    #[error("denied by policy ({})", .rules.join(", "))]
    Denied {
        /// The rules that deny; empty when nothing allows.
        rules: Vec<String>,
        /// What can be said about the reason.
        message: String,
    },
    /// A reviewer rejected the hold.
    #[error("rejected by a reviewer")]
    Rejected {
        /// The hold.
        hold: HoldId,
        /// The reviewer's comment.
        comment: String,
    },
    /// The agent withdrew its own operation.
    #[error("withdrawn")]
    Withdrawn {
        /// The hold.
        hold: HoldId,
    },
    /// The hold expired undecided or unclaimed.
    #[error("the hold expired")]
    HoldExpired {
        /// The hold.
        hold: HoldId,
    },
    /// The hold outlasts the wait that policy gives the client: it stays open, and the same operation claims it.
    #[error("still held for approval; send the same operation again to take up the hold")]
    Parked {
        /// The hold.
        hold: HoldId,
    },
    /// Too many holds of this agent are pending.
    #[error("too many operations of this agent are held")]
    TooManyHolds,
    /// The cluster has no quorum, or this node has no lease.
    #[error("the gateway has no quorum")]
    NoQuorum,
    /// A named limit is reached; to be tried again later.
    #[error("the gateway is at its limit: {limit}")]
    Overloaded {
        /// The limit's name.
        limit: &'static str,
    },
    /// It is larger than a named limit lets it be. Sent again unchanged, it is refused again.
    #[error("the operation is too large: {limit} is at most {most} bytes")]
    TooLarge {
        /// The limit's name.
        limit: &'static str,
        /// The most bytes it lets through.
        most: usize,
    },
    /// The node is draining.
    #[error("the gateway node is shutting down")]
    ShuttingDown,
    /// The session was ended: revoked, expired, or ended by an administrator.
    #[error("the session was ended: {reason}")]
    SessionEnded {
        /// What can be said about the reason.
        reason: String,
    },
    /// The agent broke the protocol.
    #[error("protocol violation: {message}")]
    Protocol {
        /// What was wrong.
        message: String,
    },
    /// The protocol allows it, the gateway does not.
    #[error("not supported by the gateway: {message}")]
    NotSupported {
        /// What it was.
        message: String,
    },
    /// The policy changed while the operation was judged, again and again. Nothing was forwarded.
    #[error("the policy changed while the operation was judged")]
    PolicyChanged,
    /// It was forwarded and left nothing behind, and its answer is withheld: that it was asked for could not be recorded.
    #[error("the answer is withheld: {reason}")]
    AnswerWithheld {
        /// What can be said about the reason.
        reason: String,
    },
    /// Something in the answer is covered by a mask rule and could not be masked. Nothing of it is shown.
    #[error("the answer could not be masked and is withheld")]
    MaskFailed,
    /// The session is recorded, and its recording cannot be kept any more: nothing goes on without it.
    #[error("the session could not be recorded and was ended")]
    NotRecorded,
    /// It was forwarded, and whether it was carried out is not known: nothing executes it again by itself.
    #[error("the outcome of the operation is not known: {reason}")]
    OutcomeUnknown {
        /// What can be said about the reason.
        reason: String,
    },
    /// The target cannot be reached or does not let the gateway in. No address, no reason of the target's.
    #[error("the target is not available")]
    TargetUnavailable,
    /// A fault of the gateway's own; details are in its log.
    #[error("internal error of the gateway")]
    Internal,
}

/// Whose fault an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The agent's side.
    Downstream,
    /// The target's side.
    Upstream,
    /// Policy said no.
    Policy,
    /// The gateway's own.
    Internal,
}

/// An error that knows its outside: what the agent may hear, and whose fault it is.
pub trait AgentFacing: std::error::Error {
    /// What the agent hears.
    fn refusal(&self) -> Refusal;

    /// Whose fault it is.
    fn fault(&self) -> Fault;
}

impl Refusal {
    /// Whether the same request may succeed if it is sent again unchanged.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::NoQuorum
            | Self::Overloaded { .. }
            | Self::ShuttingDown
            | Self::TooManyHolds
            | Self::Parked { .. }
            | Self::PolicyChanged
            | Self::AnswerWithheld { .. }
            | Self::NotRecorded
            | Self::TargetUnavailable => true,
            Self::NotIdentified
            | Self::NoSuchTarget
            | Self::Denied { .. }
            | Self::Rejected { .. }
            | Self::Withdrawn { .. }
            | Self::HoldExpired { .. }
            | Self::TooLarge { .. }
            | Self::SessionEnded { .. }
            | Self::Protocol { .. }
            | Self::NotSupported { .. }
            | Self::MaskFailed
            | Self::OutcomeUnknown { .. }
            | Self::Internal => false,
        }
    }

    /// The same refusal, said of an operation that was forwarded before it came: an agent that hears it must not believe
    /// that nothing was executed when something may have been.
    #[must_use]
    pub fn after_forward(self, effect: Effect) -> Self {
        match (self, effect) {
            (known @ (Self::OutcomeUnknown { .. } | Self::AnswerWithheld { .. }), _) => known,
            (refusal, Effect::Lasting) => Self::OutcomeUnknown { reason: refusal.to_string() },
            (
                refusal @ (Self::NoQuorum
                | Self::Overloaded { .. }
                | Self::PolicyChanged
                | Self::TooManyHolds
                | Self::Parked { .. }
                | Self::NotRecorded
                | Self::TargetUnavailable),
                Effect::Passing,
            ) => Self::AnswerWithheld { reason: refusal.to_string() },
            (
                refusal @ (Self::NotIdentified
                | Self::NoSuchTarget
                | Self::Denied { .. }
                | Self::Rejected { .. }
                | Self::Withdrawn { .. }
                | Self::HoldExpired { .. }
                | Self::ShuttingDown
                | Self::SessionEnded { .. }
                | Self::Protocol { .. }
                | Self::NotSupported { .. }
                | Self::TooLarge { .. }
                | Self::MaskFailed
                | Self::Internal),
                Effect::Passing,
            ) => refusal,
        }
    }
}
