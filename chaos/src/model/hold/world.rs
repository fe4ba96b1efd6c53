//! The state of the hold's model, and what each entry of the log changes in it.

use super::{HOLDS, Holds, Rule};
use countersign_core::{
    agent::{Identity, Workload},
    fingerprint::{Fingerprint, Fingerprinted},
    hold::{
        Choice, Claim, Decision, Hold, HoldEvent, HoldState, HoldTerms, ReasonRule, RejectionRule,
        Requirement, Reviewers,
    },
    id::{HoldId, NodeId, OperationId, Revision},
    log_time::LogTime,
    reviewer::Reviewer,
    target::{Protocol, Target, TargetName},
};
use std::{
    collections::BTreeSet,
    hash::{Hash, Hasher},
    sync::{Arc, LazyLock},
};

/// Log time before any hold expires, and when all that were opened then do.
pub(super) const BEFORE_EXPIRY: u64 = 0;
pub(super) const EXPIRY: u64 = LIFE_MS;
const LIFE_MS: u64 = 1_000;

const GROUP: &str = "dba";
const AGENT: &str = "ci-bot";
const OWNER: &str = "olga";

/// Whom the agent's holds are shown: two humans who may decide, the agent's owner, and the agent under another issuer.
/// All are in the group.
pub(super) const REVIEWERS: [&str; 4] = ["dana", "rui", OWNER, AGENT];

/// Who may decide about the agent's operations.
pub(super) fn may_decide(name: &str) -> bool {
    name != OWNER && name != AGENT
}

/// What the agent brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::model) enum Text {
    One,
    Other,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::model) struct World {
    pub(super) now: u64,
    pub(super) revision: u64,
    /// Shared, as most steps leave most holds as they are.
    pub(super) holds: Vec<Arc<Held>>,
    pub(super) lines: [Line; 2],
    pub(super) intents: BTreeSet<Intent>,
    pub(super) forwards: BTreeSet<Forward>,
}

/// A hold, with what is remembered of it for the invariants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::model) struct Held {
    pub(super) hold: Hold,
    pub(super) text: Text,
    /// The sessions that wait for it.
    waiting: BTreeSet<usize>,
    /// Every end that it came to.
    pub(super) ends: Vec<&'static str>,
}

/// A session with its node's memory of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::model) struct Line {
    pub(super) life: Life,
    pub(super) at: At,
    /// How many operations it has brought.
    pub(super) operations: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::model) enum Life {
    Live,
    /// Its agent, or its node, is gone. What it proposed may be committed all the same.
    CutOff,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::model) enum At {
    Idle,
    Opens { text: Text, judged: u64 },
    Waits { text: Text, judged: u64, hold: usize },
    Claims { text: Text, judged: u64, hold: usize },
    MayForward { text: Text, hold: usize },
}

/// An intent in the log.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::model) struct Intent {
    operation: (usize, u8),
    /// The revision of its judgement, and that of its place in the log.
    pub(super) judged: u64,
    pub(super) in_force: u64,
}

/// What a target got.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::model) struct Forward {
    operation: (usize, u8),
    pub(super) text: Text,
    pub(super) hold: usize,
    pub(super) intended: bool,
}

/// What makes a difference to anything that can still happen, or that is asked of a hold: of a settled one its end, and who
/// approved it where it was consumed; of an open one everything, but not in which order reviewers decided. Equal otherwise,
/// two are one state.
impl Hash for Held {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        (self.text, &self.ends, self.hold.state.name()).hash(hasher);
        if matches!(self.hold.state, HoldState::Consumed { .. }) {
            super::humans(self).hash(hasher);
        }
        if self.hold.state.is_settled() {
            return;
        }
        (&self.waiting, self.hold.revision.0, self.hold.opened_at).hash(hasher);
        let decisions = self.hold.state.decisions().iter();
        let mut made: Vec<_> = decisions
            .map(|decision| (&decision.reviewer.identity.subject, decision.choice.name()))
            .collect();
        made.sort_unstable();
        made.hash(hasher);
    }
}

impl Line {
    pub(super) fn claims(&mut self, hold: usize) {
        if let At::Waits { text, judged, hold: _ } = self.at {
            self.at = At::Claims { text, judged, hold };
        }
    }

