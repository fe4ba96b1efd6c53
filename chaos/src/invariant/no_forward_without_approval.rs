//! `no_forward_without_approval`: every intent of a statement that policy holds consumed a hold which enough distinct
//! reviewers of the group had approved before it in the log, for the same fingerprint, none of them the requester or the
//! human it acts for. The trail does not record the reviewers' groups: who is in the group is the sample's.

use super::{
    reading::{field, intents, of_kind, statements},
    rules::quorums,
};
use crate::{history::History, traffic::reviewers::DBA};
use countersign_api::audit::AuditEvent;
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn check(history: &History) -> Vec<String> {
    let trail = history.trail();
    let statements = statements(history);
    let quorums = quorums(trail);
    let mut approvals: BTreeMap<&str, Vec<&AuditEvent>> = BTreeMap::new();
    for decided in of_kind(trail, "decided").filter(|event| field(event, "decision") == "approve") {
        approvals.entry(field(decided, "hold.id")).or_default().push(decided);
    }
    let intents = intents(history);
    let unknown = history.rows.iter().filter(|row| !intents.contains_key(row.mark.as_str()));
    let mut wrong: Vec<String> = unknown
        .map(|row| format!("row '{}' was written, and nobody could approve it", row.mark))
        .collect();
    for (mark, intents) in intents {
        // A row that nobody here sent must have been approved like every other.
        if statements.get(mark).is_some_and(|statement| !statement.is_held()) {
            continue;
        }
        for intent in intents {
            let approved = approvals.get(field(intent, "hold.id")).map_or(&[][..], Vec::as_slice);
            let needed = quorums.get(field(intent, "policy.revision")).copied().unwrap_or(1);
            let approvers = approvers(approved, intent);
            if approvers.len() < needed {
                wrong.push(format!(
                    "intent {} of '{mark}' by {} consumed hold '{}', which {approvers:?} had approved; {needed} of {DBA:?} were needed",
                    intent.sequence,
                    field(intent, "agent.subject"),
                    field(intent, "hold.id"),
                ));
            }
        }
    }
    wrong
}

/// The people whose approval of this operation counts.
fn approvers<'a>(approved: &[&'a AuditEvent], intent: &AuditEvent) -> BTreeSet<&'a str> {
    let identity = |event: &AuditEvent, who: &str| {
        (
            field(event, &format!("{who}.issuer")).to_owned(),
            field(event, &format!("{who}.subject")).to_owned(),
        )
    };
    let counts = |decided: &&&AuditEvent| {
        let reviewer = field(decided, "reviewer.subject");
        decided.sequence < intent.sequence
            && field(decided, "fingerprint") == field(intent, "fingerprint")
            && identity(decided, "reviewer") != identity(intent, "agent")
            && reviewer != field(intent, "agent.owner")
            && DBA.contains(&reviewer)
    };
    approved.iter().filter(counts).map(|decided| field(decided, "reviewer.subject")).collect()
}
