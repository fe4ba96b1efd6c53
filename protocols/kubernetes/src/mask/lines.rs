//! Lines of a log, one behind the other. What detectors find stands in one line, but for a private key: its lines say nothing
//! by themselves, and are covered from its first to its last.

use countersign_core::mask::{ColumnMask, Detector, MaskError, MaskPlan, REDACTED};

/// The longest key, in lines: with 64 letters a line, more than one of 16,384 bits has. A text that begins like a key and goes
/// on for longer is none, and shows its lines again.
const MAX_KEY_LINES: usize = 256;
const BEGIN: &str = "-----BEGIN ";
const KEY: &str = "PRIVATE KEY";
const END: &str = "-----END ";
const DASHES: &str = "-----";

/// Where in the lines of a log one is.
#[derive(Debug, Default)]
pub(super) enum Lines {
    #[default]
    Outside,
    /// In a private key, so many lines behind its first.
    InKey(usize),
}

impl Lines {
    /// What is to be shown for a line.
    pub(super) fn masked(
        &mut self,
        plan: &MaskPlan,
        mask: &mut ColumnMask,
        line: &str,
    ) -> Result<String, MaskError> {
        let (content, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
        let shown = match *self {
            Self::InKey(lines) if lines < MAX_KEY_LINES => {
                if let Some(behind) = behind_key(content) {
                    *self = Self::Outside;
                    format!("{REDACTED}{}", self.outside(plan, mask, behind)?)
                } else {
                    *self = Self::InKey(lines + 1);
                    REDACTED.to_owned()
                }
            }
            Self::InKey(_) | Self::Outside => {
                *self = Self::Outside;
                self.outside(plan, mask, content)?
            }
        };
        Ok(shown + end)
    }

    fn outside(
        &mut self,
        plan: &MaskPlan,
        mask: &mut ColumnMask,
        text: &str,
    ) -> Result<String, MaskError> {
        if plan.finds(Detector::PrivateKey) && begins_key(text) {
            *self = Self::InKey(0);
        }
        mask.mask_text(text)
    }
}

/// Whether a key begins in a line and does not end in it.
fn begins_key(line: &str) -> bool {
    let begun = line.rsplit_once(BEGIN).and_then(|(_, behind)| behind.split_once(DASHES));
    begun.is_some_and(|(label, behind)| label.ends_with(KEY) && behind_key(behind).is_none())
}

/// What stands behind the end of a key, if it ends in this line.
fn behind_key(line: &str) -> Option<&str> {
    let (_, label) = line.split_once(END)?;
    label.split_once(DASHES).map(|(_, behind)| behind)
}
