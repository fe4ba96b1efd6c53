//! `no_forward_without_intent`: what stands in the target's table has an intent in the audit trail that is older than it,
//! and so has an answer that an agent got. Counter-example: a row or an answer that no intent names, or that is older.

use super::reading::{ROUNDING_MS, at_ms, intents, is_withheld};
use crate::history::{Answer, Entry, History};
use countersign_api::audit::AuditEvent;

pub(super) fn check(history: &History) -> Vec<String> {
    let intents = intents(history);
    let times = |mark: &str, counts: fn(&AuditEvent) -> bool| -> Vec<u64> {
        let named = intents.get(mark).into_iter().flatten().filter(|intent| counts(intent));
        let mut times: Vec<u64> = named.map(|intent| at_ms(intent)).collect();
        times.sort_unstable();
        times
    };
    let mut wrong = Vec::new();
    for row in &history.rows {
        let intended = times(&row.mark, |_| true);
        if intended.is_empty() {
            wrong.push(format!(
                "row '{}' stands in the target's table, and no intent names it",
                row.mark
            ));
        }
        // Each row needs an intent of its own before it: then the n-th row is not before the n-th intent.
        let early = row
            .written_ms
            .iter()
            .zip(&intended)
            .find(|(row, intent)| **row + ROUNDING_MS < **intent);
        if let Some((written, intent)) = early {
            wrong.push(format!(
                "row '{}' was written at {written}, its intent is of {intent}",
                row.mark
            ));
        }
    }
    for entry in &history.entries {
        let Entry::Answered { at_ms, mark, node, answer: Answer::Done, .. } = entry else {
            continue;
        };
        let answered = history.header.began_ms + at_ms;
        // An intent that the log refused releases no answer.
        match times(mark, |intent| !is_withheld(intent)).first() {
            None => wrong.push(format!(
                "node {node} answered '{mark}' at {at_ms} ms, and no intent releases it"
            )),
            Some(intent) if answered + ROUNDING_MS < *intent => wrong.push(format!(
                "node {node} answered '{mark}' at {answered}, its first intent is of {intent}"
            )),
            Some(_) => {}
        }
    }
    wrong
}
