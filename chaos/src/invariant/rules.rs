//! What policy asked of reviewers at each revision, as the audit trail itself tells: the change of a policy is recorded with
//! the document after it.

use super::reading::{field, of_kind};
use countersign_api::audit::AuditEvent;
use serde_json::Value;
use std::collections::BTreeMap;

/// Changes of these kinds move the policy revision.
pub(super) const JUDGED_BY: &[&str] = &["Policy", "Binding", "IdentityProvider", "MaskRule"];
/// What stands before the document after the change.
const AFTER: &str = "\n+ ";
const QUORUM: &str = "@quorum(\"";

/// How many approvals the sample's rule asks for, by policy revision.
pub(super) fn quorums(trail: &[AuditEvent]) -> BTreeMap<&str, usize> {
    let mut in_force = 1;
    let mut quorums = BTreeMap::new();
    for event in of_kind(trail, "resource_changed") {
        let kind = field(event, "resource.kind");
        if kind == "Policy" {
            in_force = quorum(field(event, "diff"));
        }
        if JUDGED_BY.contains(&kind) {
            quorums.insert(field(event, "revision.after"), in_force);
        }
    }
    quorums
}

fn quorum(diff: &str) -> usize {
    let document = diff.rsplit_once(AFTER).map_or("", |(_, after)| after);
    let document: Value = serde_json::from_str(document).unwrap_or_default();
    let cedar = document.get("cedar").and_then(Value::as_str).unwrap_or_default();
    let said = cedar.split_once(QUORUM).and_then(|(_, rest)| rest.split_once('"'));
    said.and_then(|(number, _)| number.parse().ok()).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quorum_is_read_from_the_document_after_the_change() {
        let two = r#"{"cedar":"@id(\"e\") @hold(\"dba\") @quorum(\"2\")\npermit();"}"#;
        let one = r#"{"cedar":"@id(\"e\") @hold(\"dba\")\npermit();"}"#;
        assert_eq!(quorum(&format!("- {one}\n+ {two}")), 2);
        assert_eq!(quorum(&format!("- {two}\n+ {one}")), 1);
    }
}
