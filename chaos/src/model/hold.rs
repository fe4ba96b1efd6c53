//! A hold from its opening to the forward: two sessions of one agent on two nodes, which bring two different texts, may be
//! cut off at every step, claim whatever they like and leave proposals behind; four reviewers, of whom one is the agent's
//! owner and one the agent itself under another issuer; a policy that changes, and time that runs out.
//!
//! What becomes of a hold is said by the product's own transitions; what is put around them in the replicated state
//! (opening, attaching, claiming together with the intent) is written here a second time.

mod world;

use super::explore::{Broken, Rules};
use countersign_core::hold::{Choice, HoldState};
use stateright::{Model, Property};
use std::collections::BTreeSet;
use world::{At, Held, Life, REVIEWERS, Text, World};

/// How many holds there may be in all.
const HOLDS: usize = 2;
/// How many operations the first and the second session bring.
const OPERATIONS: [u8; 2] = [2, 1];
/// Approvals of so many humans are asked for.
const QUORUM: usize = 2;

/// The model.
#[derive(Debug)]
pub(super) struct Holds {
    broken: Option<Rule>,
}

/// A rule that can be broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    IntentFirst,
    SameText,
    HumansCountOnce,
    OwnerIsOut,
    ConsumedOnce,
    SettledStays,
    ChangeInvalidates,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Step {
    /// A session's node judges a text, under the revision that it knows, and proposes a hold.
    Bring {
        line: usize,
        text: Text,
        judged: u64,
    },
    CommitHold(usize),
    Decide {
        reviewer: usize,
        choice: Choice,
        hold: usize,
        seen: Text,
    },
    Withdraw(usize),
    /// A session's node proposes to claim a hold, be it the one that it waits for or not.
    Claim {
        line: usize,
        hold: usize,
    },
    CommitClaim(usize),
    Forward(usize),
    CutOff(usize),
    ChangePolicy,
    RunOutOfTime,
    /// The state notices that a hold's time has run out, without anything else happening to it.
    Sweep(usize),
}

impl Rules for Holds {
    const NAME: &'static str = "the hold";
    type Rule = Rule;
    const BROKEN: &'static [Broken<Rule>] = &[
        Broken {
            rule: Rule::IntentFirst,
            what: "what is approved is forwarded without a committed claim",
            finds: "no_forward_without_intent",
        },
        Broken {
            rule: Rule::SameText,
            what: "an approval admits whatever its agent brings",
            finds: "no_forward_without_approval",
        },
        Broken {
            rule: Rule::HumansCountOnce,
            what: "a human counts once for each of the groups",
            finds: "no_forward_without_approval",
        },
        Broken {
            rule: Rule::OwnerIsOut,
            what: "the owner of the agent may approve",
            finds: "no_forward_without_approval",
        },
        Broken {
            rule: Rule::ConsumedOnce,
            what: "an approval stays after its claim",
            finds: "approval_consumed_once",
        },
        Broken {
            rule: Rule::SettledStays,
            what: "a settled hold can be taken up again",
            finds: "one_decision_per_hold",
        },
        Broken {
            rule: Rule::ChangeInvalidates,
            what: "a change of policy leaves holds and claims as they are",
            finds: "revision_in_force",
        },
    ];

    fn with(broken: Option<Rule>) -> Self {
        Self { broken }
    }
}

impl Holds {
    fn keeps(&self, rule: Rule) -> bool {
        self.broken != Some(rule)
    }

    fn steps_of_line(&self, world: &World, number: usize, steps: &mut Vec<Step>) {
        let line = &world.lines[number];
        match line.at {
            At::Opens { .. } => steps.push(Step::CommitHold(number)),
            At::Claims { .. } => steps.push(Step::CommitClaim(number)),
            At::Idle | At::Waits { .. } | At::MayForward { .. } => {}
        }
        if line.life == Life::CutOff {
            return;
        }
        steps.push(Step::CutOff(number));
        match line.at {
            At::Idle if line.operations < OPERATIONS[number] => {
                let texts: &[Text] =
                    if number == 0 { &[Text::One] } else { &[Text::One, Text::Other] };
                for text in texts {
                    let judged = (0..=world.revision).map(|judged| Step::Bring {
                        line: number,
                        text: *text,
                        judged,
                    });
                    steps.extend(judged);
                }
            }
            At::Waits { hold, .. } => {
                let holds = 0..world.holds.len();
                steps.extend(holds.map(|hold| Step::Claim { line: number, hold }));
                let approved = matches!(world.holds[hold].hold.state, HoldState::Approved { .. });
                if approved && !self.keeps(Rule::IntentFirst) {
                    steps.push(Step::Forward(number));
                }
            }
            At::MayForward { .. } => steps.push(Step::Forward(number)),
            At::Idle | At::Opens { .. } | At::Claims { .. } => {}
        }
    }

