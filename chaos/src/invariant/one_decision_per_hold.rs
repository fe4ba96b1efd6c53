//! `one_decision_per_hold`: exactly one settling event ends a hold, and the API never told two reviewers that opposite
//! decisions about one hold were taken.

use super::{field, of_kind};
use crate::history::{Entry, History};
use std::collections::{BTreeMap, BTreeSet};

/// HTTP status of a decision that was taken.
const TAKEN: u16 = 200;

pub(super) fn check(history: &History) -> Vec<String> {
    let mut ends: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for event in history.trail() {
        if let Some(end) =
            end(event.kind.as_str(), field(event, "decision"), field(event, "hold.id"))
        {
            ends.entry(field(event, "hold.id"))
                .or_default()
                .push(format!("{end} at event {}", event.sequence));
        }
    }
    let many = ends
        .into_iter()
        .filter(|(_, ends)| ends.len() > 1)
        .map(|(hold, ends)| format!("hold {hold} ended more than once: {}", ends.join(", ")));
    many.chain(opposite(history)).collect()
}

/// How an event ends a hold. An approval alone does not (its claim does, as the intent).
fn end(kind: &str, decision: &str, hold: &str) -> Option<&'static str> {
    match (kind, decision) {
        _ if hold.is_empty() => None,
        ("decided", "reject") => Some("rejected"),
        ("withdrawn", _) => Some("withdrawn"),
        ("expired", _) => Some("expired"),
        ("invalidated", _) => Some("invalidated"),
        ("intent", _) => Some("consumed"),
        _ => None,
    }
}

fn opposite(history: &History) -> Vec<String> {
    let mut taken: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for entry in &history.entries {
        if let Entry::Decided { hold, decision, status: TAKEN, .. } = entry {
            taken.entry(hold).or_default().insert(decision);
        }
    }
    let known: BTreeSet<&str> =
        of_kind(history.trail(), "held").map(|event| field(event, "hold.id")).collect();
    let opposed = taken
        .iter()
        .filter(|(_, decisions)| decisions.len() > 1)
        .map(|(hold, decisions)| format!("both {decisions:?} were taken for hold {hold}"));
    let unknown = taken.keys().filter(|hold| !known.contains(*hold)).map(|hold| {
        format!("a decision was taken for hold {hold}, which the audit trail does not know")
    });
    opposed.chain(unknown).collect()
}
