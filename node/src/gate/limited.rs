//! Operations that a limit refuses are recorded as refused too: who presses against the limits is to be seen in the audit.
//! They are recorded at a bounded rate, because a flood of them must not become a flood of the log.

use super::{Inner, audit};
use countersign_core::{
    operation::Operation, policy::DenyReason, refusal::Refusal, session::Session,
};

/// Refusals by limits that one node records in a second; of others the next one says how many there were.
pub(super) const RECORDED_A_SECOND: u32 = 10;

impl Inner {
    /// Records the refusal of an operation, when a limit is its reason.
    pub(super) fn limited(&self, session: &Session, operation: &Operation, refusal: &Refusal) {
        match refusal {
            Refusal::TooManyHolds | Refusal::Overloaded { .. } | Refusal::TooLarge { .. } => {}
            // Recorded where they are decided, or no refusal by a limit.
            Refusal::NotIdentified
            | Refusal::NoSuchTarget
            | Refusal::Denied { .. }
            | Refusal::Rejected { .. }
            | Refusal::Withdrawn { .. }
            | Refusal::HoldExpired { .. }
            | Refusal::Parked { .. }
            | Refusal::PolicyChanged
            | Refusal::AnswerWithheld { .. }
            | Refusal::OutcomeUnknown { .. }
            | Refusal::NoQuorum
            | Refusal::ShuttingDown
            | Refusal::SessionEnded { .. }
            | Refusal::Protocol { .. }
            | Refusal::NotSupported { .. }
            | Refusal::TargetUnavailable
            | Refusal::MaskFailed
            | Refusal::NotRecorded
            | Refusal::Internal => return,
        }
        let Ok(unrecorded) = self.limit_refusals.take() else { return };
        let message = match unrecorded {
            0 => refusal.to_string(),
            more => format!("{refusal} ({more} refusals by limits before it are not recorded)"),
        };
        let reason = DenyReason { rules: Vec::new(), message };
        let revision = self.policies.current().revision();
        self.journal.refused(audit::refused(session, operation, revision, &reason));
    }
}
