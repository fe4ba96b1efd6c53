//! What a recording is made of, and its bytes, version 1. Numbers are big-endian.
//!
//! ```text
//! the content of a segment:
//!      0      1  version: 01
//!      1      …  entries, whole ones
//!
//! an entry:
//!      0      4  length n of what follows
//!      4      8  when it was recorded: milliseconds since 1970 (UTC) on the node's clock
//!     12      1  kind
//!     13    n-9  its fields in the order below. An id has 16 bytes, a number 8, a text its length in 4 bytes and then as
//!                many bytes of UTF-8
//!
//! kind  name      fields
//!   01  asked     operation id, text: what it is, text: its text
//!   02  bound     number: which, text: the value
//!   03  held      operation id, hold id
//!   04  refused   operation id, text: why
//!   05  admitted  operation id
//!   06  said      1 byte who (00 the target: a notice, 01 the target: an error, 02 the gateway), text
//!   07  row       text: its values with tabs between, as COPY writes them
//!   08  outcome   operation id, 1 byte (00 completed, 01 failed, 02 refused, 03 outcome unknown), number: rows,
//!                 number: bytes, number: masked values, text: the target's word
//!   09  more      text: what belongs behind the text of the entry before
//!   0a  closed    text: why
//!   0b  wrote     operation id, 1 byte which stream (00 input, 01 output, 02 error output), bytes: what, their length in 4
//!                 bytes first
//!   0c  resized   operation id, number: columns, number: rows of the terminal
//!   0d  signalled operation id, text: the signal's name
//! ```

use super::field::{Malformed, Reader, length, put_text};
use crate::{
    gate::Settlement,
    id::{HoldId, OperationId},
    mask::{MaskError, MaskPlace, MaskPlan, Masked},
    record::Outcome,
};

/// The version of the content.
const VERSION: u8 = 1;
/// The most bytes of a text in one entry. What is longer goes on in entries of its own, so that no entry is longer than what
/// may be lost with a node.
pub const MAX_PIECE: usize = 32 * 1024;

/// One thing that happened in a session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Entry {
    /// The agent asked for an operation.
    Asked {
        /// The operation.
        operation: OperationId,
        /// One line for people.
        summary: String,
        /// What it asked, in its own words.
        text: String,
    },
    /// A value that is bound to the operation that was asked for last.
    Bound {
        /// Its number, from 1.
        number: u64,
        /// The value, as it is shown.
        value: String,
    },
    /// It waits for reviewers.
    Held {
        /// The operation.
        operation: OperationId,
        /// The hold.
        hold: HoldId,
    },
    /// It is not carried out.
    Refused {
        /// The operation.
        operation: OperationId,
        /// What the agent heard.
        why: String,
    },
    /// It goes to the target.
    Admitted {
        /// The operation.
        operation: OperationId,
    },
    /// Something was said in words.
    Said {
        /// By whom.
        speaker: Speaker,
        /// What.
        text: String,
    },
    /// A row of an answer, where the target's results are recorded.
    Row {
        /// Its values, as COPY writes them.
        values: String,
    },
    /// What became of an operation.
    Outcome {
        /// The operation.
        operation: OperationId,
        /// What.
        outcome: Outcome,
        /// Rows sent or affected.
        rows: u64,
        /// Bytes of the answer.
        bytes: u64,
        /// Values masked in it.
        masked: u64,
        /// The target's word.
        word: String,
    },
    /// The rest of the text of the entry before.
    More {
        /// The text.
        text: String,
    },
    /// The session is over.
    Closed {
        /// Why.
        reason: String,
    },
    /// Bytes went over a stream of a program's.
    Wrote {
        /// The operation that runs it.
        operation: OperationId,
        /// Which stream.
        stream: Stream,
        /// What, exactly.
        bytes: Vec<u8>,
    },
    /// The agent's terminal has this size from now on.
    Resized {
        /// The operation that runs in it.
        operation: OperationId,
        /// Columns.
        columns: u64,
        /// Rows.
        rows: u64,
    },
    /// The agent sends a program a signal.
    Signalled {
        /// The operation that runs it.
        operation: OperationId,
        /// Its name, without SIG.
        signal: String,
    },
}

/// A stream of a program's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stream {
    /// What the agent sends it.
    Input,
    /// Its output.
    Output,
    /// Its error output.
    Error,
}

