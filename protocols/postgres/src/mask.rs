//! The masker of a session: whatever goes from the target to the agent passes it, because the writer takes only [`Masked`].
//!
//! It knows no plan of its own. An answer is masked by the plan of its release, and outside of an answer there is the plan
//! that the gate says; without one of them nothing of the target's passes.

use bytes::Bytes;
use countersign_core::mask::{MaskError, MaskPlan, Masked};

/// The masker of one session.
#[derive(Debug, Default)]
pub(crate) struct Masker {
    /// The plan of the answer that is being relayed.
    answering: Option<MaskPlan>,
}

impl Masker {
    /// From here on an answer is relayed that was released with `masks`.
    pub(crate) fn answer(&mut self, masks: &MaskPlan) {
        self.answering = Some(masks.clone());
    }

    /// The answer is over.
    pub(crate) fn answered(&mut self) {
        self.answering = None;
    }

    /// Bytes of the answer.
    pub(crate) fn target(&self, bytes: Bytes) -> Result<Masked<Bytes>, MaskError> {
        self.answering.as_ref().ok_or(MaskError::Covered)?.pass(bytes)
    }

    /// What the target says of itself: as part of an answer, or between two under the plan that is known to be in force.
    pub(crate) fn aside(&self, known: &MaskPlan, bytes: Bytes) -> Result<Masked<Bytes>, MaskError> {
        self.answering.as_ref().unwrap_or(known).pass(bytes)
    }

    /// A message of the gateway's own.
    pub(crate) fn own(message: Bytes) -> Masked<Bytes> {
        #[expect(clippy::disallowed_methods, reason = "this is the adapter's masker")]
        let masked = MaskPlan::own_words(message);
        masked
    }
}
