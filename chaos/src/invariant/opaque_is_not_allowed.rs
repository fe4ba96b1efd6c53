//! `opaque_is_not_allowed`: the sample's policy names no opaque statement, so whatever the gateway cannot fully understand was
//! held; and what agents sent as opaque was recognised as such. Counter-example: an intent without a hold.

use super::reading::{field, intents, of_kind, statements};
use crate::history::{History, Shape};
use countersign_api::audit::AuditEvent;

const OPAQUE: &str = "postgres:opaque";

pub(super) fn check(history: &History) -> Vec<String> {
    let is_opaque = |event: &AuditEvent| {
        field(event, "operation.actions").split(',').any(|action| action == OPAQUE)
    };
    let mut wrong = Vec::new();
    for intent in of_kind(history.trail(), "intent").filter(|intent| is_opaque(intent)) {
        if field(intent, "hold.id").is_empty() || field(intent, "verdict") != "hold" {
            wrong.push(format!(
                "intent {} is of an opaque operation, and it was not held",
                intent.sequence
            ));
        }
    }
    let statements = statements(history);
    for (mark, intents) in intents(history) {
        if statements.get(mark).is_none_or(|statement| statement.shape != Shape::Opaque) {
            continue;
        }
        for intent in intents.into_iter().filter(|intent| !is_opaque(intent)) {
            wrong.push(format!(
                "'{mark}' was taken for {} at intent {}",
                field(intent, "operation.actions"),
                intent.sequence
            ));
        }
    }
    wrong
}