    /// It is told no, and may bring something else.
    fn is_refused(&mut self) {
        self.at = At::Idle;
        self.operations += 1;
    }
}

impl World {
    pub(super) fn new() -> Self {
        let line = Line { life: Life::Live, at: At::Idle, operations: 0 };
        Self {
            now: BEFORE_EXPIRY,
            revision: 0,
            holds: Vec::new(),
            lines: [line.clone(), line],
            intents: BTreeSet::new(),
            forwards: BTreeSet::new(),
        }
    }

    pub(super) fn ended_as(&self, end: &'static str) -> bool {
        self.holds.iter().any(|held| held.ends.contains(&end))
    }

    /// The only step that is not the replicated state's: bytes go to the target.
    pub(super) fn forward(&mut self, number: usize) {
        let line = &mut self.lines[number];
        let (At::MayForward { text, hold } | At::Waits { text, hold, .. }) = line.at else {
            return;
        };
        let operation = (number, line.operations);
        line.is_refused();
        let intended = self.intents.iter().any(|intent| intent.operation == operation);
        self.forwards.insert(Forward { operation, text, hold, intended });
    }
}

impl Holds {
    /// Opens a hold, or attaches to the open one of the same fingerprint. None beyond the bounds of the model.
    pub(super) fn commit_hold(&self, world: &mut World, number: usize) -> Option<()> {
        let At::Opens { text, judged } = world.lines[number].at else { return None };
        if judged != world.revision {
            world.lines[number].is_refused();
            return Some(());
        }
        let same = |held: &Arc<Held>| !held.hold.state.is_settled() && held.text == text;
        let hold = match world.holds.iter().position(same) {
            Some(open) => open,
            None if world.holds.len() < HOLDS => {
                world.holds.push(Arc::new(self.opened(world, text)));
                world.holds.len() - 1
            }
            None => return None,
        };
        Arc::make_mut(&mut world.holds[hold]).waiting.insert(number);
        world.lines[number].at = At::Waits { text, judged, hold };
        Some(())
    }

    fn opened(&self, world: &World, text: Text) -> Held {
        let number = u8::try_from(world.holds.len()).unwrap_or(u8::MAX);
        let opened_at = LogTime(world.now);
        let owner = self.keeps(Rule::OwnerIsOut).then(|| OWNER.to_owned());
        let hold = Hold {
            id: HoldId::from_bytes([number; 16]),
            fingerprint: fingerprint(text),
            requester: agent(),
            requester_name: AGENT.to_owned(),
            owner,
            target: target().name,
            terms: terms(),
            revision: Revision(world.revision),
            opened_at,
            expires_at: opened_at.after_ms(LIFE_MS),
            state: HoldState::Pending { decisions: Vec::new() },
        };
        Held { hold, text, waiting: BTreeSet::new(), ends: Vec::new() }
    }

    /// One event of a hold, by the product's transitions. Whether it was taken.
    fn handle(&self, world: &mut World, hold: usize, event: HoldEvent) -> bool {
        let now = LogTime(world.now);
        let held = &mut world.holds[hold];
        let mut before = held.hold.clone();
        if before.state.is_settled() && !self.keeps(Rule::SettledStays) {
            before.state = HoldState::Pending { decisions: before.state.decisions().to_vec() };
        }
        let Ok(after) = before.handle(event, now) else { return false };
        let held = Arc::make_mut(held);
        held.hold = after;
        let end = held.hold.state.name();
        if held.hold.state.is_settled() && held.ends.last() != Some(&end) {
            held.ends.push(end);
        }
        true
    }

    pub(super) fn decide(
        &self,
        world: &mut World,
        hold: usize,
        (reviewer, choice, seen): (usize, Choice, Text),
    ) {
        let mut reviewer = reviewer_named(REVIEWERS[reviewer]);
        if !self.keeps(Rule::HumansCountOnce) {
            let times = world.holds[hold].hold.state.decisions().len();
            reviewer.identity.subject.push_str(&times.to_string());
        }
        let decision = Decision {
            reviewer,
            choice,
            grant_ms: 0,
            comment: String::new(),
            at: LogTime(world.now),
            node: NodeId(1),
        };
        let event = HoldEvent::Decide { decision: Box::new(decision), seen: fingerprint(seen) };
        self.handle(world, hold, event);
    }