/// Who says something in words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Speaker {
    /// The target, on the side.
    Notice,
    /// The target: something failed.
    Error,
    /// The gateway.
    Gateway,
}

/// An entry with its time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Moment {
    /// Milliseconds since 1970 on the clock of the node that recorded it.
    pub at_ms: u64,
    /// What happened.
    pub entry: Entry,
}

/// Why bytes are no content of a segment of this version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// It is of a version that this build does not know.
    #[error("the content has version {version}, which this build does not know")]
    Version {
        /// Its version.
        version: u8,
    },
    /// An entry cannot be read.
    #[error("entry {number} of the content cannot be read")]
    Malformed {
        /// Its place, from 1; 0 for the version.
        number: usize,
    },
}

impl Entry {
    /// What became of an operation.
    pub fn outcome(settlement: &Settlement) -> Self {
        let Settlement { operation, outcome, rows, bytes, word, masked } = settlement;
        Self::Outcome {
            operation: *operation,
            outcome: *outcome,
            rows: *rows,
            bytes: *bytes,
            masked: masked.iter().fold(0_u64, |sum, (_, _, values)| sum.saturating_add(values)),
            word: word.clone(),
        }
    }

    /// The end of a session, in the gateway's own words.
    pub fn closed(reason: String) -> Masked<Self> {
        #[expect(clippy::disallowed_methods, reason = "nothing of the target's is in it")]
        let closed = MaskPlan::own_words(Self::Closed { reason });
        closed
    }

    /// The entry as it may be kept: what the plan's detectors find in any of its texts is masked there as in what a target
    /// says, also where its rules spare the agent.
    pub fn masked(self, plan: &MaskPlan) -> Result<Masked<Self>, MaskError> {
        let plan = plan.of_recording();
        let entry = if plan.covers_nothing() {
            self
        } else {
            let mut mask = plan.text(MaskPlace::Message);
            self.with_texts(|text| mask.mask_text(&text))?
        };
        #[expect(clippy::disallowed_methods, reason = "every text has gone through the plan")]
        let masked = plan.vouch(entry);
        Ok(masked)
    }

    fn with_texts(
        self,
        mut shown: impl FnMut(String) -> Result<String, MaskError>,
    ) -> Result<Self, MaskError> {
        Ok(match self {
            Self::Asked { operation, summary, text } => {
                Self::Asked { operation, summary: shown(summary)?, text: shown(text)? }
            }
            Self::Bound { number, value } => Self::Bound { number, value: shown(value)? },
            Self::Refused { operation, why } => Self::Refused { operation, why: shown(why)? },
            Self::Said { speaker, text } => Self::Said { speaker, text: shown(text)? },
            Self::Row { values } => Self::Row { values: shown(values)? },
            Self::More { text } => Self::More { text: shown(text)? },
            Self::Closed { reason } => Self::Closed { reason: shown(reason)? },
            // Ids, numbers, and the target's word, which the adapter has weighed.
            same @ (Self::Held { .. }
            | Self::Admitted { .. }
            | Self::Outcome { .. }
            | Self::Resized { .. }
            | Self::Signalled { .. }) => same,
            // A piece of a stream cannot be searched by itself: what is covered can lie across two of them.
            Self::Wrote { .. } => return Err(MaskError::Unreadable),
        })
    }

    /// The entry as it is written: one with a long text is several.
    pub fn pieces(self) -> Vec<Self> {
        if let Self::Wrote { operation, stream, bytes } = self {
            let piece = |bytes: &[u8]| Self::Wrote { operation, stream, bytes: bytes.to_vec() };
            return bytes.chunks(MAX_PIECE).map(piece).collect();
        }
        let (first, mut rest) = self.cut();
        let mut pieces = vec![first];
        while !rest.is_empty() {
            let behind = rest.split_off(rest.floor_char_boundary(MAX_PIECE));
            pieces.push(Self::More { text: rest });
            rest = behind;
        }
        pieces
    }

