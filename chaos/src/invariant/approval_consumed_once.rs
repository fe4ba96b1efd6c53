//! `approval_consumed_once`: no hold admitted two operations, and the rows of a statement are as many as its operations were
//! executed: at least the completed ones, at most those and the ones whose outcome is unknown. (An agent that lost an answer
//! and asks again gets a new hold: if reviewers approve that one too, the row rightly stands twice.)

use super::reading::{field, intents, of_kind, outcomes, statements};
use crate::history::History;
use std::collections::BTreeMap;

pub(super) fn check(history: &History) -> Vec<String> {
    let mut wrong = Vec::new();
    let outcomes = outcomes(history.trail());
    let statements = statements(history);
    let rows: BTreeMap<&str, usize> =
        history.rows.iter().map(|row| (row.mark.as_str(), row.written_ms.len())).collect();
    let intents = intents(history);
    for mark in rows.keys().chain(intents.keys().filter(|mark| !rows.contains_key(*mark))) {
        let count = |wanted: &str| {
            let operations = intents.get(mark).into_iter().flatten();
            operations
                .filter(|intent| outcomes.get(field(intent, "operation.id")) == Some(&wanted))
                .count()
        };
        let (completed, unknown) = (count("completed"), count("outcome_unknown"));
        let least = match statements.get(mark) {
            Some(statement) if statement.leaves_its_row() => completed,
            Some(_) | None => 0,
        };
        let times = rows.get(mark).copied().unwrap_or_default();
        if !(least..=completed + unknown).contains(&times) {
            wrong.push(format!(
                "row '{mark}' stands {times} times in the target's table; {completed} operations were completed and {unknown} are unknown"
            ));
        }
    }
    let mut consumers: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for intent in of_kind(history.trail(), "intent") {
        let hold = field(intent, "hold.id");
        if !hold.is_empty() {
            consumers.entry(hold).or_default().push(field(intent, "operation.id"));
        }
    }
    wrong.extend(consumers.into_iter().filter(|(_, operations)| operations.len() > 1).map(
        |(hold, operations)| {
            format!("hold {hold} admitted {} operations: {operations:?}", operations.len())
        },
    ));
    wrong
}