    fn steps_of_hold(hold: usize, steps: &mut Vec<Step>) {
        steps.extend([Step::Withdraw(hold), Step::Sweep(hold)]);
        for reviewer in 0..REVIEWERS.len() {
            for choice in [Choice::Approve, Choice::Reject] {
                let seen = [Text::One, Text::Other];
                steps.extend(seen.map(|seen| Step::Decide { reviewer, choice, hold, seen }));
            }
        }
    }
}

impl Model for Holds {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        vec![World::new()]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        for line in 0..world.lines.len() {
            self.steps_of_line(world, line, steps);
        }
        for hold in 0..world.holds.len() {
            Self::steps_of_hold(hold, steps);
        }
        if world.revision == 0 {
            steps.push(Step::ChangePolicy);
        }
        if world.now == world::BEFORE_EXPIRY {
            steps.push(Step::RunOutOfTime);
        }
    }

    fn next_state(&self, world: &World, step: Step) -> Option<World> {
        let mut next = world.clone();
        match step {
            Step::Bring { line, text, judged } => next.lines[line].at = At::Opens { text, judged },
            Step::CommitHold(line) => self.commit_hold(&mut next, line)?,
            Step::Decide { reviewer, choice, hold, seen } => {
                self.decide(&mut next, hold, (reviewer, choice, seen));
            }
            Step::Withdraw(hold) => self.withdraw(&mut next, hold),
            Step::Claim { line, hold } => next.lines[line].claims(hold),
            Step::CommitClaim(line) => self.commit_claim(&mut next, line),
            Step::Forward(line) => next.forward(line),
            Step::CutOff(line) => next.lines[line].life = Life::CutOff,
            Step::ChangePolicy => self.change_policy(&mut next),
            Step::RunOutOfTime => next.now = world::EXPIRY,
            Step::Sweep(hold) => self.sweep(&mut next, hold),
        }
        // What changed nothing is no step.
        (next != *world).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("no_forward_without_intent", |_, world: &World| {
                world.forwards.iter().all(|forward| forward.intended)
            }),
            Property::always("no_forward_without_approval", |_, world: &World| {
                world.forwards.iter().all(|forward| {
                    let held = &world.holds[forward.hold];
                    held.text == forward.text && humans(held) >= QUORUM
                })
            }),
            Property::always("approval_consumed_once", |_, world: &World| {
                let holds = world.forwards.iter().map(|forward| forward.hold);
                holds.collect::<BTreeSet<_>>().len() == world.forwards.len()
            }),
            Property::always("one_decision_per_hold", |_, world: &World| {
                world.holds.iter().all(|held| held.ends.len() <= 1)
            }),
            Property::always("revision_in_force", |_, world: &World| {
                world.intents.iter().all(|intent| intent.judged == intent.in_force)
            }),
            Property::sometimes("an approved operation is forwarded", |_, world: &World| {
                !world.forwards.is_empty()
            }),
            Property::sometimes(
                "both sessions are served, each by its own hold",
                |_, world: &World| world.forwards.len() == 2,
            ),
            Property::sometimes(
                "an approval is consumed and its session dies",
                |_, world: &World| {
                    let lost = |line: &world::Line| {
                        line.life == Life::CutOff && matches!(line.at, At::MayForward { .. })
                    };
                    world.lines.iter().any(lost)
                },
            ),
            Property::sometimes("a hold is rejected", |_, world: &World| {
                world.ended_as("rejected")
            }),
            Property::sometimes("a hold is withdrawn", |_, world: &World| {
                world.ended_as("withdrawn")
            }),
            Property::sometimes("a hold expires", |_, world: &World| world.ended_as("expired")),
            Property::sometimes("a hold is void", |_, world: &World| world.ended_as("invalidated")),
        ]
    }
}

/// How many different humans approved it who may: counted here again, by other means than the product's.
fn humans(held: &Held) -> usize {
    let approvals = held.hold.state.decisions().iter();
    let approvals = approvals.filter(|decision| decision.choice == Choice::Approve);
    let names = approvals.map(|decision| decision.reviewer.name.as_str());
    names.filter(|name| world::may_decide(name)).collect::<BTreeSet<_>>().len()
}
