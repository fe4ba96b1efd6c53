//! A reviewer's decision, and who may make it. Authorisation is evaluated inside `apply`, at the decision's own place in
//! the log, so a reviewer who lost the group before that place decides nothing.

use super::{Hold, ReasonRule};
use crate::{id::NodeId, log_time::LogTime, reviewer::Reviewer};

/// Approve, reject, or let it through alone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Choice {
    /// Let exactly this operation go on.
    Approve,
    /// End the hold.
    Reject,
    /// Let it go on alone, in an emergency, where policy names a group for that.
    BreakGlass,
}

impl Choice {
    /// The name in the API and the audit.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Reject => "reject",
            Self::BreakGlass => "break_glass",
        }
    }
}

/// A decision as it was made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decision {
    /// Who decided, with the groups at that moment.
    pub reviewer: Reviewer,
    /// What.
    pub choice: Choice,
    /// For how long the same may be done again, in milliseconds; 0 is this once.
    pub grant_ms: u64,
    /// Why, in the reviewer's words; may be empty.
    pub comment: String,
    /// Log time.
    pub at: LogTime,
    /// The node that took it.
    pub node: NodeId,
}

/// Why a reviewer may not make a decision.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecisionError {
    /// Reviewer and requester are the same principal.
    #[error("the requester of an operation cannot decide about it")]
    Requester,
    /// The agent acts for this human.
    #[error("the owner of the agent cannot decide about its operations")]
    Owner,
    /// The reviewer can be the agent too, by a credential.
    #[error("who shares a credential with the agent cannot decide about its operations")]
    Sharer,
    /// Policy names nobody who may let it through alone.
    #[error("the policy names nobody who may break the glass for this")]
    NoGlass,
    /// The reviewer is in none of the groups that the policy names.
    #[error("the reviewer is in none of the groups that may decide")]
    NotInGroup,
    /// This human has decided already.
    #[error("this reviewer has already decided")]
    AlreadyDecided,
    /// The policy asks for a comment.
    #[error("the policy asks for a reason: give a comment")]
    ReasonRequired,
    /// Policy lets this be approved once and not for a time, or no grant can cover it.
    #[error("this can be approved once, and not for a time")]
    NotGrantable,
    /// Policy lets it be approved for a shorter time only.
    #[error("the policy lets it be approved for {} s at the most", most_ms / 1000)]
    GrantTooLong {
        /// For how long, in milliseconds.
        most_ms: u64,
    },
}

impl Decision {
    pub(super) fn may_be_made(&self, hold: &Hold) -> Result<(), DecisionError> {
        let reviewer = &self.reviewer;
        // The requester under a second identity is the requester (threat: one human, two identity providers).
        if reviewer.identity == hold.requester
            || reviewer.may_be(&hold.requester.subject)
            || reviewer.may_be(&hold.requester_name)
        {
            return Err(DecisionError::Requester);
        }
        if hold.owner.as_deref().is_some_and(|owner| reviewer.may_be(owner)) {
            return Err(DecisionError::Owner);
        }
        self.may_be_made_in_group(hold)?;
        let made = |made: &Decision| {
            made.reviewer.may_be_one_with(reviewer) && !self.goes_beyond(made.choice)
        };
        if hold.state.decisions().iter().any(made) {
            return Err(DecisionError::AlreadyDecided);
        }
        // Inside the log: what Unicode calls blank depends on the version of its tables.
        if self.needs_reason(hold.terms.reason) && self.comment.trim_ascii().is_empty() {
            return Err(DecisionError::ReasonRequired);
        }
        Ok(())
    }

    fn may_be_made_in_group(&self, hold: &Hold) -> Result<(), DecisionError> {
        let is_in_group = match self.choice {
            Choice::Approve | Choice::Reject => hold.terms.ask(self, hold.opened_at),
            Choice::BreakGlass => {
                let group = hold.terms.break_glass.as_ref().ok_or(DecisionError::NoGlass)?;
                self.reviewer.groups.contains(group)
            }
        };
        if is_in_group { Ok(()) } else { Err(DecisionError::NotInGroup) }
    }

    /// Whether whoever has made this choice may still make this decision: who has approved, and finds nobody else awake.
    fn goes_beyond(&self, before: Choice) -> bool {
        match (before, self.choice) {
            (Choice::Approve, Choice::BreakGlass) => true,
            (Choice::Approve, Choice::Approve | Choice::Reject)
            | (Choice::Reject | Choice::BreakGlass, _) => false,
        }
    }

    fn needs_reason(&self, rule: ReasonRule) -> bool {
        match self.choice {
            Choice::BreakGlass => true,
            Choice::Approve | Choice::Reject => rule == ReasonRule::Required,
        }
    }
}
