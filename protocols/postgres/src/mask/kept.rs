//! What a recording has of an answer whose agent some rules spare: the same as of any other agent's, because who looks at a
//! recording is somebody else. What the agent sees is decided as if there were no recording.

use super::{Rows, vouched};
use crate::record::Shape;
use bytes::Bytes;
use countersign_core::{
    mask::{MaskPlan, Masked},
    recording::{Entry, Speaker},
};

/// An error or a notice.
#[derive(Clone, Debug)]
pub(crate) struct Complaint {
    /// As the agent hears it.
    pub(crate) told: Masked<Bytes>,
    /// As it is recorded.
    pub(crate) kept: Masked<Bytes>,
}

/// What is recorded of an answer.
#[derive(Debug)]
pub(super) struct Kept {
    plan: MaskPlan,
    rows: Rows,
}

impl Kept {
    /// What is recorded beside a plan that spares the agent.
    pub(super) fn new(masks: &MaskPlan) -> Self {
        Self { plan: masks.of_recording().clone(), rows: Rows::NotDescribed }
    }

    pub(super) const fn plan(&self) -> &MaskPlan {
        &self.plan
    }

    /// What becomes of the rows that come now.
    pub(super) fn described(&mut self, rows: Rows) {
        self.rows = rows;
    }

    /// No more rows of these columns come.
    pub(super) fn retire_rows(&mut self) {
        self.rows = Rows::NotDescribed;
    }

    /// A row, or a piece of the data of a COPY, for the recording. Where it cannot be masked, the recording says that there
    /// was one.
    pub(super) fn entry(&mut self, body: &Bytes, shape: &Shape) -> Masked<Entry> {
        let shown = self.rows.shown(body).ok().and_then(|shown| shape.entry(&shown));
        let entry = shown.unwrap_or_else(|| Entry::Said {
            speaker: Speaker::Gateway,
            text: format!("a row of {} bytes is sent that is masked in recordings", body.len()),
        });
        vouched(&self.plan, entry)
    }
}
