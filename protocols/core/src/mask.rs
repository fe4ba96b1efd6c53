//! Masking: what of a target's answers an agent does not see, and [`Masked`], the only thing that the writers towards the
//! agent and the recording accept.
//!
//! [`MaskRule`]s are compiled, all of them at one policy revision, to [`MaskRules`]; those that concern one session are its
//! [`MaskPlan`]. A plan travels with the verdict: [`Cleared`](crate::permit::Cleared) carries the plan of the revision it
//! was judged under, and [`Release`](crate::permit::Release) hands it to who writes the answer. Nobody outside of this
//! crate and the gate can make a plan, so an answer cannot be written without the one that was in force where its
//! operation was admitted.
//!
//! Where a value comes from, and how a protocol writes it, is the adapters' knowledge. Masking is not access control: what
//! an agent may ask, policy says; a predicate over a masked column tells of its values whatever is masked in the answer.

mod column;
mod column_mask;
mod detector;
mod disguise;
mod document;
mod json_path;
mod key;
mod kind;
mod plan;
mod rule;
mod tally;

pub use column::{ColumnName, ColumnPattern, ColumnPatternError};
pub use column_mask::{ColumnMask, Shown};
pub use detector::{Detector, DetectorError};
pub use disguise::REDACTED;
pub use document::json_string;
pub use json_path::{JsonPath, JsonPathError};
pub use key::MaskKey;
pub use kind::MaskKind;
pub use plan::{MaskPlan, MaskRules};
pub use rule::{
    CustomPattern, JsonColumn, MAX_COLUMNS, MAX_JSON_PATHS, MAX_KEPT, MAX_PATTERN, MAX_PATTERNS,
    MaskRule, MaskRuleProblem, MaskTargets,
};
pub use tally::{MAX_TALLY, MaskPlace, MaskTally};

use crate::refusal::{AgentFacing, Fault, Refusal};

/// A value that may leave the gateway: every mask rule that covers it has been applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Masked<T>(T);

impl<T> Masked<T> {
    /// The value, to be written.
    pub fn into_inner(self) -> T {
        self.0
    }

    /// A look at the value.
    pub fn get(&self) -> &T {
        &self.0
    }

    /// What the value says in another form. The function has nothing but the value: what it makes of it is as masked.
    pub fn read_as<U>(&self, read: fn(&T) -> U) -> Masked<U> {
        Masked(read(&self.0))
    }
}

/// Why a value could not be masked. Whatever the reason, it does not leave the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MaskError {
    /// It was to pass as it is, and there are rules.
    #[error("the bytes were to pass unread, and mask rules cover this answer")]
    Covered,
    /// It is in a form that cannot be read, so nobody can say what in it is covered.
    #[error("a value is in a form that the masker cannot read")]
    Unreadable,
    /// It is larger than what is masked in one piece.
    #[error("a value is larger than the {most} bytes that are masked in one piece")]
    TooLarge {
        /// The most bytes.
        most: usize,
    },
    /// The key of the rule cannot be used.
    #[error("the key of the mask rule cannot be used")]
    Key,
}

impl AgentFacing for MaskError {
    fn refusal(&self) -> Refusal {
        Refusal::MaskFailed
    }

    fn fault(&self) -> Fault {
        match self {
            Self::Covered | Self::Key => Fault::Internal,
            Self::Unreadable | Self::TooLarge { .. } => Fault::Upstream,
        }
    }
}

#[cfg(test)]
mod tests;
