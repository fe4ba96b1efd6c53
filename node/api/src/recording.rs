//! Recordings of sessions: what is in the index, and what happened.

use crate::time::Timestamp;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// The recording of a session as the index has it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct RecordingIndex {
    /// Whether it is at its end.
    pub state: RecordingState,
    /// The bytes of all segments.
    pub bytes: u64,
    /// The digest of the last segment (SHA-256), which through its predecessors vouches for all.
    pub digest: String,
    /// The segments, in order; at most the first thousand.
    pub segments: Vec<Segment>,
    /// How many there are.
    pub segment_count: u64,
}

/// Whether a recording is at its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RecordingState {
    /// The session goes on, or its node was lost before it could end it.
    Unfinished,
    /// It has its last segment.
    Whole,
}

impl RecordingState {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unfinished => "unfinished",
            Self::Whole => "whole",
        }
    }
}

/// A segment of a recording.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Segment {
    /// 1 for the first.
    pub sequence: u64,
    /// SHA-256 of its bytes.
    pub digest: String,
    /// Its length in bytes.
    pub size: u64,
    /// The nodes that should have it.
    pub places: Vec<u64>,
    /// Whether the bucket has it; nodes may have given it up then.
    pub in_bucket: bool,
    /// Log time of its entry in the index.
    pub at: Timestamp,
}

/// `GET /v1/sessions/{id}/recording`: what happened in a session, in order. A page holds whole segments.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct RecordingPage {
    /// The session.
    pub session_id: String,
    /// Whether the recording is at its end.
    pub state: RecordingState,
    /// What happened. A long text can go on as `more` at the beginning of the next page.
    pub items: Vec<Recorded>,
    /// The cursor of the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Which part of a recording is wanted.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RecordingQuery {
    /// `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// One thing that happened.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Recorded {
    /// When, on the clock of the node that recorded it.
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What happened.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum What {
    /// The agent asked for an operation.
    Asked {
        /// The operation.
        operation_id: String,
        /// One line for people.
        summary: String,
        /// Its text.
        text: String,
    },
    /// A value that is bound to the operation asked for last.
    Bound {
        /// Its number, from 1.
        number: u64,
        /// The value, as it is shown.
        value: String,
    },
    /// It waits for reviewers.
    Held {
        /// The operation.
        operation_id: String,
        /// The hold.
        hold_id: String,
    },
    /// It is not carried out.
    Refused {
        /// The operation.
        operation_id: String,
        /// What the agent heard.
        why: String,
    },
    /// It goes to the target.
    Admitted {
        /// The operation.
        operation_id: String,
    },
    /// Something was said in words.
    Said {
        /// `notice` and `error`: the target; `gateway`: the gateway.
        speaker: String,
        /// What.
        text: String,
    },
    /// A row of an answer, where results are recorded.
    Row {
        /// Its values with tabs between, as COPY writes them.
        values: String,
    },
    /// What became of an operation.
    Outcome {
        /// The operation.
        operation_id: String,
        /// `completed`, `failed`, `refused` or `outcome_unknown`.
        outcome: String,
        /// Rows sent or affected.
        rows: u64,
        /// Bytes of the answer.
        bytes: u64,
        /// Values masked in it.
        masked: u64,
        /// The target's word: a command tag or an error code.
        word: String,
    },
    /// The rest of the text of what came before.
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
        operation_id: String,
        /// Which stream.
        stream: ProgramStream,
        /// What, in base64.
        data: Base64Bytes,
    },
    /// The agent's terminal has this size from now on.
    Resized {
        /// The operation that runs in it.
        operation_id: String,
        /// Columns.
        columns: u64,
        /// Rows.
        rows: u64,
    },
    /// The agent sends a program a signal.
    Signalled {
        /// The operation that runs it.
        operation_id: String,
        /// Its name, without SIG.
        signal: String,
    },
}

/// A stream of a program's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProgramStream {
    /// What the agent sends it.
    Input,
    /// Its output.
    Output,
    /// Its error output.
    Error,
}

/// Bytes, in base64 where they are written.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, format = Byte)]
pub struct Base64Bytes(pub Vec<u8>);

impl TryFrom<String> for Base64Bytes {
    type Error = base64::DecodeError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        STANDARD.decode(text).map(Self)
    }
}

impl From<Base64Bytes> for String {
    fn from(Base64Bytes(bytes): Base64Bytes) -> Self {
        STANDARD.encode(bytes)
    }
}