    /// The entry with as much of its text as one may have, and the rest.
    fn cut(mut self) -> (Self, String) {
        let rest = match &mut self {
            Self::Asked { text, .. }
            | Self::Bound { value: text, .. }
            | Self::Refused { why: text, .. }
            | Self::Said { text, .. }
            | Self::Row { values: text }
            | Self::Closed { reason: text }
            | Self::Outcome { word: text, .. }
            | Self::More { text } => text.split_off(text.floor_char_boundary(MAX_PIECE)),
            Self::Held { .. }
            | Self::Admitted { .. }
            | Self::Wrote { .. }
            | Self::Resized { .. }
            | Self::Signalled { .. } => String::new(),
        };
        (self, rest)
    }
}

/// The beginning of a content.
pub fn begin() -> Vec<u8> {
    vec![VERSION]
}

/// Reads the content of a segment. A text that was cut into several entries is one again.
pub fn read(content: &[u8]) -> Result<Vec<Moment>, EntryError> {
    let mut rest = Reader(content);
    match rest.byte() {
        Ok(VERSION) => {}
        Ok(version) => return Err(EntryError::Version { version }),
        Err(Malformed) => return Err(EntryError::Malformed { number: 0 }),
    }
    let mut moments = Vec::new();
    while !rest.0.is_empty() {
        let malformed = |Malformed| EntryError::Malformed { number: moments.len() + 1 };
        let length = usize::try_from(rest.short().map_err(malformed)?);
        let body = rest.bytes(length.map_err(|_| malformed(Malformed))?).map_err(malformed)?;
        let moment = Moment::decode(body).map_err(malformed)?;
        moments.push(moment);
    }
    Ok(moments)
}

/// Puts texts together that were cut into several entries.
pub fn joined(moments: Vec<Moment>) -> Vec<Moment> {
    let mut whole: Vec<Moment> = Vec::with_capacity(moments.len());
    for Moment { at_ms, entry } in moments {
        match (entry, whole.last_mut().and_then(|last| last.entry.text_mut())) {
            (Entry::More { text }, Some(before)) => before.push_str(&text),
            (entry, _) => whole.push(Moment { at_ms, entry }),
        }
    }
    whole
}

impl Entry {
    fn text_mut(&mut self) -> Option<&mut String> {
        match self {
            Self::Asked { text, .. }
            | Self::Bound { value: text, .. }
            | Self::Refused { why: text, .. }
            | Self::Said { text, .. }
            | Self::Row { values: text }
            | Self::Outcome { word: text, .. }
            | Self::More { text }
            | Self::Closed { reason: text } => Some(text),
            Self::Held { .. }
            | Self::Admitted { .. }
            | Self::Wrote { .. }
            | Self::Resized { .. }
            | Self::Signalled { .. } => None,
        }
    }

    const fn kind(&self) -> u8 {
        match self {
            Self::Asked { .. } => 1,
            Self::Bound { .. } => 2,
            Self::Held { .. } => 3,
            Self::Refused { .. } => 4,
            Self::Admitted { .. } => 5,
            Self::Said { .. } => 6,
            Self::Row { .. } => 7,
            Self::Outcome { .. } => 8,
            Self::More { .. } => 9,
            Self::Closed { .. } => 10,
            Self::Wrote { .. } => 11,
            Self::Resized { .. } => 12,
            Self::Signalled { .. } => 13,
        }
    }

    fn put_fields(&self, out: &mut Vec<u8>) {
        match self {
            Self::Asked { operation, summary, text } => {
                out.extend_from_slice(operation.as_bytes());
                put_text(out, summary);
                put_text(out, text);
            }
            Self::Bound { number, value } => {
                out.extend_from_slice(&number.to_be_bytes());
                put_text(out, value);
            }
            Self::Held { operation, hold } => {
                out.extend_from_slice(operation.as_bytes());
                out.extend_from_slice(hold.as_bytes());
            }
            Self::Refused { operation, why } => {
                out.extend_from_slice(operation.as_bytes());
                put_text(out, why);
            }
            Self::Admitted { operation } => out.extend_from_slice(operation.as_bytes()),
            Self::Said { speaker, text } => {
                out.push(speaker.byte());
                put_text(out, text);
            }
            Self::Row { values: text } | Self::More { text } | Self::Closed { reason: text } => {
                put_text(out, text);
            }
            Self::Outcome { operation, outcome, rows, bytes, masked, word } => {
                out.extend_from_slice(operation.as_bytes());
                out.push(outcome_byte(*outcome));
                for number in [rows, bytes, masked] {
                    out.extend_from_slice(&number.to_be_bytes());
                }
                put_text(out, word);
            }
            Self::Wrote { operation, stream, bytes } => {
                out.extend_from_slice(operation.as_bytes());
                out.push(stream.byte());
                out.extend_from_slice(&length(bytes.len()).to_be_bytes());
                out.extend_from_slice(bytes);
            }
            Self::Resized { operation, columns, rows } => {
                out.extend_from_slice(operation.as_bytes());
                for number in [columns, rows] {
                    out.extend_from_slice(&number.to_be_bytes());
                }
            }
            Self::Signalled { operation, signal } => {
                out.extend_from_slice(operation.as_bytes());
                put_text(out, signal);
            }
        }
    }

