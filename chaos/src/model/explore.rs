//! Going through all states of a model, breadth first, so that a counter-example is a shortest one.

use stateright::{Checker, Expectation, HasDiscoveries, Model};
use std::{collections::BTreeSet, fmt::Debug, hash::Hash};

/// A model with rules that can be broken one at a time.
pub(super) trait Rules:
    Model<
        State: Clone + Debug + Hash + PartialEq + Send + Sync + 'static,
        Action: Clone + Debug + PartialEq + Send + Sync + 'static,
    > + Send
    + Sync
    + 'static
{
    /// What it is a model of.
    const NAME: &'static str;
    /// A rule that can be broken.
    type Rule: Copy + Debug + 'static;
    /// Every rule that can be broken.
    const BROKEN: &'static [Broken<Self::Rule>];
    /// The model, whole or with one rule broken.
    fn with(broken: Option<Self::Rule>) -> Self;
}

/// A broken rule.
#[derive(Debug)]
pub(super) struct Broken<R> {
    pub(super) rule: R,
    /// What is done instead.
    pub(super) what: &'static str,
    /// The invariant that is violated then.
    pub(super) finds: &'static str,
}

/// What was seen.
pub(super) struct Explored {
    pub(super) states: usize,
    /// Invariants that are violated, each with the steps that lead there.
    pub(super) found: Vec<(&'static str, Vec<String>)>,
    /// What should happen now and then, and never does.
    pub(super) unreached: Vec<&'static str>,
}

/// How long to go on.
pub(super) enum Until {
    /// Any invariant is violated, or all states are seen.
    AnyViolation,
    /// This one is.
    Violation(&'static str),
}

/// Goes through all states, or until what is looked for is found.
pub(super) fn explore<R: Rules>(model: R, until: Until) -> Explored {
    let properties = model.properties();
    let enough = match until {
        Until::AnyViolation => HasDiscoveries::AnyFailures,
        Until::Violation(invariant) => HasDiscoveries::AnyOf(BTreeSet::from([invariant])),
    };
    // One thread: the same states in the same order each time.
    let checker = model.checker().threads(1).finish_when(enough).spawn_bfs().join();
    let mut discoveries = checker.discoveries();
    let mut found = Vec::new();
    let mut unreached = Vec::new();
    for property in properties {
        match (property.expectation, discoveries.remove(property.name)) {
            (Expectation::Always | Expectation::Eventually, Some(path)) => {
                let steps = path.into_actions();
                found.push((property.name, steps.iter().map(|step| format!("{step:?}")).collect()));
            }
            (Expectation::Sometimes, None) => unreached.push(property.name),
            (Expectation::Always | Expectation::Eventually, None)
            | (Expectation::Sometimes, Some(_)) => {}
        }
    }
    Explored { states: checker.unique_state_count(), found, unreached }
}
