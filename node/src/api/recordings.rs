//! Recordings: the index of one, and what happened, from whichever node is asked. Who looks at a recording is recorded in the
//! audit before anything of it is shown.

pub(crate) mod live;

use super::{
    Api,
    caller::{Caller, slowly},
    failure::{Answer, Failure},
    input::{Asked, cursor},
    reading,
    sessions::session_id,
};
use crate::app::Node;
use axum::{
    Json,
    extract::{Path, State},
};
use countersign_api::{
    problem::{Problem, ProblemKind},
    recording::{
        Base64Bytes, ProgramStream, Recorded, RecordingIndex, RecordingPage, RecordingQuery,
        RecordingState, Segment, What,
    },
};
use countersign_core::{
    id::SessionId,
    log_time::LogTime,
    recording::{Entry, Moment, Position, SegmentDigest, Speaker, Stream, entry},
};
use countersign_raft_store::{
    command::Administered,
    handle::{ReadError, StateView},
    records::{InBucket, RecordingRecord, RequestId, SegmentRecord},
};

/// Segments that the index of one session lists.
const LISTED: usize = 1000;
/// Segments of one page: a segment is some hundred kilobytes at most before it is compressed.
const PAGE: usize = 16;

/// Reads a recording, from its beginning or behind a cursor.
#[utoipa::path(get, path = "/v1/sessions/{id}/recording", tag = "sessions", params(("id" = String, Path), RecordingQuery), responses((status = 200, body = RecordingPage), (status = "default", body = Problem)))]
pub(crate) async fn read(
    State(api): State<Api>,
    Path(id): Path<String>,
    caller: Caller,
    Asked { query, min }: Asked<RecordingQuery>,
) -> Answer<Json<RecordingPage>> {
    let session = session_id(&id)?;
    let after = cursor(query.cursor.as_deref())?.unwrap_or(0);
    let node = api.node()?;
    let wanted = id.clone();
    let found = reading::linear(node, min.get(), move |view| {
        let nothing = || Failure::not_found("recording of session", &wanted);
        let recording = view.recording(session)?.ok_or_else(nothing)?;
        let before = view.segments(session, after.saturating_sub(1), usize::from(after > 0))?;
        Ok((recording, before, view.segments(session, after, PAGE)?))
    });
    let (recording, before, segments) = found.await?;
    // Each page, because a cursor is whatever the caller says. It is a write, and paced as one.
    let author = caller.author();
    slowly(&api, &author.identity)?;
    let what = if after == 0 {
        format!("look at the recording of {session}")
    } else {
        format!("look at the recording of {session} behind segment {after}")
    };
    let looked = Administered { id: RequestId(rand::random()), node: node.id, what, author };
    reading::committed(node.store.administered(looked)).await?;
    let last = before.first().map_or(SegmentDigest::NONE, |segment| segment.digest);
    let moments = moments(node, &recording, (after, last), &segments).await?;
    Ok(Json(page(&recording, moments, segments.last())))
}

/// What happened in these segments, which follow the one of that sequence and digest.
async fn moments(
    node: &Node,
    recording: &RecordingRecord,
    before: (u64, SegmentDigest),
    segments: &[SegmentRecord],
) -> Answer<Vec<Moment>> {
    node.recordings.read(recording, before, segments).await.map_err(|error| {
        let error = &error as &dyn std::error::Error;
        tracing::error!(session.id = %recording.session, error, "a recording cannot be read");
        let what = format!("the recording cannot be read: {error}");
        Failure::new(ProblemKind::Internal, what)
    })
}

fn page(
    recording: &RecordingRecord,
    moments: Vec<Moment>,
    last: Option<&SegmentRecord>,
) -> RecordingPage {
    let next = last.map(|segment| segment.sequence).filter(|at| *at < recording.segments);
    RecordingPage {
        session_id: recording.session.to_string(),
        state: state(recording),
        items: entry::joined(moments).into_iter().map(recorded).collect(),
        next: next.map(|at| at.to_string()),
    }
}

/// What the index has of a session's recording.
pub(super) fn index(view: &StateView, of: SessionId) -> Result<Option<RecordingIndex>, ReadError> {
    let Some(recording) = view.recording(of)? else { return Ok(None) };
    let segments = view.segments(of, 0, LISTED)?;
    Ok(Some(RecordingIndex {
        state: state(&recording),
        bytes: recording.bytes,
        digest: recording.last.to_string(),
        segments: segments.iter().map(segment).collect(),
        segment_count: recording.segments,
    }))
}

const fn state(recording: &RecordingRecord) -> RecordingState {
    match recording.position {
        Position::Followed => RecordingState::Unfinished,
        Position::Last => RecordingState::Whole,
    }
}

fn segment(record: &SegmentRecord) -> Segment {
    Segment {
        sequence: record.sequence,
        digest: record.digest.to_string(),
        size: record.size,
        places: record.places.iter().map(|node| node.0).collect(),
        in_bucket: record.bucket == InBucket::Yes,
        at: record.at.into(),
    }
}

fn recorded(Moment { at_ms, entry }: Moment) -> Recorded {
    Recorded { at: LogTime(at_ms).into(), what: what(entry) }
}

fn what(entry: Entry) -> What {
    match entry {
        Entry::Asked { operation, summary, text } => {
            What::Asked { operation_id: operation.to_string(), summary, text }
        }
        Entry::Bound { number, value } => What::Bound { number, value },
        Entry::Held { operation, hold } => {
            What::Held { operation_id: operation.to_string(), hold_id: hold.to_string() }
        }
        Entry::Refused { operation, why } => {
            What::Refused { operation_id: operation.to_string(), why }
        }
        Entry::Admitted { operation } => What::Admitted { operation_id: operation.to_string() },
        Entry::Said { speaker, text } => What::Said { speaker: name(speaker).to_owned(), text },
        Entry::Row { values } => What::Row { values },
        Entry::Outcome { operation, outcome, rows, bytes, masked, word } => What::Outcome {
            operation_id: operation.to_string(),
            outcome: outcome.name().to_owned(),
            rows,
            bytes,
            masked,
            word,
        },
        Entry::More { text } => What::More { text },
        Entry::Closed { reason } => What::Closed { reason },
        Entry::Wrote { operation, stream, bytes } => What::Wrote {
            operation_id: operation.to_string(),
            stream: of_program(stream),
            data: Base64Bytes(bytes),
        },
        Entry::Resized { operation, columns, rows } => {
            What::Resized { operation_id: operation.to_string(), columns, rows }
        }
        Entry::Signalled { operation, signal } => {
            What::Signalled { operation_id: operation.to_string(), signal }
        }
    }
}

const fn of_program(stream: Stream) -> ProgramStream {
    match stream {
        Stream::Input => ProgramStream::Input,
        Stream::Output => ProgramStream::Output,
        Stream::Error => ProgramStream::Error,
    }
}

const fn name(speaker: Speaker) -> &'static str {
    match speaker {
        Speaker::Notice => "notice",
        Speaker::Error => "error",
        Speaker::Gateway => "gateway",
    }
}
