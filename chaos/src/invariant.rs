//! The checkers, one invariant a file. Each reads the history and gives every counter-example as a short story.
//!
//! `coverage` is a checker too: a run whose faults did not happen, or with too few successes, proves nothing and fails.

mod approval_consumed_once;
mod chain;
mod coverage;
mod minority_refuses;
mod no_forward_without_approval;
mod no_forward_without_intent;
mod no_lost_record;
mod one_decision_per_hold;
mod opaque_is_not_allowed;
mod outcome_of_every_intent;
mod reading;
mod revision_in_force;
mod revoked_is_out;
mod rules;

use crate::history::History;

/// A counter-example.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The invariant, by the name that the design gives it.
    pub invariant: &'static str,
    /// What happened, for people.
    pub story: String,
}

/// A checker.
#[derive(Debug, Clone, Copy)]
pub struct Invariant {
    /// The name.
    pub name: &'static str,
    check: fn(&History) -> Vec<String>,
}

/// Every checker.
pub const ALL: &[Invariant] = &[
    Invariant { name: "coverage", check: coverage::check },
    Invariant { name: "chain", check: chain::check },
    Invariant { name: "no_forward_without_intent", check: no_forward_without_intent::check },
    Invariant { name: "no_forward_without_approval", check: no_forward_without_approval::check },
    Invariant { name: "approval_consumed_once", check: approval_consumed_once::check },
    Invariant { name: "one_decision_per_hold", check: one_decision_per_hold::check },
    Invariant { name: "revision_in_force", check: revision_in_force::check },
    Invariant { name: "revoked_is_out", check: revoked_is_out::check },
    Invariant { name: "opaque_is_not_allowed", check: opaque_is_not_allowed::check },
    Invariant { name: "minority_refuses", check: minority_refuses::check },
    Invariant { name: "no_lost_record", check: no_lost_record::check },
    Invariant { name: "outcome_of_every_intent", check: outcome_of_every_intent::check },
];

/// Runs every checker.
pub fn check(history: &History) -> Vec<Violation> {
    ALL.iter()
        .flat_map(|invariant| {
            (invariant.check)(history)
                .into_iter()
                .map(|story| Violation { invariant: invariant.name, story })
        })
        .collect()
}

#[cfg(test)]
mod tests;
