//! `no_lost_record`: what anybody was told stands in the audit trail and, for writes, in the target's table. Counter-examples:
//! an acknowledged write without its row or whose operations all came to nothing; a decision or a change that the API took and
//! the trail does not know; a head of the chain that is not in the final chain, or that knew less than an earlier one.

use super::reading::{field, intents, of_kind, outcomes, statements};
use crate::history::{Answer, Entry, History};
use std::collections::BTreeSet;

/// HTTP status of what was taken.
const TAKEN: u16 = 200;

pub(super) fn check(history: &History) -> Vec<String> {
    let mut lost = writes(history);
    lost.extend(acts(history));
    lost.extend(heads(history));
    lost
}

fn writes(history: &History) -> Vec<String> {
    let rows: BTreeSet<&str> = history.rows.iter().map(|row| row.mark.as_str()).collect();
    let (statements, intents) = (statements(history), intents(history));
    let outcomes = outcomes(history.trail());
    let mut lost = Vec::new();
    for entry in &history.entries {
        let Entry::Answered { at_ms, mark, node, answer: Answer::Done, .. } = entry else {
            continue;
        };
        let Some(statement) = statements.get(mark.as_str()).filter(|sent| sent.is_held()) else {
            continue;
        };
        // An opaque text may be one that inserts nothing.
        if statement.shape == crate::history::Shape::Write && !rows.contains(mark.as_str()) {
            lost.push(format!(
                "node {node} acknowledged write '{mark}' at {at_ms} ms, and its row is not there"
            ));
        }
        // A node that is lost right after the answer leaves the outcome unknown; it can be no other.
        let kept = intents.get(mark.as_str()).into_iter().flatten().any(|intent| {
            matches!(
                outcomes.get(field(intent, "operation.id")),
                Some(&("completed" | "outcome_unknown"))
            )
        });
        if !kept {
            lost.push(format!("node {node} acknowledged '{mark}' at {at_ms} ms, and no operation of it is completed"));
        }
    }
    lost
}

fn acts(history: &History) -> Vec<String> {
    let decided: BTreeSet<_> = of_kind(history.trail(), "decided")
        .map(|event| ["hold.id", "decision", "reviewer.subject"].map(|name| field(event, name)))
        .collect();
    let changed: BTreeSet<_> = of_kind(history.trail(), "resource_changed")
        .map(|event| ["resource.kind", "revision.after"].map(|name| field(event, name).to_owned()))
        .collect();
    let mut lost = Vec::new();
    for entry in &history.entries {
        match entry {
            Entry::Decided { at_ms, node, hold, reviewer, decision, status: TAKEN, .. }
                if !decided.contains(&[hold, decision, reviewer].map(String::as_str)) =>
            {
                lost.push(format!("node {node} took {reviewer}'s {decision} of hold {hold} at {at_ms} ms, and the trail does not know it"));
            }
            Entry::Applied { at_ms, node, kind, status: TAKEN, revision, .. }
                if *revision > 0 && !changed.contains(&[kind.clone(), revision.to_string()]) =>
            {
                lost.push(format!("node {node} applied a {kind} as revision {revision} at {at_ms} ms, and the trail does not know it"));
            }
            Entry::Decided { .. }
            | Entry::Applied { .. }
            | Entry::Answered { .. }
            | Entry::Sent { .. }
            | Entry::Revoked { .. }
            | Entry::Watched { .. }
            | Entry::HeadSeen { .. }
            | Entry::Fault { .. } => {}
        }
    }
    lost
}

fn heads(history: &History) -> Vec<String> {
    let mut lost = Vec::new();
    let mut answered: Vec<(u64, u64)> = Vec::new();
    for entry in &history.entries {
        let Entry::HeadSeen { sent_ms, at_ms, node, sequence, hash } = entry else { continue };
        let place = sequence.checked_sub(1).and_then(|place| usize::try_from(place).ok());
        let event = place.and_then(|place| history.trail().get(place));
        if event.is_none_or(|event| event.hash != *hash) {
            lost.push(format!("node {node} told head {sequence} ({hash}) at {at_ms} ms, and the final chain has no such event"));
        }
        let newest = answered.iter().filter(|(at, _)| at < sent_ms).map(|(_, known)| *known).max();
        if let Some(known) = newest.filter(|known| known > sequence) {
            lost.push(format!(
                "node {node} told head {sequence} at {at_ms} ms, after head {known} had been told"
            ));
        }
        answered.push((*at_ms, *sequence));
    }
    lost
}