    pub(super) fn withdraw(&self, world: &mut World, hold: usize) {
        self.handle(world, hold, HoldEvent::Withdraw);
    }

    pub(super) fn sweep(&self, world: &mut World, hold: usize) {
        self.handle(world, hold, HoldEvent::Elapse);
    }

    pub(super) fn change_policy(&self, world: &mut World) {
        world.revision += 1;
        if !self.keeps(Rule::ChangeInvalidates) {
            return;
        }
        for hold in 0..world.holds.len() {
            let reason = "the policy was changed".to_owned();
            self.handle(world, hold, HoldEvent::Invalidate { reason });
        }
    }

    /// The hold is consumed and the intent recorded in one step, or neither.
    pub(super) fn commit_claim(&self, world: &mut World, number: usize) {
        let At::Claims { text, judged, hold } = world.lines[number].at else { return };
        let operation = (number, world.lines[number].operations);
        let held = &world.holds[hold];
        let in_force = judged == world.revision || !self.keeps(Rule::ChangeInvalidates);
        let waits = held.waiting.contains(&number) || !self.keeps(Rule::SameText);
        let brought = if self.keeps(Rule::SameText) { text } else { held.text };
        let claim = Claim {
            operation: OperationId::from_bytes([1; 16]),
            fingerprint: fingerprint(brought),
            agent: agent(),
            revision: Revision(judged),
        };
        let approved = held.hold.state.clone();
        let taken = in_force && waits && self.handle(world, hold, HoldEvent::Claim(claim));
        // Time may have run out instead.
        let consumed = matches!(world.holds[hold].hold.state, HoldState::Consumed { .. });
        if !(taken && consumed) {
            world.lines[number].is_refused();
            return;
        }
        if !self.keeps(Rule::ConsumedOnce) {
            Arc::make_mut(&mut world.holds[hold]).hold.state = approved;
        }
        world.intents.insert(Intent { operation, judged, in_force: world.revision });
        world.lines[number].at = At::MayForward { text, hold };
    }
}

fn agent() -> Identity {
    Identity { issuer: "https://issuer".to_owned(), subject: AGENT.to_owned() }
}

fn reviewer_named(name: &str) -> Reviewer {
    Reviewer {
        identity: Identity { issuer: "https://humans".to_owned(), subject: name.to_owned() },
        name: name.to_owned(),
        also_known_as: BTreeSet::new(),
        groups: BTreeSet::from([GROUP.to_owned()]),
    }
}

fn terms() -> HoldTerms {
    let quorum = u32::try_from(super::QUORUM).unwrap_or(u32::MAX);
    HoldTerms {
        requirements: vec![Requirement {
            reviewers: Reviewers::group(GROUP),
            quorum,
            escalation: None,
        }],
        expires_after_ms: LIFE_MS,
        wait_ms: LIFE_MS,
        reason: ReasonRule::Optional,
        grantable_ms: None,
        again_after_ms: 0,
        rejection: RejectionRule::Ends,
        rules: Vec::new(),
        break_glass: None,
    }
}

#[expect(clippy::expect_used, reason = "a literal")]
fn target() -> Target {
    let name = TargetName::parse("orders").expect("a name");
    Target { name, revision: Revision(0), protocol: Protocol::Postgres }
}

fn fingerprint(text: Text) -> Fingerprint {
    static ONE: LazyLock<Fingerprint> =
        LazyLock::new(|| hashed(b"DELETE FROM orders WHERE id = 1"));
    static OTHER: LazyLock<Fingerprint> = LazyLock::new(|| hashed(b"DELETE FROM orders"));
    match text {
        Text::One => *ONE,
        Text::Other => *OTHER,
    }
}

fn hashed(text: &[u8]) -> Fingerprint {
    Fingerprint::of(Fingerprinted {
        target: &target(),
        agent: &agent(),
        workload: &Workload::default(),
        settings: &[],
        text,
        parameters: &[],
    })
}
