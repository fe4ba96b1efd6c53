//! `no_forward_without_intent`: what stands in the target's table has an intent in the audit trail, and an answer that
//! an agent got to a read has one too. Counter-example: a row, or an answered read, that no intent names.

use super::{field, of_kind};
use crate::history::{Answer, Entry, History};

pub(super) fn check(history: &History) -> Vec<String> {
    let texts: Vec<&str> =
        of_kind(history.trail(), "intent").map(|event| field(event, "operation.text")).collect();
    let has_intent = |mark: &str| texts.iter().any(|text| text.contains(mark));
    // An intent that the log refused releases no answer.
    let releasing: Vec<&str> = of_kind(history.trail(), "intent")
        .filter(|event| field(event, "verdict") != "withheld")
        .map(|event| field(event, "operation.text"))
        .collect();
    let has_release = |mark: &str| releasing.iter().any(|text| text.contains(mark));
    let rows = history.rows.iter().filter(|row| !has_intent(&row.mark)).map(|row| {
        format!("row '{}' stands in the target's table, and no intent names it", row.mark)
    });
    let answers = history.entries.iter().filter_map(|entry| match entry {
        Entry::Answered { at_ms, mark, node, answer: Answer::Done } if !has_release(mark) => {
            Some(format!("node {node} answered '{mark}' at {at_ms} ms, and no intent releases it"))
        }
        Entry::Answered { .. }
        | Entry::WriteSent { .. }
        | Entry::ReadSent { .. }
        | Entry::Decided { .. }
        | Entry::Fault { .. } => None,
    });
    rows.chain(answers).collect()
}
