//! What was found out about a held operation, for people: rows and locks first, the plan whole below them.

use crate::{
    output,
    visible::{visible, visible_lines},
};
use countersign_api::hold::{Evidence, OpenTransaction};

/// The parts of what is shown.
pub(super) fn shown(evidence: &Evidence) -> Vec<String> {
    let mut pairs = vec![("evidence of", evidence.at.to_string())];
    if let Some(rows) = evidence.affected_rows {
        pairs.push(("rows changed", format!("{rows} (the target's estimate)")));
    }
    if let Some(rows) = evidence.returned_rows {
        pairs.push(("rows returned", format!("{rows} (the target's estimate)")));
    }
    if let Some(transaction) = &evidence.transaction {
        pairs.extend(open(transaction));
    }
    if let Some(reason) = &evidence.no_plan {
        pairs.push(("no plan", visible(reason)));
    }
    let mut parts = vec![output::pairs(&pairs)];
    if !evidence.changes.is_empty() {
        let rows =
            evidence.changes.iter().map(|change| [visible(&change.what), change.rows.to_string()]);
        parts.push(output::table(["expected change", "rows"], rows));
    }
    if let Some(plan) = &evidence.plan {
        let text = serde_json::to_string_pretty(plan).unwrap_or_else(|_| plan.to_string());
        let lines = visible_lines(&text).map(|line| format!("  | {line}"));
        parts.push(format!("plan, not executed:\n{}", lines.collect::<Vec<_>>().join("\n")));
    }
    parts
}

fn open(transaction: &OpenTransaction) -> Vec<(&'static str, String)> {
    let seconds = transaction.age_ms / 1000;
    let whose = if transaction.waiting { "" } else { ", which waits no longer" };
    let session = visible(&transaction.session_id);
    let open = format!("of session {session}{whose}, open for {seconds} s when it was looked at");
    let mut pairs = vec![("transaction", open)];
    let locks = match (&transaction.locks, &transaction.no_locks) {
        (Some(locks), _) if locks.is_empty() => "none on relations".to_owned(),
        (Some(locks), _) => {
            let lines = locks.iter().map(|lock| visible(lock)).collect::<Vec<_>>().join(", ");
            match transaction.locks_left_out {
                0 => lines,
                more => format!("{lines}, and {more} more"),
            }
        }
        (None, Some(reason)) => format!("not known: {}", visible(reason)),
        (None, None) => "not known".to_owned(),
    };
    pairs.push(("locks", locks));
    pairs
}
