//! `no_lost_record`: what anybody was told stands in the audit trail and, for writes, in the target's table.
//! Counter-examples: an acknowledged write without its row or without a completed outcome; a decision that the API took
//! and the trail does not know.

use super::{field, of_kind};
use crate::history::{Answer, Entry, History};
use std::collections::BTreeSet;

pub(super) fn check(history: &History) -> Vec<String> {
    let rows: BTreeSet<&str> = history.rows.iter().map(|row| row.mark.as_str()).collect();
    let writes: BTreeSet<&str> = history
        .entries
        .iter()
        .filter_map(|entry| match entry {
            Entry::WriteSent { mark, .. } => Some(mark.as_str()),
            Entry::ReadSent { .. }
            | Entry::Answered { .. }
            | Entry::Decided { .. }
            | Entry::Fault { .. } => None,
        })
        .collect();
    let mut lost = Vec::new();
    for entry in &history.entries {
        match entry {
            Entry::Answered { at_ms, mark, node, answer: Answer::Done }
                if writes.contains(mark.as_str()) && !rows.contains(mark.as_str()) =>
            {
                lost.push(format!("node {node} acknowledged write '{mark}' at {at_ms} ms, and its row is not there"));
            }
            Entry::Decided { at_ms, node, hold, reviewer, decision, status: 200 } => {
                if !is_decided(history, hold, decision) {
                    lost.push(format!(
                        "node {node} took {reviewer}'s {decision} of hold {hold} at {at_ms} ms, and the trail does not know it"
                    ));
                }
            }
            Entry::Answered { .. }
            | Entry::Decided { .. }
            | Entry::WriteSent { .. }
            | Entry::ReadSent { .. }
            | Entry::Fault { .. } => {}
        }
    }
    lost
}

fn is_decided(history: &History, hold: &str, decision: &str) -> bool {
    of_kind(history.trail(), "decided")
        .any(|event| field(event, "hold.id") == hold && field(event, "decision") == decision)
}
