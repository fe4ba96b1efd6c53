//! A hold: an operation that waits for humans. The state machine is pure; the replicated state runs it inside `apply`.
//!
//! ```text
//! pending ──approve×quorum──► approved ──claim──► consumed
//! pending ──break glass──► approved, for a quarter of an hour
//! pending ──reject (unless policy only notes it)──► rejected
//!     pending|approved ──withdraw──► withdrawn
//! pending|approved ──log time──► expired
//! pending|approved ──policy, target or identity changed──► invalidated
//! ```
//! Settled states absorb everything: exactly one of them ends a hold (invariant `one_decision_per_hold`).
//! Whether an operation must be held is not decided here but in [`crate::policy`].

mod approved;
mod decision;
mod quorum;
mod reviewers;
mod terms;

pub use approved::{Approved, Consumption};
pub use decision::{Choice, Decision, DecisionError};
pub use quorum::{is_reached, missing};
pub use reviewers::{MAX_GROUPS, MAX_WAYS, Reviewers, ReviewersError};
pub use terms::{Escalation, GLASS_MS, HoldTerms, ReasonRule, RejectionRule, Requirement};

use crate::{
    agent::Identity,
    fingerprint::Fingerprint,
    id::{HoldId, OperationId, Revision},
    log_time::LogTime,
    target::TargetName,
};

/// A hold with everything that its transitions depend on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hold {
    /// Its id.
    pub id: HoldId,
    /// What an approval covers.
    pub fingerprint: Fingerprint,
    /// The agent whose operation it is, who may neither decide nor be substituted in a claim.
    pub requester: Identity,
    /// The agent's name: a reviewer of another issuer who is known by it may be the agent.
    pub requester_name: String,
    /// The human the agent acts for, who may not decide either.
    pub owner: Option<String>,
    /// The target.
    pub target: TargetName,
    /// What policy asks for.
    pub terms: HoldTerms,
    /// The policy revision it was judged under.
    pub revision: Revision,
    /// Log time of its opening.
    pub opened_at: LogTime,
    /// Log time at which it expires.
    pub expires_at: LogTime,
    /// Where it stands.
    pub state: HoldState,
}

/// Where a hold stands. Every state keeps the decisions that were made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum HoldState {
    /// Waits for decisions.
    Pending {
        /// Approvals so far.
        decisions: Vec<Decision>,
    },
    /// Approved by a quorum; waits for its agent to claim it.
    Approved {
        /// The approvals.
        decisions: Vec<Decision>,
    },
    /// The approval admitted one operation. It never admits another.
    Consumed {
        /// The approvals.
        decisions: Vec<Decision>,
        /// The operation that it admitted.
        operation: OperationId,
    },
    /// Rejected.
    Rejected {
        /// The decisions, the rejection last.
        decisions: Vec<Decision>,
    },
    /// Withdrawn.
    Withdrawn {
        /// Approvals before.
        decisions: Vec<Decision>,
    },
    /// Its time ran out.
    Expired {
        /// Approvals before.
        decisions: Vec<Decision>,
    },
    /// What it was judged under has changed.
    Invalidated {
        /// Approvals before, which are void.
        decisions: Vec<Decision>,
        /// What changed.
        reason: String,
    },
}

impl HoldState {
    /// The name in the API, the audit and the command line.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Pending { .. } => "pending",
            Self::Approved { .. } => "approved",
            Self::Consumed { .. } => "consumed",
            Self::Rejected { .. } => "rejected",
            Self::Withdrawn { .. } => "withdrawn",
            Self::Expired { .. } => "expired",
            Self::Invalidated { .. } => "invalidated",
        }
    }

    /// Whether nothing can change any more.
    pub const fn is_settled(&self) -> bool {
        match self {
            Self::Pending { .. } | Self::Approved { .. } => false,
            Self::Consumed { .. }
            | Self::Rejected { .. }
            | Self::Withdrawn { .. }
            | Self::Expired { .. }
            | Self::Invalidated { .. } => true,
        }
    }

    /// The decisions made.
    pub fn decisions(&self) -> &[Decision] {
        match self {
            Self::Pending { decisions }
            | Self::Approved { decisions }
            | Self::Consumed { decisions, .. }
            | Self::Rejected { decisions }
            | Self::Withdrawn { decisions }
            | Self::Expired { decisions }
            | Self::Invalidated { decisions, .. } => decisions,
        }
    }

    /// Who has let it through alone, if somebody has.
    pub fn glass_broken(&self) -> Option<&Decision> {
        self.decisions().iter().find(|made| made.choice == Choice::BreakGlass)
    }

    fn into_decisions(self) -> Vec<Decision> {
        match self {
            Self::Pending { decisions }
            | Self::Approved { decisions }
            | Self::Consumed { decisions, .. }
            | Self::Rejected { decisions }
            | Self::Withdrawn { decisions }
            | Self::Expired { decisions }
            | Self::Invalidated { decisions, .. } => decisions,
        }
    }
}

