//! Judging recorded operations again under other policies, before anybody applies them. A request looks at a page of the
//! audit and says where to go on, so that progress can be shown and any node can go on.

use super::{
    PolicyText,
    case::{PolicyVerdict, VerdictName},
};
use crate::time::Timestamp;
use countersign_core::{
    policy::{
        Policies, find_counted,
        recorded::{self, Decided},
    },
    record::AuditEvent,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Kinds of change that one page tells apart; further ones are only counted.
pub const MAX_KINDS: usize = 500;
/// Bytes of the kinds of change that are told apart: a verdict can name all rules.
const MAX_KINDS_BYTES: usize = 4 * 1024 * 1024;

/// `POST /v1/policy/simulate`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SimulateRequest {
    /// The new policies. They take the places of those in force with the same names.
    pub policies: Vec<PolicyText>,
    /// Whether the policies that are not named here are gone.
    #[serde(default)]
    pub prune: bool,
    /// Only operations from this log time on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// `next` of the page before: only events behind this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    /// Only events up to this one: `last` of the first page, so that an end is reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<u64>,
}

/// A page of a simulation.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Simulation {
    /// Operations that were judged again.
    pub judged: u64,
    /// Operations whose records do not say enough to be judged again: what they asked for was too long to be kept.
    pub unjudged: u64,
    /// Operations about which the new policies say something else: another verdict.
    pub changed: u64,
    /// How many came to which verdict, was and would be.
    pub verdicts: Vec<VerdictCount>,
    /// What would change, alike operations together.
    pub changes: Vec<Change>,
    /// Changed operations that are in none of `changes`, because there are too many kinds.
    #[serde(default)]
    pub left_out: u64,
    /// The last event of the simulation.
    pub last: u64,
    /// The event before the first.
    pub first_after: u64,
    /// Where to go on; null at the end.
    pub next: Option<u64>,
}

/// So many operations had this verdict, and would have that one.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct VerdictCount {
    /// What was decided.
    pub was: VerdictName,
    /// What would be.
    pub would_be: VerdictName,
    /// How many.
    pub operations: u64,
}

/// Operations that would be judged otherwise, alike.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, ToSchema)]
pub struct Change {
    /// The agent's name.
    pub agent: String,
    /// The target.
    pub target: String,
    /// The actions, with a comma between them.
    pub actions: String,
    /// One line for people, of the first.
    pub summary: String,
    /// What was decided.
    pub was: VerdictName,
    /// The rules that decided, with a comma between them.
    pub was_by: String,
    /// What would be.
    pub would_be: PolicyVerdict,
    /// How many operations.
    pub operations: u64,
    /// The audit event of the first.
    pub first_event: u64,
}

/// What alike operations have in common.
type Kind = (String, String, String, VerdictName, String, PolicyVerdict);

/// A simulation in the making.
#[derive(Debug, Default)]
pub struct Simulating {
    found: Simulation,
    counts: BTreeMap<(VerdictName, VerdictName), u64>,
    kinds: BTreeMap<Kind, Change>,
    kinds_bytes: usize,
    work: u64,
}

impl Simulating {
    /// Judges the operation of an event again, if it is one in which an operation was judged.
    pub fn take(&mut self, policies: &Policies, event: &AuditEvent) {
        let Some(decided) = recorded::decided(event) else { return };
        let Ok(matter) = recorded::matter(event) else {
            self.found.unjudged += 1;
            return;
        };
        self.found.judged += 1;
        let was = VerdictName::from(decided);
        let (would_be, work) = find_counted(policies, matter);
        self.work = self.work.saturating_add(work);
        let would_be = PolicyVerdict::from(would_be);
        self.count((was, would_be.verdict), 1);
        if was == would_be.verdict {
            return;
        }
        self.found.changed += 1;
        let fact = |name: &str| event.fields.get(name).cloned().unwrap_or_default();
        self.add(Change {
            agent: fact("agent.name"),
            target: fact("target.name"),
            actions: fact("operation.actions"),
            summary: fact("operation.summary"),
            was,
            was_by: fact("policy.rules"),
            would_be,
            operations: 1,
            first_event: event.sequence,
        });
    }

    /// The work that the judgements took so far.
    pub fn work(&self) -> u64 {
        self.work
    }

    /// Adds another page of the same simulation.
    pub fn join(&mut self, page: Simulation) {
        self.found.judged += page.judged;
        self.found.unjudged += page.unjudged;
        self.found.changed += page.changed;
        self.found.left_out += page.left_out;
        self.found.last = page.last;
        for VerdictCount { was, would_be, operations } in page.verdicts {
            self.count((was, would_be), operations);
        }
        for change in page.changes {
            self.add(change);
        }
    }

    /// What was found, the most frequent changes first.
    pub fn finish(self) -> Simulation {
        let Self { mut found, counts, kinds, kinds_bytes: _, work: _ } = self;
        let counted = |((was, would_be), operations)| VerdictCount { was, would_be, operations };
        found.verdicts = counts.into_iter().map(counted).collect();
        found.changes = kinds.into_values().collect();
        found.changes.sort_by_key(|change| (u64::MAX - change.operations, change.first_event));
        found
    }

    fn count(&mut self, verdicts: (VerdictName, VerdictName), operations: u64) {
        *self.counts.entry(verdicts).or_default() += operations;
    }

    fn add(&mut self, change: Change) {
        let Change { agent, target, actions, was, was_by, would_be, .. } = change.clone();
        let kind = (agent, target, actions, was, was_by, would_be);
        let bytes = bytes(&change);
        if let Some(known) = self.kinds.get_mut(&kind) {
            known.operations += change.operations;
        } else if self.kinds.len() < MAX_KINDS && self.kinds_bytes + bytes <= MAX_KINDS_BYTES {
            self.kinds_bytes += bytes;
            self.kinds.insert(kind, change);
        } else {
            self.found.left_out += change.operations;
        }
    }
}

fn bytes(change: &Change) -> usize {
    let Change { agent, target, actions, summary, was_by, would_be, .. } = change;
    let PolicyVerdict { verdict: _, rules, decides, message } = would_be;
    let texts = [agent, target, actions, summary, was_by, decides, message];
    texts.into_iter().chain(rules).map(String::len).sum()
}

impl From<Decided> for VerdictName {
    fn from(decided: Decided) -> Self {
        match decided {
            Decided::Allowed => Self::Allow,
            Decided::Held => Self::Hold,
            Decided::Denied => Self::Deny,
        }
    }
}
