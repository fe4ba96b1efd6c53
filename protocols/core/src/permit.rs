//! The proof chain that ends in a forward. Each value has one source and is consumed by the next stage.
//!
//! [`Cleared`] comes from policy (allowed), from a consumed approval or from a grant; [`Receipt`] from the committed intent; together
//! they make a [`Permit`] (one forward of one fingerprint) and a [`Release`] (the answer may go to the agent).
//! Nothing here checks again what its sources have checked: it only makes the order impossible to leave.

use crate::{
    fingerprint::Fingerprint,
    id::{GrantId, HoldId, LogIndex, OperationId, Revision},
    mask::MaskPlan,
    operation::Operation,
};

/// When the intent must be committed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum AuditLevel {
    /// Before the first byte of the answer reaches the agent it is noted on the node's own disk; it is committed soon after.
    /// Ordered first: it demands the least.
    Batched,
    /// Before the first byte of the answer reaches the agent.
    BeforeReply,
    /// Before the first byte of the operation reaches the target.
    BeforeForward,
}

impl AuditLevel {
    /// The name used in policies and audit events.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Batched => "batched",
            Self::BeforeReply => "before_reply",
            Self::BeforeForward => "before_forward",
        }
    }
}

/// What was decided about one operation, for the intent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Basis {
    /// The operation.
    pub operation: OperationId,
    /// What exactly was cleared.
    pub fingerprint: Fingerprint,
    /// When the intent must be committed.
    pub audit: AuditLevel,
    /// The policy revision it was judged under.
    pub revision: Revision,
    /// The rules that decided.
    pub rules: Vec<String>,
    /// Whose approval it rests on, if one was needed.
    pub approval: Option<Approval>,
}

impl Basis {
    fn ground(&self) -> Ground {
        if self.approval.is_some() { Ground::Approved } else { Ground::Allowed }
    }
}

/// What a held operation goes through on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Approval {
    /// The approval of its own hold, consumed by its claim.
    Hold(HoldId),
    /// A grant, which its intent uses.
    Grant(GrantId),
}

impl Approval {
    /// The hold, where it is the approval of one.
    pub const fn hold(self) -> Option<HoldId> {
        match self {
            Self::Hold(id) => Some(id),
            Self::Grant(_) => None,
        }
    }

    /// The grant, where it is one.
    pub const fn grant(self) -> Option<GrantId> {
        match self {
            Self::Grant(id) => Some(id),
            Self::Hold(_) => None,
        }
    }
}

/// An operation that may be admitted: allowed by policy, approved and claimed, or covered by a grant. It carries what is
/// masked in its answer at the revision it was judged under, which is the one in force at its intent's place in the log.
#[derive(Debug)]
#[must_use = "a cleared operation that is dropped is not forwarded"]
pub struct Cleared {
    basis: Basis,
    masks: MaskPlan,
}

impl Cleared {
    /// Only `core::policy::evaluate`, [`Approved::clear`](crate::hold::Approved::clear) and
    /// [`Grant::clear`](crate::grant::Grant::clear) make one.
    /// They see to it that the masks are of the revision that the operation was judged under.
    pub(crate) fn new(basis: Basis, masks: MaskPlan) -> Self {
        Self { basis, masks }
    }

    /// What was decided.
    pub fn basis(&self) -> &Basis {
        &self.basis
    }
}

/// The place of a committed intent in the log.
#[derive(Debug, PartialEq, Eq)]
pub struct Receipt {
    operation: OperationId,
    index: LogIndex,
}

impl Receipt {
    /// The receipt of an intent that the log has committed. Only `raft-store` may call this (see `clippy.toml`).
    pub fn after_commit(operation: OperationId, index: LogIndex) -> Self {
        Self { operation, index }
    }

    /// Where the intent stands.
    pub fn index(&self) -> LogIndex {
        self.index
    }
}

/// The intent is noted on the disk of its node, which goes on until the log has committed it.
#[derive(Debug, PartialEq, Eq)]
pub struct NoteReceipt {
    operation: OperationId,
}

impl NoteReceipt {
    /// The receipt of an intent that is on the node's disk. Only `raft-store` may call this (see `clippy.toml`).
    pub fn after_sync(operation: OperationId) -> Self {
        Self { operation }
    }
}

/// A receipt, and what was cleared, do not belong together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PermitError {
    /// The receipt is of another operation's intent.
    #[error("the receipt belongs to another operation")]
    OtherOperation,
    /// The bytes to be forwarded are not those that were cleared.
    #[error("the operation is not the one that was cleared")]
    OtherFingerprint,
    /// What is to be masked in the answer is of another revision than what was judged.
    #[error("the masks are of another revision than the one the operation was judged under")]
    OtherMasks,
    /// The audit level wants the commit first.
    #[error("the audit level wants the intent committed before the operation is forwarded")]
    CommitFirst,
    /// The audit level wants the commit, and there is only a note.
    #[error("the audit level wants the intent committed before the operation is answered")]
    NoteIsNotEnough,
}

