//! `no_forward_without_approval`: every row of the target's table was written under an intent that consumed a hold which
//! a reviewer, not the requester, had approved before it in the log, for the same fingerprint.

use super::{field, of_kind};
use crate::history::History;
use countersign_api::audit::AuditEvent;

pub(super) fn check(history: &History) -> Vec<String> {
    let trail = history.trail();
    history
        .rows
        .iter()
        .filter_map(|row| {
            let intents: Vec<_> =
                of_kind(trail, "intent").filter(|event| field(event, "operation.text").contains(&row.mark)).collect();
            if intents.iter().any(|intent| approved(trail, intent)) {
                return None;
            }
            let holds: Vec<_> = intents.iter().map(|intent| field(intent, "hold.id")).collect();
            Some(format!(
                "row '{}' was written under {} intent(s) with hold(s) {holds:?}, none of them approved by a reviewer before it",
                row.mark,
                intents.len()
            ))
        })
        .collect()
}

fn approved(trail: &[AuditEvent], intent: &AuditEvent) -> bool {
    let hold = field(intent, "hold.id");
    !hold.is_empty()
        && of_kind(trail, "decided").any(|decided| {
            decided.sequence < intent.sequence
                && field(decided, "hold.id") == hold
                && field(decided, "decision") == "approve"
                && field(decided, "fingerprint") == field(intent, "fingerprint")
                && (field(decided, "reviewer.issuer"), field(decided, "reviewer.subject"))
                    != (field(intent, "agent.issuer"), field(intent, "agent.subject"))
        })
}
