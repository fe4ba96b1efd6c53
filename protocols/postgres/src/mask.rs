//! The masker of a session: whatever goes from the target to the agent passes it. While no mask rule exists nothing is
//! covered; the way through it is compulsory all the same, because the writer takes only [`Masked`].

use bytes::Bytes;
use countersign_core::mask::{MaskPlan, Masked};

/// The masker of one session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Masker {
    plan: MaskPlan,
}

impl Masker {
    /// The masker of a session whose target no mask rule names.
    pub(crate) const fn new() -> Self {
        #[expect(clippy::disallowed_methods, reason = "this is the adapter's masker")]
        let plan = MaskPlan::nothing_covered();
        Self { plan }
    }

    /// Bytes of the target.
    pub(crate) fn target(self, bytes: Bytes) -> Masked<Bytes> {
        self.plan.apply(bytes)
    }

    /// A message of the gateway's own.
    pub(crate) fn own(message: Bytes) -> Masked<Bytes> {
        #[expect(clippy::disallowed_methods, reason = "this is the adapter's masker")]
        let masked = MaskPlan::own_words(message);
        masked
    }
}
