//! `one_decision_per_hold`: exactly one of approved, rejected, withdrawn and expired ends a hold, in the trail and in what the
//! API told reviewers. An approval that was not consumed may still expire or be invalidated; nothing else follows an end.

use super::reading::{field, of_kind};
use crate::history::{Entry, History};
use countersign_api::audit::AuditEvent;
use std::collections::{BTreeMap, BTreeSet};

/// HTTP status of a decision that was taken.
const TAKEN: u16 = 200;

/// Where a hold stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stand {
    Approved,
    Rejected,
    Withdrawn,
    Expired,
    Invalidated,
    Consumed,
}

impl Stand {
    /// Where an event puts its hold. An approval counts once it is the one that reaches the quorum.
    fn after(event: &AuditEvent) -> Option<Self> {
        match (event.kind.as_str(), field(event, "decision"), field(event, "state")) {
            ("decided", "approve", "approved") | ("glass_broken", ..) => Some(Self::Approved),
            ("decided", "reject", _) => Some(Self::Rejected),
            ("withdrawn", ..) => Some(Self::Withdrawn),
            ("expired", ..) => Some(Self::Expired),
            ("invalidated", ..) => Some(Self::Invalidated),
            ("intent", ..) => Some(Self::Consumed),
            _ => None,
        }
    }

    /// Whether a hold that stands here may come to stand there.
    fn may_become(self, next: Self) -> bool {
        match (self, next) {
            (Self::Approved, Self::Consumed | Self::Expired | Self::Invalidated) => true,
            (Self::Approved, Self::Approved | Self::Rejected | Self::Withdrawn)
            | (
                Self::Rejected
                | Self::Withdrawn
                | Self::Expired
                | Self::Invalidated
                | Self::Consumed,
                _,
            ) => false,
        }
    }
}

pub(super) fn check(history: &History) -> Vec<String> {
    let mut stands: BTreeMap<&str, (Stand, u64)> = BTreeMap::new();
    let mut wrong = Vec::new();
    for event in history.trail() {
        let hold = field(event, "hold.id");
        let Some(next) = Stand::after(event).filter(|_| !hold.is_empty()) else { continue };
        if let Some((before, sequence)) = stands.insert(hold, (next, event.sequence))
            && !before.may_become(next)
        {
            wrong.push(format!(
                "hold {hold} was {before:?} at event {sequence} and became {next:?} at event {}",
                event.sequence
            ));
        }
    }
    wrong.extend(opposite(history));
    wrong
}

/// What the API told reviewers: one hold is never both let through and turned down.
fn opposite(history: &History) -> Vec<String> {
    let mut taken: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for entry in &history.entries {
        if let Entry::Decided { hold, state, status: TAKEN, .. } = entry {
            taken.entry(hold).or_default().insert(match state.as_str() {
                "approved" | "consumed" => "approved",
                "rejected" => "rejected",
                _ => "open or void",
            });
        }
    }
    let known: BTreeSet<&str> =
        of_kind(history.trail(), "held").map(|event| field(event, "hold.id")).collect();
    let opposed = taken
        .iter()
        .filter(|(_, told)| told.contains("approved") && told.contains("rejected"))
        .map(|(hold, _)| format!("hold {hold} was told to be approved and to be rejected"));
    let unknown = taken.keys().filter(|hold| !known.contains(*hold)).map(|hold| {
        format!("a decision was taken for hold {hold}, which the audit trail does not know")
    });
    opposed.chain(unknown).collect()
}
