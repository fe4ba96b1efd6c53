//! The starts of a node: each is an incarnation, and settles what the one before it had in flight. The process before it
//! may be dead, or may only have been taken for dead and go on; what it proposed may be committed late, and again.

use super::explore::{Broken, Rules};
use stateright::{Model, Property};

/// How many processes the node has, one after another or side by side.
const PROCESSES: usize = 3;

/// The model.
#[derive(Debug)]
pub(super) struct Incarnations {
    broken: Option<Rule>,
}

/// A rule that can be broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    StartSettles,
    OnlyTheCurrentIntends,
    SettledOnce,
    StartsFollowEachOther,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct World {
    processes: [Process; PROCESSES],
    /// The incarnation that is in the state, by its process, and how many there were.
    current: Option<usize>,
    starts: u8,
    operations: [Operation; PROCESSES],
}

/// A process of the node, as its own memory has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Process {
    life: Life,
    /// Which incarnation it found in the state when it began, and proposed to follow.
    follows: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Life {
    NotYet,
    /// It has proposed its start.
    Starts,
    Serves,
    /// It has proposed an intent.
    Intends,
    /// It has the receipt.
    MayForward,
    Forwarded,
    /// What it proposed last may still be committed.
    Dead(Proposed),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Proposed {
    Nothing,
    Start,
    Intent,
    Outcome,
}

/// The one operation of a process, as the state has it, and what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Operation {
    intent: Intent,
    outcomes: u8,
    executed: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Intent {
    None,
    Open,
    Settled(Outcome),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Outcome {
    Completed,
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Step {
    Begin(usize),
    CommitStart(usize),
    Intend(usize),
    CommitIntent(usize),
    Forward(usize),
    CommitOutcome(usize),
    Die(usize),
}

impl Rules for Incarnations {
    const NAME: &'static str = "the incarnations";
    type Rule = Rule;
    const BROKEN: &'static [Broken<Rule>] = &[
        Broken {
            rule: Rule::StartSettles,
            what: "a start leaves open what the one before it had in flight",
            finds: "outcome_of_every_intent",
        },
        Broken {
            rule: Rule::OnlyTheCurrentIntends,
            what: "an earlier incarnation may still intend",
            finds: "outcome_of_every_intent",
        },
        Broken {
            rule: Rule::SettledOnce,
            what: "a late outcome counts although the operation is settled",
            finds: "outcome_of_every_intent",
        },
        Broken {
            rule: Rule::StartsFollowEachOther,
            what: "a start counts whichever incarnation it was to follow",
            finds: "one_incarnation_after_another",
        },
    ];

    fn with(broken: Option<Rule>) -> Self {
        Self { broken }
    }
}

impl Incarnations {
    fn keeps(&self, rule: Rule) -> bool {
        self.broken != Some(rule)
    }

    fn commit_start(&self, world: &mut World, number: usize) {
        let follows = world.processes[number].follows;
        let in_order = world.current == follows || !self.keeps(Rule::StartsFollowEachOther);
        if world.current == Some(number) || !in_order {
            return;
        }
        if self.keeps(Rule::StartSettles) {
            for operation in &mut world.operations {
                if operation.intent == Intent::Open {
                    operation.settle(Outcome::Unknown);
                }
            }
        }
        world.current = Some(number);
        world.starts += 1;
        let process = &mut world.processes[number];
        if process.life == Life::Starts {
            process.life = Life::Serves;
        }
    }

    fn commit_intent(&self, world: &mut World, number: usize) {
        let current = world.current == Some(number) || !self.keeps(Rule::OnlyTheCurrentIntends);
        let operation = &mut world.operations[number];
        if !current || operation.intent != Intent::None {
            return;
        }
        operation.intent = Intent::Open;
        let process = &mut world.processes[number];
        if process.life == Life::Intends {
            process.life = Life::MayForward;
        }
    }

    fn commit_outcome(&self, operation: &mut Operation) {
        match operation.intent {
            Intent::None | Intent::Settled(Outcome::Completed) => {}
            Intent::Open => operation.settle(Outcome::Completed),
            Intent::Settled(Outcome::Unknown) => {
                if !self.keeps(Rule::SettledOnce) {
                    operation.settle(Outcome::Completed);
                }
            }
        }
    }
}

impl Operation {
    fn settle(&mut self, outcome: Outcome) {
        self.intent = Intent::Settled(outcome);
        self.outcomes += 1;
    }
}

impl Process {
    /// What may be committed of it now: what it proposed last, whether it lives or not. What lives may propose again.
    fn proposed(self) -> Proposed {
        match self.life {
            Life::NotYet => Proposed::Nothing,
            Life::Starts | Life::Serves => Proposed::Start,
            Life::Intends | Life::MayForward => Proposed::Intent,
            Life::Forwarded => Proposed::Outcome,
            Life::Dead(proposed) => proposed,
        }
    }
}

impl Model for Incarnations {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        let process = Process { life: Life::NotYet, follows: None };
        let operation = Operation { intent: Intent::None, outcomes: 0, executed: 0 };
        vec![World {
            processes: [process; PROCESSES],
            current: None,
            starts: 0,
            operations: [operation; PROCESSES],
        }]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        for (number, process) in world.processes.iter().enumerate() {
            match process.proposed() {
                Proposed::Nothing => {}
                Proposed::Start => steps.push(Step::CommitStart(number)),
                Proposed::Intent => steps.push(Step::CommitIntent(number)),
                Proposed::Outcome => steps.push(Step::CommitOutcome(number)),
            }
            match process.life {
                Life::NotYet => steps.push(Step::Begin(number)),
                Life::Serves => steps.extend([Step::Intend(number), Step::Die(number)]),
                Life::MayForward => steps.extend([Step::Forward(number), Step::Die(number)]),
                Life::Starts | Life::Intends | Life::Forwarded => steps.push(Step::Die(number)),
                Life::Dead(_) => {}
            }
        }
    }

    fn next_state(&self, world: &World, step: Step) -> Option<World> {
        let mut world = world.clone();
        match step {
            Step::Begin(number) => {
                let follows = world.current;
                world.processes[number] = Process { life: Life::Starts, follows };
            }
            Step::CommitStart(number) => self.commit_start(&mut world, number),
            Step::Intend(number) => world.processes[number].life = Life::Intends,
            Step::CommitIntent(number) => self.commit_intent(&mut world, number),
            Step::Forward(number) => {
                world.processes[number].life = Life::Forwarded;
                world.operations[number].executed += 1;
            }
            Step::CommitOutcome(number) => self.commit_outcome(&mut world.operations[number]),
            Step::Die(number) => {
                let process = &mut world.processes[number];
                process.life = Life::Dead(process.proposed());
            }
        }
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("outcome_of_every_intent", |_, world: &World| {
                let each = world.operations.iter().enumerate();
                each.into_iter().all(|(number, operation)| {
                    let by_the_current = world.current == Some(number);
                    let settled = operation.intent != Intent::Open || by_the_current;
                    settled && operation.outcomes <= 1
                })
            }),
            Property::always("no_forward_without_intent", |_, world: &World| {
                let intended = |one: &Operation| one.executed == 0 || one.intent != Intent::None;
                world.operations.iter().all(intended)
            }),
            Property::always("approval_consumed_once", |_, world: &World| {
                world.operations.iter().all(|one| one.executed <= 1)
            }),
            Property::always("one_incarnation_after_another", |_, world: &World| {
                // Each counts once, and whoever began before another start was committed does not count after it.
                usize::from(world.starts) <= PROCESSES
                    && world.current.is_none_or(|current| {
                        let follows = world.processes[current].follows;
                        follows.is_some() == (world.starts > 1)
                    })
            }),
            Property::sometimes("an operation is lost with its process", |_, world: &World| {
                let lost = |one: &Operation| one.intent == Intent::Settled(Outcome::Unknown);
                world.operations.iter().any(|one| lost(one) && one.executed == 1)
            }),
            Property::sometimes("each process has its turn", |_, world: &World| {
                usize::from(world.starts) == PROCESSES
            }),
            Property::sometimes("one that was taken for dead goes on", |_, world: &World| {
                let goes_on = |one: &Process| one.life == Life::Forwarded;
                let replaced = |number| world.current != Some(number);
                let mut each = world.processes.iter().enumerate();
                each.any(|(number, one)| goes_on(one) && replaced(number))
            }),
        ]
    }
}