/// What lets an operation be forwarded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ground {
    /// Policy allows it, and nobody has looked at it.
    Allowed,
    /// People have approved exactly it.
    Approved,
}

/// Admits one forward of one fingerprint. It is consumed by forwarding and cannot be copied.
#[derive(Debug)]
#[must_use = "a permit that is dropped forwards nothing"]
pub struct Permit {
    fingerprint: Fingerprint,
    operation: OperationId,
    revision: Revision,
    ground: Ground,
}

/// The node held a valid serving lease a moment ago. Not to be kept: ask for it right before its use.
#[derive(Debug)]
#[must_use = "ask for the lease right before bytes go upstream"]
pub struct Leased(());

impl Leased {
    /// The lease was looked at and is valid. Only the node may call this (see `clippy.toml`).
    pub fn checked() -> Self {
        Self(())
    }
}

/// The answer may go to the agent, masked: the intent is committed, or noted where the audit level lets it.
#[derive(Debug)]
#[must_use = "without the release nothing of the answer may be written"]
pub struct Release {
    operation: OperationId,
    masks: MaskPlan,
}

/// The answer waits for the receipt of an intent that is on its way (audit levels `before_reply` and `batched`).
#[derive(Debug)]
#[must_use = "the answer waits for this"]
pub struct AwaitedRelease {
    operation: OperationId,
    audit: AuditLevel,
    masks: MaskPlan,
}

impl Permit {
    /// The permit of a cleared operation whose intent is committed.
    pub fn grant(cleared: Cleared, receipt: Receipt) -> Result<(Self, Release), PermitError> {
        let Cleared { basis, masks } = cleared;
        let ground = basis.ground();
        let Basis { operation, fingerprint, revision, .. } = basis;
        if receipt.operation != operation {
            return Err(PermitError::OtherOperation);
        }
        Ok((Self { fingerprint, operation, revision, ground }, Release { operation, masks }))
    }

    /// The permit of a cleared operation whose intent is submitted but not yet committed: only at the audit levels
    /// `before_reply` and `batched`, and the answer waits.
    pub fn ahead(cleared: Cleared) -> Result<(Self, AwaitedRelease), PermitError> {
        let Cleared { basis, masks } = cleared;
        let ground = basis.ground();
        let Basis { operation, fingerprint, revision, audit, .. } = basis;
        match audit {
            AuditLevel::BeforeForward => Err(PermitError::CommitFirst),
            AuditLevel::Batched | AuditLevel::BeforeReply => {
                let awaited = AwaitedRelease { operation, audit, masks };
                Ok((Self { fingerprint, operation, revision, ground }, awaited))
            }
        }
    }

    /// The policy revision that the operation was cleared under.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// What it was granted for. An operation can have been held and still be allowed in the end, by rules that changed
    /// while it waited.
    pub fn ground(&self) -> Ground {
        self.ground
    }

    /// Consumes the permit for the bytes it covers, while the node holds a lease. Forward writes what this returns and
    /// nothing else.
    pub fn open(
        self,
        operation: &Operation,
        leased: Leased,
    ) -> Result<Forwardable<'_>, PermitError> {
        let Leased(()) = leased;
        if operation.id() != self.operation {
            return Err(PermitError::OtherOperation);
        }
        if operation.fingerprint() != &self.fingerprint {
            return Err(PermitError::OtherFingerprint);
        }
        Ok(Forwardable { operation })
    }
}

impl AwaitedRelease {
    /// The release, now that the intent is committed.
    pub fn receive(self, receipt: Receipt) -> Result<Release, PermitError> {
        if receipt.operation != self.operation {
            return Err(PermitError::OtherOperation);
        }
        Ok(Release { operation: self.operation, masks: self.masks })
    }

    /// The release, now that the intent is noted on the node's disk: only at audit level `batched`.
    pub fn receive_note(self, receipt: NoteReceipt) -> Result<Release, PermitError> {
        if receipt.operation != self.operation {
            return Err(PermitError::OtherOperation);
        }
        match self.audit {
            AuditLevel::Batched => Ok(Release { operation: self.operation, masks: self.masks }),
            AuditLevel::BeforeReply | AuditLevel::BeforeForward => {
                Err(PermitError::NoteIsNotEnough)
            }
        }
    }
}

impl Release {
    /// The operation whose answer is released.
    pub fn operation(&self) -> OperationId {
        self.operation
    }

    /// What is masked in it. There is no other way to a plan for an answer.
    pub fn masks(&self) -> &MaskPlan {
        &self.masks
    }
}

/// An operation whose permit was just consumed: what forward writes upstream.
#[derive(Debug)]
pub struct Forwardable<'a> {
    operation: &'a Operation,
}

impl Forwardable<'_> {
    /// The operation.
    pub fn operation(&self) -> &Operation {
        self.operation
    }
}

#[cfg(test)]
mod tests;