/// What can happen to a hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum HoldEvent {
    /// A reviewer decides about the fingerprint that the reviewer saw.
    Decide {
        /// The decision.
        decision: Box<Decision>,
        /// What the reviewer saw.
        seen: Fingerprint,
    },
    /// The agent, or an administrator, takes it back.
    Withdraw,
    /// The same agent brings the same operation, to be forwarded now.
    Claim(Claim),
    /// Something it was judged under has changed.
    Invalidate {
        /// What changed.
        reason: String,
    },
    /// Log time has moved.
    Elapse,
}

/// An agent taking up an approval.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Claim {
    /// The operation that is going to be forwarded.
    pub operation: OperationId,
    /// Its fingerprint.
    pub fingerprint: Fingerprint,
    /// Its agent.
    pub agent: Identity,
    /// The policy revision in force.
    pub revision: Revision,
}

/// Why an event did not change a hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HoldError {
    /// It is settled.
    #[error("the hold is already {state}")]
    Settled {
        /// The name of its state.
        state: &'static str,
    },
    /// It is approved, and only waits to be claimed.
    #[error("the hold is already approved")]
    AlreadyApproved,
    /// The decision is not one this reviewer may make.
    #[error("the decision is refused")]
    Decision(#[source] DecisionError),
    /// The fingerprint is not the hold's.
    #[error("the fingerprint is not the hold's")]
    OtherFingerprint,
    /// The claim is another agent's.
    #[error("the hold belongs to another agent")]
    OtherAgent,
    /// The claim comes before the approval.
    #[error("the hold is not approved")]
    NotApproved,
    /// The policy has changed since it was judged.
    #[error("the policy has changed since the hold was made")]
    OtherRevision,
}

impl Hold {
    /// The hold after `event` at log time `now`. An error leaves the hold as it was: the caller keeps its copy.
    pub fn handle(self, event: HoldEvent, now: LogTime) -> Result<Self, HoldError> {
        if self.state.is_settled() {
            return Err(HoldError::Settled { state: self.state.name() });
        }
        // Time comes first: nothing that arrives at or after the expiry counts, whichever node it comes from.
        if now >= self.expires_at {
            return Ok(self.into_state(|decisions| HoldState::Expired { decisions }));
        }
        match event {
            HoldEvent::Elapse => Ok(self),
            HoldEvent::Withdraw => {
                Ok(self.into_state(|decisions| HoldState::Withdrawn { decisions }))
            }
            HoldEvent::Invalidate { reason } => {
                Ok(self.into_state(|decisions| HoldState::Invalidated { decisions, reason }))
            }
            HoldEvent::Decide { decision, seen } => self.decide(*decision, seen),
            HoldEvent::Claim(claim) => self.claim(claim),
        }
    }

    fn decide(self, decision: Decision, seen: Fingerprint) -> Result<Self, HoldError> {
        if matches!(self.state, HoldState::Approved { .. }) {
            return Err(HoldError::AlreadyApproved);
        }
        if seen != self.fingerprint {
            return Err(HoldError::OtherFingerprint);
        }
        decision.may_be_made(&self).map_err(HoldError::Decision)?;
        let (choice, at) = (decision.choice, decision.at);
        let (terms, opened_at) = (self.terms.clone(), self.opened_at);
        let expires_at = match choice {
            // What is let through in an emergency is not kept for later.
            Choice::BreakGlass => self.expires_at.min(at.after_ms(GLASS_MS)),
            Choice::Approve | Choice::Reject => self.expires_at,
        };
        let decided = self.into_state(|mut decisions| {
            decisions.push(decision);
            match choice {
                Choice::Reject => match terms.rejection {
                    RejectionRule::Ends => HoldState::Rejected { decisions },
                    RejectionRule::Noted => HoldState::Pending { decisions },
                },
                Choice::Approve if is_reached(&terms, opened_at, &decisions) => {
                    HoldState::Approved { decisions }
                }
                Choice::Approve => HoldState::Pending { decisions },
                Choice::BreakGlass => HoldState::Approved { decisions },
            }
        });
        Ok(Self { expires_at, ..decided })
    }

    fn claim(self, claim: Claim) -> Result<Self, HoldError> {
        if claim.fingerprint != self.fingerprint {
            return Err(HoldError::OtherFingerprint);
        }
        if claim.agent != self.requester {
            return Err(HoldError::OtherAgent);
        }
        if claim.revision != self.revision {
            return Err(HoldError::OtherRevision);
        }
        if matches!(self.state, HoldState::Pending { .. }) {
            return Err(HoldError::NotApproved);
        }
        let operation = claim.operation;
        Ok(self.into_state(|decisions| HoldState::Consumed { decisions, operation }))
    }

    fn into_state(self, next: impl FnOnce(Vec<Decision>) -> HoldState) -> Self {
        let state = next(self.state.into_decisions());
        Self { state, ..self }
    }
}

#[cfg(test)]
mod tests;
