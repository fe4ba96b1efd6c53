//! `revision_in_force`: every intent was judged under the policy revision of its own place in the log.

use super::field;
use crate::history::History;

/// Kinds of resources whose change moves the policy revision.
const JUDGED_BY: &[&str] = &["Policy", "Binding", "IdentityProvider"];

pub(super) fn check(history: &History) -> Vec<String> {
    let mut in_force = String::new();
    let mut wrong = Vec::new();
    for event in history.trail() {
        match event.kind.as_str() {
            "resource_changed" if JUDGED_BY.contains(&field(event, "resource.kind")) => {
                field(event, "revision.after").clone_into(&mut in_force);
            }
            // Forwarded ahead of an intent that the log refused: its answer is withheld, for this very reason.
            "intent" if field(event, "verdict") == "withheld" => {}
            "intent" if field(event, "policy.revision") != in_force => wrong.push(format!(
                "intent {} (operation {}) was judged under revision {}, in force was {in_force}",
                event.sequence,
                field(event, "operation.id"),
                field(event, "policy.revision")
            )),
            _ => {}
        }
    }
    wrong
}
