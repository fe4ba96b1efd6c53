//! `revision_in_force`: every intent was judged under the policy revision and the target's definition of its own place in the
//! log. Revocations, which are in force at a place too, have a checker of their own.

use super::{
    reading::{field, is_withheld},
    rules::JUDGED_BY,
};
use crate::history::History;
use std::collections::BTreeMap;

pub(super) fn check(history: &History) -> Vec<String> {
    let mut policy = "";
    let mut targets: BTreeMap<&str, &str> = BTreeMap::new();
    let mut wrong = Vec::new();
    for event in history.trail() {
        let after = field(event, "revision.after");
        match (event.kind.as_str(), field(event, "resource.kind")) {
            ("resource_changed", "Target") => {
                targets.insert(field(event, "resource.name"), after);
            }
            ("resource_changed", kind) if JUDGED_BY.contains(&kind) => policy = after,
            // Forwarded ahead of an intent that the log refused: its answer is withheld, for this very reason.
            ("intent", _) if is_withheld(event) => {}
            ("intent", _) => {
                let target = targets.get(field(event, "target.name")).copied().unwrap_or_default();
                for (of, in_force) in [("policy", policy), ("target", target)] {
                    let judged = field(event, &format!("{of}.revision"));
                    if judged != in_force {
                        wrong.push(format!(
                            "intent {} (operation {}) was judged under {of} revision {judged}, in force was {in_force}",
                            event.sequence,
                            field(event, "operation.id"),
                        ));
                    }
                }
            }
            _ => {}
        }
    }
    wrong
}
