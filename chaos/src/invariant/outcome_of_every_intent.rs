//! Every intent has exactly one outcome when a run has ended and its nodes are up: completed, failed, refused, or
//! `outcome_unknown`; and what is completed or failed fits what stands in the target's table.

use super::{field, of_kind};
use crate::history::History;
use std::collections::BTreeMap;

pub(super) fn check(history: &History) -> Vec<String> {
    let mut outcomes: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for event in of_kind(history.trail(), "outcome") {
        outcomes.entry(field(event, "operation.id")).or_default().push(field(event, "outcome"));
    }
    let mut wrong = Vec::new();
    for intent in of_kind(history.trail(), "intent") {
        let operation = field(intent, "operation.id");
        let found = outcomes.get(operation).map_or(&[][..], Vec::as_slice);
        if found.len() != 1 {
            wrong.push(format!(
                "operation {operation} (intent {}) has outcomes {found:?}",
                intent.sequence
            ));
            continue;
        }
        let row = history.rows.iter().find(|row| {
            !field(intent, "hold.id").is_empty()
                && field(intent, "operation.text").contains(&row.mark)
        });
        if let (Some(row), [outcome @ ("refused" | "failed")]) = (row, found)
            && !others_may_have_written(history, intent.sequence, &row.mark)
        {
            wrong.push(format!(
                "row '{}' stands in the table, and its operation {operation} is {outcome}",
                row.mark
            ));
        }
    }
    wrong
}

/// Whether another intent names the same row: then the row may be that one's.
fn others_may_have_written(history: &History, sequence: u64, mark: &str) -> bool {
    of_kind(history.trail(), "intent")
        .any(|other| other.sequence != sequence && field(other, "operation.text").contains(mark))
}
