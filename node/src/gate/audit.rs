//! What the audit is told of an operation, the same in every event. Texts are cut here already as the state would cut them:
//! an event is never too long to be proposed, because its operation may be on its way to the target.

use countersign_core::{
    id::Revision,
    operation::Operation,
    permit::Approval,
    policy::{DenyReason, recorded},
    session::Session,
};
use countersign_raft_store::{
    command::{Intent, Refused},
    limits::MAX_SHORT_TEXT,
    records::{AuditText, action_names, clipped},
};

/// The intent of an operation that policy allowed.
pub(super) fn intent(
    session: &Session,
    operation: &Operation,
    basis: countersign_core::permit::Basis,
) -> Intent {
    Intent {
        session: session.id(),
        template: basis.approval.and_then(Approval::grant).and(operation.template()),
        basis,
        summary: summary(operation),
        text: AuditText::of(operation.text()),
        actions: action_names(operation.demands()),
        asked: recorded::asked(operation),
    }
}

fn summary(operation: &Operation) -> String {
    clipped(&operation.classification().summary, MAX_SHORT_TEXT).into_owned()
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
        message: clipped(&reason.message, MAX_SHORT_TEXT).into_owned(),
        summary: summary(operation),
        text: AuditText::of(operation.text()),
        actions: action_names(operation.demands()),
        asked: recorded::asked(operation),
    }
}
