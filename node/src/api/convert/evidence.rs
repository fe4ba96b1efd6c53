//! What was found out about a held operation, as the API shows it.

use super::Extent;
use countersign_api::hold;
use countersign_core::evidence::{EstimatedChange, Evidence, Locks, OpenTransaction, Plan};
use countersign_raft_store::records::{EvidenceRecord, HoldRecord};
use serde_json::Value;

/// The plan is for whoever looks at the hold; lists and events have what is beside it.
pub(super) fn shown(record: &EvidenceRecord, of: &HoldRecord, extent: Extent) -> hold::Evidence {
    let Evidence { plan, estimates, transaction } = &record.evidence;
    let (plan, no_plan) = match (plan, extent) {
        (Plan::Known(document), Extent::Whole) => (Some(read(document)), None),
        (Plan::Known(_), Extent::Excerpt) => (None, None),
        (Plan::Absent(reason), _) => (None, Some(reason.clone())),
    };
    let changed = estimates.as_ref().map(|estimates| estimates.changed.as_slice());
    hold::Evidence {
        at: record.at.into(),
        plan,
        no_plan,
        returned_rows: estimates.as_ref().map(|estimates| estimates.returned),
        affected_rows: changed.map(all),
        changes: changed.unwrap_or_default().iter().map(change).collect(),
        transaction: transaction.as_ref().map(|transaction| open(transaction, record, of)),
    }
}

/// The document of the target; a text where it is none.
fn read(document: &str) -> Value {
    serde_json::from_str(document).unwrap_or_else(|_| Value::String(document.to_owned()))
}

fn all(changed: &[EstimatedChange]) -> u64 {
    changed.iter().fold(0, |sum, one| sum.saturating_add(one.rows))
}

fn change(change: &EstimatedChange) -> hold::EstimatedChange {
    hold::EstimatedChange { what: change.what.clone(), rows: change.rows }
}

fn open(
    transaction: &OpenTransaction,
    record: &EvidenceRecord,
    of: &HoldRecord,
) -> hold::OpenTransaction {
    let (locks, locks_left_out, no_locks) = match &transaction.locks {
        Locks::Known { lines, left_out } => (Some(lines.clone()), *left_out, None),
        Locks::Unknown(reason) => (None, 0, Some(reason.clone())),
    };
    hold::OpenTransaction {
        session_id: record.session.to_string(),
        waiting: of.attached.iter().any(|waiting| waiting.session == record.session),
        age_ms: transaction.age_ms,
        locks,
        locks_left_out,
        no_locks,
    }
}
