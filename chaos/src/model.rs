//! The rules on paper: state machines of the hold, the lease, the incarnations and the notes that are small enough for
//! every order of events to be tried (with `stateright`).
//!
//! Raft itself is taken for granted: what is committed is one sequence, and a change of the replicated state happens at once,
//! at its place. What is tried is everything around it: who proposes what, when answers come or get lost, what dies in
//! between, and which clock is looked at. A hold's transitions are not modelled but are the product's own
//! ([`countersign_core::hold`]). Of each model there are variants with one rule broken, and the checker must find in each
//! the invariant that the rule is there for: a model in which nothing can go wrong proves nothing.
//!
//! `opaque_is_not_allowed` and `no_unmasked_byte` are about single operations and answers, not about orders of events;
//! corpora and property tests are their ground.

#![expect(
    clippy::indexing_slicing,
    reason = "numbers are drawn from the very lists they point into; a wrong one is a bug of a model, which must not go on"
)]

mod explore;
mod hold;
mod incarnation;
mod lease;
mod notes;

use crate::invariant::Violation;
use explore::{Rules, Until, explore};
use std::fmt;

/// What is known of one model, whole or with a rule broken.
#[derive(Debug)]
pub struct Checked {
    /// Its name.
    pub model: &'static str,
    /// The rule that was broken in it on purpose.
    pub broken: Option<&'static str>,
    /// How many states were seen: all there are, or as many as it took to find what had to be found.
    pub states: usize,
    /// What is wrong with it.
    pub violations: Vec<Violation>,
}

/// A line for people.
impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { model, broken, states, violations } = self;
        let verdict = match (broken, violations.len()) {
            (None, 0) => "holds",
            (Some(_), 0) => "is found",
            (None, _) => "is VIOLATED",
            (Some(_), _) => "is NOT FOUND",
        };
        match broken {
            None => write!(f, "{states:>9} states  the model of {model} {verdict}"),
            Some(broken) => write!(f, "{states:>9} states  {model}: that {broken} {verdict}"),
        }
    }
}

/// Checks every model and every broken variant, and tells of each when it is done.
pub fn check(mut tell: impl FnMut(&Checked)) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut told = |checked: Checked| {
        tell(&checked);
        violations.extend(checked.violations);
    };
    of::<hold::Holds>(&mut told);
    of::<lease::Leases>(&mut told);
    of::<incarnation::Incarnations>(&mut told);
    of::<notes::Notes>(&mut told);
    violations
}

fn of<R: Rules>(told: &mut impl FnMut(Checked)) {
    told(whole::<R>());
    for broken in R::BROKEN {
        told(variant::<R>(broken));
    }
}

/// All states of the model as it is: no invariant is violated in any, and everything that should be possible is.
fn whole<R: Rules>() -> Checked {
    let explored = explore(R::with(None), Until::AnyViolation);
    let found = explored
        .found
        .into_iter()
        .map(|(invariant, steps)| Violation { invariant, story: story::<R>(&steps) });
    let unreached = explored.unreached.into_iter().map(|what| Violation {
        invariant: "coverage",
        story: format!("in the model of {} it never happens that {what}", R::NAME),
    });
    Checked {
        model: R::NAME,
        broken: None,
        states: explored.states,
        violations: found.chain(unreached).collect(),
    }
}

/// A variant must violate the invariant that its broken rule is there for.
fn variant<R: Rules>(broken: &explore::Broken<R::Rule>) -> Checked {
    let explored = explore(R::with(Some(broken.rule)), Until::Violation(broken.finds));
    let found = explored.found.iter().any(|(invariant, _)| *invariant == broken.finds);
    let violations = if found {
        Vec::new()
    } else {
        let story = format!(
            "the model of {} in which {} does not violate {}",
            R::NAME,
            broken.what,
            broken.finds
        );
        vec![Violation { invariant: "coverage", story }]
    };
    Checked { model: R::NAME, broken: Some(broken.what), states: explored.states, violations }
}

fn story<R: Rules>(steps: &[String]) -> String {
    let steps = steps.iter().enumerate();
    let lines = steps.map(|(number, step)| format!("\n  {:>2}. {step}", number + 1));
    std::iter::once(format!("in the model of {}", R::NAME)).chain(lines).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds<R: Rules>() {
        let mut checked = Vec::new();
        of::<R>(&mut |one| checked.push(one));
        for one in &checked {
            assert!(one.violations.is_empty(), "{}", one.violations[0].story);
        }
        assert_eq!(checked.len(), 1 + R::BROKEN.len());
    }

    // The largest model: its two halves run side by side.
    #[test]
    fn no_order_of_events_gets_around_a_hold() {
        assert_eq!(whole::<hold::Holds>().violations, []);
    }

    #[test]
    fn each_broken_rule_of_a_hold_is_found() {
        for broken in hold::Holds::BROKEN {
            assert_eq!(variant::<hold::Holds>(broken).violations, []);
        }
    }

    #[test]
    fn no_order_of_events_outlives_a_lease_and_each_broken_rule_is_found() {
        holds::<lease::Leases>();
    }

    #[test]
    fn no_order_of_starts_and_deaths_leaves_an_intent_open_and_each_broken_rule_is_found() {
        holds::<incarnation::Incarnations>();
    }

    #[test]
    fn no_order_of_deaths_loses_a_note_and_each_broken_rule_is_found() {
        holds::<notes::Notes>();
    }
}
