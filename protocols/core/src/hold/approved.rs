//! A consumed approval: the only way from a hold to a cleared operation.

use crate::{
    fingerprint::Fingerprint,
    id::{HoldId, OperationId, Revision},
    mask::MaskPlan,
    operation::Operation,
    permit::{Approval, AuditLevel, Basis, Cleared, PermitError},
};

/// The approval of one hold, consumed in the log for one operation.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "an approval that was consumed and is dropped is lost"]
pub struct Approved {
    hold: HoldId,
    operation: OperationId,
    fingerprint: Fingerprint,
    revision: Revision,
    rules: Vec<String>,
}

/// What the log said when it consumed the approval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consumption {
    /// The hold.
    pub hold: HoldId,
    /// The operation that consumed it.
    pub operation: OperationId,
    /// What was approved.
    pub fingerprint: Fingerprint,
    /// The policy revision in force.
    pub revision: Revision,
    /// The rules that held.
    pub rules: Vec<String>,
}

impl Approved {
    /// The approval that a committed claim consumed. Only `raft-store` may call this (see `clippy.toml`).
    pub fn after_claim(consumption: Consumption) -> Self {
        let Consumption { hold, operation, fingerprint, revision, rules } = consumption;
        Self { hold, operation, fingerprint, revision, rules }
    }

    /// Clears the operation that was approved, and no other, with what is masked in its answer under the revision that it
    /// was approved under.
    pub fn clear(self, operation: &Operation, masks: MaskPlan) -> Result<Cleared, PermitError> {
        if operation.id() != self.operation {
            return Err(PermitError::OtherOperation);
        }
        if operation.fingerprint() != &self.fingerprint {
            return Err(PermitError::OtherFingerprint);
        }
        if masks.revision() != self.revision {
            return Err(PermitError::OtherMasks);
        }
        let basis = Basis {
            operation: self.operation,
            fingerprint: self.fingerprint,
            audit: AuditLevel::BeforeForward,
            revision: self.revision,
            rules: self.rules,
            approval: Some(Approval::Hold(self.hold)),
        };
        Ok(Cleared::new(basis, masks))
    }
}
