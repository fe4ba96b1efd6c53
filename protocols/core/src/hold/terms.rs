//! What policy asks for before a held operation may go on. Made by [`crate::policy::evaluate`].

use super::{Decision, Reviewers, quorum};
use crate::log_time::LogTime;
use std::collections::BTreeSet;

/// The terms of a hold: the union of what every rule that holds asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HoldTerms {
    /// All must be met, each by other humans; in order, none of them joined by an `and`.
    pub requirements: Vec<Requirement>,
    /// How long the hold lives, in milliseconds of log time.
    pub expires_after_ms: u64,
    /// How long a client is kept waiting before the hold is parked, in milliseconds.
    pub wait_ms: u64,
    /// Whether a decision needs a comment.
    pub reason: ReasonRule,
    /// For how long it may be granted at the most, in milliseconds of log time; none where it is approved once each time.
    pub grantable_ms: Option<u64>,
    /// For how long after a rejection the same operation is refused without asking anybody, in milliseconds of log time.
    pub again_after_ms: u64,
    /// What a rejection does.
    pub rejection: RejectionRule,
    /// The rules that hold, ordered.
    pub rules: Vec<String>,
    /// The group each of whose members may let it through alone in an emergency.
    pub break_glass: Option<String>,
}

/// How long what was let through by breaking the glass may be taken up at the most, in milliseconds of log time.
pub const GLASS_MS: u64 = 15 * 60 * 1000;

/// So many times over, by other humans each time, what an expression asks for.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Requirement {
    /// Who.
    pub reviewers: Reviewers,
    /// How many times over; at least 1.
    pub quorum: u32,
    /// Who else may, after some time.
    pub escalation: Option<Escalation>,
}

/// After some time without an end, the members of another group may decide in the place of any of those asked first.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Escalation {
    /// The other group.
    pub group: String,
    /// How long after the hold was opened, in milliseconds of log time.
    pub after_ms: u64,
}

/// Whether a decision needs a comment.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum ReasonRule {
    /// It may have one.
    Optional,
    /// It is refused without one.
    Required,
}

/// What the rejection of one who may decide does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum RejectionRule {
    /// It is noted, and its human has decided; others may still approve.
    Noted,
    /// It ends the hold.
    Ends,
}

impl HoldTerms {
    /// Every group whose members may decide, at once, later, or alone.
    pub fn groups(&self) -> BTreeSet<&str> {
        let later = self.requirements.iter().filter_map(|needed| needed.escalation.as_ref());
        let named = self.requirements.iter().flat_map(|needed| needed.reviewers.groups());
        let later = later.map(|escalation| escalation.group.as_str());
        named.chain(later).chain(self.break_glass.as_deref()).collect()
    }

    /// In how many ways they can be met.
    pub fn ways(&self) -> u64 {
        let each = self
            .requirements
            .iter()
            .map(|needed| needed.reviewers.ways().saturating_pow(needed.quorum));
        each.fold(1, u64::saturating_mul)
    }

    /// When the hold escalates that was opened at `opened_at`: the moments at which others may decide too, in order.
    pub fn escalates_at(&self, opened_at: LogTime) -> BTreeSet<LogTime> {
        let each = self.requirements.iter().filter_map(|needed| needed.escalation.as_ref());
        each.map(|escalation| opened_at.after_ms(escalation.after_ms)).collect()
    }

    /// Whether `decision` is made by one of whom they ask something, in a hold that was opened at `opened_at`.
    pub fn ask(&self, decision: &Decision, opened_at: LogTime) -> bool {
        self.requirements.iter().any(|needed| needed.asks(decision, opened_at))
    }

    /// The fewest humans that can meet them.
    pub fn fewest(&self) -> u32 {
        quorum::missing(self, LogTime(0), &[])
    }
}

impl Requirement {
    /// Whether `decision` is made by one of whom it asks something.
    pub fn asks(&self, decision: &Decision, opened_at: LogTime) -> bool {
        let groups = &decision.reviewer.groups;
        self.reviewers.groups().into_iter().any(|group| groups.contains(group))
            || self.escalation.as_ref().is_some_and(|other| other.reaches(decision, opened_at))
    }
}

impl Escalation {
    /// Whether `decision` was made by a member of the other group, and late enough.
    pub(super) fn reaches(&self, decision: &Decision, opened_at: LogTime) -> bool {
        decision.at >= opened_at.after_ms(self.after_ms)
            && decision.reviewer.groups.contains(&self.group)
    }
}
