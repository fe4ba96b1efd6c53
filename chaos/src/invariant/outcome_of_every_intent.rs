//! `outcome_of_every_intent`: every intent has exactly one outcome when a run has ended and its nodes are up, completed,
//! failed, refused or unknown, and it comes after its intent. Of what is completed the row stands in the target's table, and
//! no row stands there whose operations all failed or were refused.

use super::reading::{Statement, field, intents, of_kind, outcomes, statements};
use crate::history::History;
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn check(history: &History) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for event in history.trail() {
        let operation = field(event, "operation.id");
        match event.kind.as_str() {
            "intent" => {
                counts.insert(operation, 0);
            }
            "outcome" => match counts.get_mut(operation) {
                Some(count) => *count += 1,
                None => wrong.push(format!(
                    "event {} is the outcome of operation {operation}, which has no intent before it",
                    event.sequence
                )),
            },
            _ => {}
        }
    }
    for intent in of_kind(history.trail(), "intent") {
        let operation = field(intent, "operation.id");
        let count = counts.get(operation).copied().unwrap_or_default();
        if count != 1 {
            wrong.push(format!(
                "operation {operation} (intent {}) has {count} outcomes",
                intent.sequence
            ));
        }
    }
    wrong.extend(against_the_table(history));
    wrong
}

fn against_the_table(history: &History) -> Vec<String> {
    let rows: BTreeSet<&str> = history.rows.iter().map(|row| row.mark.as_str()).collect();
    let (statements, outcomes) = (statements(history), outcomes(history.trail()));
    let mut wrong = Vec::new();
    for (mark, intents) in intents(history) {
        let words: Vec<&str> = intents
            .iter()
            .filter_map(|intent| outcomes.get(field(intent, "operation.id")).copied())
            .collect();
        let leaves = statements.get(mark).is_some_and(Statement::leaves_its_row);
        if leaves && words.contains(&"completed") && !rows.contains(mark) {
            wrong.push(format!("write '{mark}' is completed, and its row is not there"));
        }
        let nothing_done = words.iter().all(|word| matches!(*word, "failed" | "refused"));
        if rows.contains(mark) && words.len() == intents.len() && nothing_done {
            wrong.push(format!(
                "row '{mark}' stands in the table, and its operations are {words:?}"
            ));
        }
    }
    wrong
}
