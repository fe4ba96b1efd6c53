//! What the audit is told of an operation, the same in every event.

use countersign_core::{
    id::Revision,
    operation::Operation,
    policy::DenyReason,
    session::Session,
};
use countersign_raft_store::{
    command::{Intent, Refused},
    records::{AuditText, action_names},
};

/// The intent of an operation that policy allowed.
pub(super) fn intent(
    session: &Session,
    operation: &Operation,
    basis: countersign_core::permit::Basis,
) -> Intent {
    Intent {
        session: session.id(),
        basis,
        summary: operation.classification().summary.clone(),
        text: AuditText::of(operation.text()),
        actions: action_names(operation.demands()),
    }
}

/// The refusal of an operation that policy denies.
pub(super) fn refused(
    session: &Session,
    operation: &Operation,
    revision: Revision,
    reason: &DenyReason,
) -> Refused {
    Refused {
        operation: operation.id(),
        session: session.id(),
        fingerprint: *operation.fingerprint(),
        revision,
        rules: reason.rules.clone(),
        message: reason.message.clone(),
        summary: operation.classification().summary.clone(),
        text: AuditText::of(operation.text()),
        actions: action_names(operation.demands()),
    }
}