    fn read_fields(kind: u8, body: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(match kind {
            1 => Self::Asked {
                operation: operation(body)?,
                summary: body.text()?,
                text: body.text()?,
            },
            2 => Self::Bound { number: body.long()?, value: body.text()? },
            3 => {
                Self::Held { operation: operation(body)?, hold: HoldId::from_bytes(body.array()?) }
            }
            4 => Self::Refused { operation: operation(body)?, why: body.text()? },
            5 => Self::Admitted { operation: operation(body)? },
            6 => Self::Said { speaker: Speaker::of(body.byte()?)?, text: body.text()? },
            7 => Self::Row { values: body.text()? },
            8 => Self::Outcome {
                operation: operation(body)?,
                outcome: outcome_of(body.byte()?)?,
                rows: body.long()?,
                bytes: body.long()?,
                masked: body.long()?,
                word: body.text()?,
            },
            9 => Self::More { text: body.text()? },
            10 => Self::Closed { reason: body.text()? },
            11 => Self::Wrote {
                operation: operation(body)?,
                stream: Stream::of(body.byte()?)?,
                bytes: body.sized()?.to_vec(),
            },
            12 => Self::Resized {
                operation: operation(body)?,
                columns: body.long()?,
                rows: body.long()?,
            },
            13 => Self::Signalled { operation: operation(body)?, signal: body.text()? },
            _unknown => return Err(Malformed),
        })
    }
}

impl Moment {
    /// Writes it behind what is there of a content. A long text must be in pieces already.
    pub fn write(&self, content: &mut Vec<u8>) {
        let mut body = Vec::new();
        body.extend_from_slice(&self.at_ms.to_be_bytes());
        body.push(self.entry.kind());
        self.entry.put_fields(&mut body);
        content.extend_from_slice(&length(body.len()).to_be_bytes());
        content.extend_from_slice(&body);
    }

    fn decode(body: &[u8]) -> Result<Self, Malformed> {
        let mut body = Reader(body);
        let at_ms = body.long()?;
        let kind = body.byte()?;
        let entry = Entry::read_fields(kind, &mut body)?;
        body.end()?;
        Ok(Self { at_ms, entry })
    }
}

impl Stream {
    const fn byte(self) -> u8 {
        match self {
            Self::Input => 0,
            Self::Output => 1,
            Self::Error => 2,
        }
    }

    const fn of(byte: u8) -> Result<Self, Malformed> {
        match byte {
            0 => Ok(Self::Input),
            1 => Ok(Self::Output),
            2 => Ok(Self::Error),
            _unknown => Err(Malformed),
        }
    }
}

impl Speaker {
    const fn byte(self) -> u8 {
        match self {
            Self::Notice => 0,
            Self::Error => 1,
            Self::Gateway => 2,
        }
    }

    const fn of(byte: u8) -> Result<Self, Malformed> {
        match byte {
            0 => Ok(Self::Notice),
            1 => Ok(Self::Error),
            2 => Ok(Self::Gateway),
            _unknown => Err(Malformed),
        }
    }
}

fn operation(body: &mut Reader<'_>) -> Result<OperationId, Malformed> {
    body.array().map(OperationId::from_bytes)
}

const fn outcome_byte(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Completed => 0,
        Outcome::Failed => 1,
        Outcome::Refused => 2,
        Outcome::OutcomeUnknown => 3,
    }
}

const fn outcome_of(byte: u8) -> Result<Outcome, Malformed> {
    match byte {
        0 => Ok(Outcome::Completed),
        1 => Ok(Outcome::Failed),
        2 => Ok(Outcome::Refused),
        3 => Ok(Outcome::OutcomeUnknown),
        _unknown => Err(Malformed),
    }
}
