//! The masker of an answer: whatever goes from an API server to the agent passes it, because the writer takes only [`Masked`].
//!
//! Values of Secrets are masked whatever the rules say, wherever they stand: in an object, a list, a table, an event of a
//! watch, in what `kubectl apply` keeps of them; and so are those of a Secret that another object carries, or keeps in a text.
//! What detectors find is masked in everything else. Keys of Secrets are told, so that clients can say what there is; their
//! `managedFields` are left out, and their annotations, in which tools keep copies, are told by name.
//!
//! Only JSON is read, because only JSON is asked for: YAML is answered in JSON, which is YAML. What cannot be read is an
//! error, and nothing of it is written. Masking knows no shape of answers, so none can get around it: it looks at every
//! object in an answer, at any depth.

mod frames;
mod lines;
mod streams;
mod walk;

#[cfg(test)]
mod tests;

pub use frames::{Frames, MAX_FRAME_BYTES};
pub(crate) use streams::{StreamPiece, entry, of_log, piece, resized, streams_pass};

use crate::classify::{RequestInfo, Subject};
use countersign_core::mask::{MaskError, MaskPlace, MaskPlan, MaskTally, Masked};
use lines::Lines;
use walk::Walk;

/// The largest answer that is masked in one piece.
pub const MAX_DOCUMENT_BYTES: usize = 64 * 1024 * 1024;
/// The longest line of a log that is masked in one piece.
pub const MAX_LINE_BYTES: usize = 1024 * 1024;

/// The rule that masks Secrets, as the audit names it.
pub const SECRETS_RULE: &str = "secrets";

/// Whose values an answer has, or a part of one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Whose {
    /// All that it has is of Secrets: it answers a request about them, or is inside one.
    Secrets,
    /// They are of others.
    Others,
}

/// What the body of an answer is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reading {
    /// One document.
    Document,
    /// Lines of text: a log, or what health checks say.
    Lines,
}

/// The masker of one answer.
#[derive(Debug)]
pub struct Masker {
    plan: MaskPlan,
    whose: Whose,
    lines: Lines,
    tally: MaskTally,
}

impl Masker {
    /// The masker of the answer to a request, under the plan of its release.
    pub fn new(plan: &MaskPlan, info: &RequestInfo) -> Self {
        let whose = match &info.subject {
            Subject::Object(object) if object.group.is_empty() && object.resource == "secrets" => {
                Whose::Secrets
            }
            Subject::Object(_) | Subject::Url(_) => Whose::Others,
        };
        Self { plan: plan.clone(), whose, lines: Lines::default(), tally: MaskTally::default() }
    }

    /// The masker of what a target says of how a program has ended.
    pub(crate) fn of_status(plan: &MaskPlan) -> Self {
        let (plan, whose) = (plan.clone(), Whose::Others);
        Self { plan, whose, lines: Lines::default(), tally: MaskTally::default() }
    }

    /// Whether everything passes as it is. Any document can carry a Secret; lines cannot.
    pub fn passes(&self, reading: Reading) -> bool {
        match (reading, self.whose) {
            (Reading::Document, _) | (Reading::Lines, Whose::Secrets) => false,
            (Reading::Lines, Whose::Others) => self.plan.covers_nothing(),
        }
    }

    /// How a body of this type is read; what is none of these is not written.
    pub fn reading(&self, content_type: &str) -> Result<Reading, MaskError> {
        let plain = content_type.split(';').next().unwrap_or_default().trim_matches(' ');
        match (plain, self.whose) {
            ("application/json", _) => Ok(Reading::Document),
            // A server says nothing of Secrets in lines.
            ("text/plain", Whose::Others) => Ok(Reading::Lines),
            _ => Err(MaskError::Unreadable),
        }
    }

    /// Some lines of an answer that pass as they are.
    pub fn pass(&self, bytes: Vec<u8>) -> Result<Masked<Vec<u8>>, MaskError> {
        match self.whose {
            Whose::Secrets => Err(MaskError::Covered),
            Whose::Others => self.plan.pass(bytes),
        }
    }

    /// A document, or a frame of a stream of them.
    pub fn document(&mut self, bytes: &[u8]) -> Result<Masked<Vec<u8>>, MaskError> {
        if bytes.len() > MAX_DOCUMENT_BYTES {
            return Err(MaskError::TooLarge { most: MAX_DOCUMENT_BYTES });
        }
        let mut walk = Walk::new(&self.plan);
        let masked = walk.document(bytes, self.whose)?;
        walk.add_to(&mut self.tally);
        Ok(self.vouch(masked))
    }

    /// A line of a log, with or without its end.
    pub fn line(&mut self, bytes: &[u8]) -> Result<Masked<Vec<u8>>, MaskError> {
        if bytes.len() > MAX_LINE_BYTES {
            return Err(MaskError::TooLarge { most: MAX_LINE_BYTES });
        }
        let text = std::str::from_utf8(bytes).map_err(|_| MaskError::Unreadable)?;
        let mut mask = self.plan.text(MaskPlace::Message);
        let masked = self.lines.masked(&self.plan, &mut mask, text)?;
        mask.add_to(&mut self.tally);
        Ok(self.vouch(masked.into_bytes()))
    }

    /// What the target says beside its answer, as it may be said on; of Secrets nothing is.
    pub(crate) fn aside(&mut self, text: &str) -> Result<Option<Masked<Vec<u8>>>, MaskError> {
        match self.whose {
            Whose::Secrets => Ok(None),
            Whose::Others => self.line(text.as_bytes()).map(Some),
        }
    }

    /// What was masked.
    pub fn tally(&self) -> &MaskTally {
        &self.tally
    }

    #[expect(clippy::disallowed_methods, reason = "the walk has put it through the plan")]
    fn vouch(&self, bytes: Vec<u8>) -> Masked<Vec<u8>> {
        self.plan.vouch(bytes)
    }
}

/// What the gateway says itself.
pub(crate) fn own<T>(value: T) -> Masked<T> {
    #[expect(clippy::disallowed_methods, reason = "nothing of the target's is in it")]
    let masked = MaskPlan::own_words(value);
    masked
}
