//! The serving lease and a revocation: a node that can be cut off from the quorum and frozen, questions whose answers come
//! late, and an agent that is revoked meanwhile.
//!
//! One node is enough: leases know nothing of each other, and other nodes can only delay the acknowledgement of a
//! revocation. That it need not wait for them here is more than the product allows.
//!
//! Clocks run at one rate here, as boot time does on one machine after another up to some parts in a million; a whole
//! lease is three ticks, so what happens within a tick has no order but the one that is tried.

use super::explore::{Broken, Rules};
use stateright::{Model, Property};

/// For how long an answer counts, from the sending of its question.
const LEASE: u8 = 3;
/// When the world ends.
const END: u8 = 3 * LEASE + 1;

/// The model.
#[derive(Debug)]
pub(super) struct Leases {
    broken: Option<Rule>,
}

/// A rule that can be broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    CountsFromSending,
    AppliedFirst,
    QuorumConfirms,
    ClockRunsWhileFrozen,
    LookedAtRightBefore,
    AcknowledgedWhenItHolds,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct World {
    now: u8,
    revocation: Revocation,
    node: Node,
    /// An operation was let through for somebody whose revocation had been acknowledged.
    after_revocation: bool,
    /// An operation was let through by a node that had been cut off for a lease.
    while_cut_off: bool,
    let_through: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Revocation {
    None,
    Committed { at: u8 },
    Acknowledged,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Node {
    link: Link,
    pace: Pace,
    question: Option<Question>,
    /// Whether it has applied the revocation.
    applied: bool,
    /// The end of its lease.
    until: u8,
    /// Whether it has found its lease valid for an operation that it has not let through yet.
    looked: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Link {
    Up,
    CutAt(u8),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Pace {
    Running,
    Frozen,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Question {
    sent: u8,
    answer: Option<ReadIndex>,
}

/// What a quorum had committed when it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum ReadIndex {
    BeforeTheRevocation,
    BehindIt,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Step {
    Tick,
    CommitRevocation,
    AcknowledgeRevocation,
    Ask,
    Answer,
    TakeAnswer,
    Apply,
    Cut,
    Mend,
    Freeze,
    Thaw,
    LookAtLease,
    LetThrough,
}

impl Rules for Leases {
    const NAME: &'static str = "the lease";
    type Rule = Rule;
    const BROKEN: &'static [Broken<Rule>] = &[
        Broken {
            rule: Rule::CountsFromSending,
            what: "a lease counts from the coming of the answer",
            finds: "revoked_is_out",
        },
        Broken {
            rule: Rule::AppliedFirst,
            what: "a lease counts before what was committed is applied",
            finds: "revoked_is_out",
        },
        Broken {
            rule: Rule::QuorumConfirms,
            what: "a leader answers from what it knows, without a quorum",
            finds: "minority_refuses",
        },
        Broken {
            rule: Rule::ClockRunsWhileFrozen,
            what: "the clock of a frozen node stands still",
            finds: "minority_refuses",
        },
        Broken {
            rule: Rule::LookedAtRightBefore,
            what: "the lease is looked at some time before bytes go",
            finds: "minority_refuses",
        },
        Broken {
            rule: Rule::AcknowledgedWhenItHolds,
            what: "a revocation is acknowledged when it is committed",
            finds: "revoked_is_out",
        },
    ];

    fn with(broken: Option<Rule>) -> Self {
        Self { broken }
    }
}

impl Node {
    /// A node that has just got a lease.
    const fn fresh() -> Self {
        Self {
            link: Link::Up,
            pace: Pace::Running,
            question: None,
            applied: false,
            until: LEASE,
            looked: false,
        }
    }
}

impl Leases {
    fn keeps(&self, rule: Rule) -> bool {
        self.broken != Some(rule)
    }

    fn steps_of_node(&self, world: &World, steps: &mut Vec<Step>) {
        let node = &world.node;
        match (node.link, node.pace) {
            (Link::Up, _) => steps.push(Step::Cut),
            (Link::CutAt(_), _) => steps.push(Step::Mend),
        }
        let asked = node.question.is_some_and(|question| question.answer.is_none());
        // The leader may be the node itself: then only the confirmation by others needs a link.
        if asked && (node.link == Link::Up || !self.keeps(Rule::QuorumConfirms)) {
            steps.push(Step::Answer);
        }
        match node.pace {
            Pace::Frozen => steps.push(Step::Thaw),
            Pace::Running => {
                steps.push(Step::Freeze);
                self.steps_of_running(world, steps);
            }
        }
    }

    fn steps_of_running(&self, world: &World, steps: &mut Vec<Step>) {
        let node = &world.node;
        if node.question.is_none() {
            steps.push(Step::Ask);
        }
        if let Some(Question { answer: Some(answer), .. }) = node.question {
            let applied = node.applied || answer == ReadIndex::BeforeTheRevocation;
            if applied || !self.keeps(Rule::AppliedFirst) {
                steps.push(Step::TakeAnswer);
            }
        }
        let committed = world.revocation != Revocation::None;
        if committed && node.link == Link::Up && !node.applied {
            steps.push(Step::Apply);
        }
        let leased = world.now < node.until;
        if self.keeps(Rule::LookedAtRightBefore) {
            if leased && !node.applied {
                steps.push(Step::LetThrough);
            }
        } else if node.looked {
            steps.push(Step::LetThrough);
        } else if leased && !node.applied {
            steps.push(Step::LookAtLease);
        }
    }

    fn may_acknowledge(&self, world: &World) -> bool {
        let Revocation::Committed { at } = world.revocation else { return false };
        !self.keeps(Rule::AcknowledgedWhenItHolds) || world.node.applied || world.now >= at + LEASE
    }

    fn tick(&self, world: &mut World) {
        world.now += 1;
        if world.node.pace == Pace::Frozen && !self.keeps(Rule::ClockRunsWhileFrozen) {
            world.node.until += 1;
        }
    }

    fn take_answer(&self, node: &mut Node, now: u8) {
        if let Some(question) = node.question.take() {
            let from = if self.keeps(Rule::CountsFromSending) { question.sent } else { now };
            node.until = node.until.max(from + LEASE);
        }
    }
}

fn let_through(world: &mut World) {
    let node = &mut world.node;
    node.looked = false;
    world.let_through = true;
    world.after_revocation |= world.revocation == Revocation::Acknowledged;
    world.while_cut_off |= match node.link {
        Link::Up => false,
        Link::CutAt(since) => world.now >= since + LEASE,
    };
}

impl Model for Leases {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        vec![World {
            now: 0,
            revocation: Revocation::None,
            node: Node::fresh(),
            after_revocation: false,
            while_cut_off: false,
            let_through: false,
        }]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        if world.now < END {
            steps.push(Step::Tick);
        }
        if world.revocation == Revocation::None {
            steps.push(Step::CommitRevocation);
        }
        if self.may_acknowledge(world) {
            steps.push(Step::AcknowledgeRevocation);
        }
        self.steps_of_node(world, steps);
    }

    fn next_state(&self, world: &World, step: Step) -> Option<World> {
        let mut world = world.clone();
        let now = world.now;
        let read_index = match world.revocation {
            Revocation::None => ReadIndex::BeforeTheRevocation,
            Revocation::Committed { .. } | Revocation::Acknowledged => ReadIndex::BehindIt,
        };
        match step {
            Step::Tick => self.tick(&mut world),
            Step::CommitRevocation => world.revocation = Revocation::Committed { at: now },
            Step::AcknowledgeRevocation => world.revocation = Revocation::Acknowledged,
            Step::Ask => {
                world.node.question = Some(Question { sent: now, answer: None });
            }
            Step::Answer => {
                let node = &mut world.node;
                // A leader that is cut off knows only what it has applied itself.
                let known = match (node.link, node.applied) {
                    (Link::Up, _) | (Link::CutAt(_), true) => read_index,
                    (Link::CutAt(_), false) => ReadIndex::BeforeTheRevocation,
                };
                if let Some(question) = &mut node.question {
                    question.answer = Some(known);
                }
            }
            Step::TakeAnswer => self.take_answer(&mut world.node, now),
            Step::Apply => world.node.applied = true,
            Step::Cut => world.node.link = Link::CutAt(now),
            Step::Mend => world.node.link = Link::Up,
            Step::Freeze => world.node.pace = Pace::Frozen,
            Step::Thaw => world.node.pace = Pace::Running,
            Step::LookAtLease => world.node.looked = true,
            Step::LetThrough => let_through(&mut world),
        }
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("revoked_is_out", |_, world: &World| !world.after_revocation),
            Property::always("minority_refuses", |_, world: &World| !world.while_cut_off),
            Property::sometimes("an operation is let through", |_, world: &World| {
                world.let_through
            }),
            Property::sometimes(
                "a revocation holds while a node is cut off",
                |_, world: &World| {
                    let Node { link, applied, .. } = world.node;
                    world.revocation == Revocation::Acknowledged && link != Link::Up && !applied
                },
            ),
            Property::sometimes("a lease is renewed", |_, world: &World| world.node.until > LEASE),
        ]
    }
}
