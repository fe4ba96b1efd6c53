//! The notes of audit level `batched`: a read's intent is written down on the node's own disk, synced before the answer
//! goes out, and carried into the log later. The node may die at every step; what was not synced is lost then.

use super::explore::{Broken, Rules};
use stateright::{Model, Property};
use std::collections::BTreeSet;

/// How many operations there are.
const OPERATIONS: u8 = 3;
/// How often the node dies.
const DEATHS: u8 = 2;

/// The model.
#[derive(Debug)]
pub(super) struct Notes {
    broken: Option<Rule>,
}

/// A rule that can be broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    AnswerWaitsForSync,
    ForgottenOnceCommitted,
    CarriedOnce,
}

/// An operation, by number.
type Operation = u8;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct World {
    /// What the running process has written down, in the cache of its disk or on it.
    written: BTreeSet<Operation>,
    /// What is on the disk.
    synced: BTreeSet<Operation>,
    /// What was proposed and may still be committed, whatever becomes of the node.
    proposed: BTreeSet<Operation>,
    /// The log, in order.
    log: Vec<Operation>,
    answered: BTreeSet<Operation>,
    /// Whose answers are lost with the process.
    dropped: BTreeSet<Operation>,
    forgotten: BTreeSet<Operation>,
    deaths: u8,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    WriteDown(Operation),
    Sync,
    Answer(Operation),
    Propose(Operation),
    Commit(Operation),
    Forget(Operation),
    Die,
}

impl Rules for Notes {
    const NAME: &'static str = "the notes";
    type Rule = Rule;
    const BROKEN: &'static [Broken<Rule>] = &[
        Broken {
            rule: Rule::AnswerWaitsForSync,
            what: "an answer goes out before its note is synced",
            finds: "no_forward_without_intent",
        },
        Broken {
            rule: Rule::ForgottenOnceCommitted,
            what: "a note is forgotten once it is proposed",
            finds: "no_lost_record",
        },
        Broken {
            rule: Rule::CarriedOnce,
            what: "a note that comes again is entered again",
            finds: "each_record_is_there_once",
        },
    ];

    fn with(broken: Option<Rule>) -> Self {
        Self { broken }
    }
}

impl Notes {
    fn keeps(&self, rule: Rule) -> bool {
        self.broken != Some(rule)
    }

    fn may(&self, world: &World, step: &Step) -> bool {
        match step {
            Step::WriteDown(one) => {
                !world.written.contains(one)
                    && !world.answered.contains(one)
                    && !world.dropped.contains(one)
                    && !world.forgotten.contains(one)
            }
            Step::Sync => world.written != world.synced,
            Step::Answer(one) => {
                let noted = if self.keeps(Rule::AnswerWaitsForSync) {
                    &world.synced
                } else {
                    &world.written
                };
                noted.contains(one) && !world.answered.contains(one) && !world.dropped.contains(one)
            }
            Step::Propose(one) => world.synced.contains(one) && !world.proposed.contains(one),
            Step::Commit(one) => world.proposed.contains(one) && world.log.len() < 5,
            Step::Forget(one) => {
                let carried = if self.keeps(Rule::ForgottenOnceCommitted) {
                    world.log.contains(one)
                } else {
                    world.proposed.contains(one)
                };
                world.synced.contains(one) && carried
            }
            Step::Die => world.deaths < DEATHS,
        }
    }
}

impl Model for Notes {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        vec![World {
            written: BTreeSet::new(),
            synced: BTreeSet::new(),
            proposed: BTreeSet::new(),
            log: Vec::new(),
            answered: BTreeSet::new(),
            dropped: BTreeSet::new(),
            forgotten: BTreeSet::new(),
            deaths: 0,
        }]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        let each = (0..OPERATIONS).flat_map(|one| {
            [
                Step::WriteDown(one),
                Step::Answer(one),
                Step::Propose(one),
                Step::Commit(one),
                Step::Forget(one),
            ]
        });
        steps.extend(each.chain([Step::Sync, Step::Die]).filter(|step| self.may(world, step)));
    }

    fn next_state(&self, world: &World, step: Step) -> Option<World> {
        let mut world = world.clone();
        match step {
            Step::WriteDown(one) => drop(world.written.insert(one)),
            Step::Sync => world.synced = world.written.clone(),
            Step::Answer(one) => drop(world.answered.insert(one)),
            Step::Propose(one) => drop(world.proposed.insert(one)),
            Step::Commit(one) => {
                // The proposal may have been made twice, by a process that heard no answer and by the one after it.
                if !self.keeps(Rule::CarriedOnce) || !world.log.contains(&one) {
                    world.log.push(one);
                }
            }
            Step::Forget(one) => {
                world.written.remove(&one);
                world.synced.remove(&one);
                world.forgotten.insert(one);
            }
            Step::Die => {
                world.deaths += 1;
                world.dropped.extend(world.written.difference(&world.answered));
                world.written = world.synced.clone();
            }
        }
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("no_lost_record", |_, world: &World| {
                let kept = |one| world.synced.contains(one) || world.log.contains(one);
                // What was answered before its sync is another invariant's.
                let noted = |one: &&Operation| {
                    world.synced.contains(*one) || world.forgotten.contains(*one)
                };
                world.answered.iter().filter(noted).all(kept)
                    && world.forgotten.iter().all(|one| world.log.contains(one))
            }),
            Property::always("no_forward_without_intent", |_, world: &World| {
                let noted = |one| {
                    world.synced.contains(one)
                        || world.log.contains(one)
                        || world.forgotten.contains(one)
                };
                world.answered.iter().all(noted)
            }),
            Property::always("each_record_is_there_once", |_, world: &World| {
                world.log.iter().collect::<BTreeSet<_>>().len() == world.log.len()
            }),
            Property::sometimes("an answered read is in the log", |_, world: &World| {
                world.answered.iter().any(|one| world.log.contains(one))
            }),
            Property::sometimes("a note outlives its process", |_, world: &World| {
                world.deaths == DEATHS && world.dropped.iter().any(|one| world.log.contains(one))
            }),
        ]
    }
}
