//! What programs say and are told. A stream of bytes is not masked: what a detector finds can lie across two pieces, or be drawn by
//! a terminal out of many. So where a detector covers a target, nothing of a stream passes at all.

use super::own;
use countersign_core::{
    id::OperationId,
    mask::{MaskError, MaskPlan, Masked},
    recording::{Entry, Speaker, Stream},
};

/// A piece of a stream.
#[derive(Clone, Debug)]
pub(crate) struct StreamPiece {
    pub(crate) operation: OperationId,
    pub(crate) stream: Stream,
    pub(crate) bytes: Vec<u8>,
}

/// Whether what programs say can pass.
pub(crate) fn streams_pass(plan: &MaskPlan) -> Result<(), MaskError> {
    if plan.detects() { Err(MaskError::Covered) } else { Ok(()) }
}

/// Lets a piece pass, if nothing can be covered in it.
pub(crate) fn piece(plan: &MaskPlan, piece: StreamPiece) -> Result<Masked<StreamPiece>, MaskError> {
    streams_pass(plan)?;
    #[expect(clippy::disallowed_methods, reason = "no rule covers anything of a stream")]
    let masked = plan.vouch(piece);
    Ok(masked)
}

/// The size of a terminal holds nothing of the target's.
pub(crate) fn resized(operation: OperationId, columns: u16, rows: u16) -> Masked<Entry> {
    own(Entry::Resized { operation, columns: columns.into(), rows: rows.into() })
}

/// The piece for the recording. Where only its agent is spared a detector, who looks at the recording is told how much there
/// was.
pub(crate) fn entry(plan: &MaskPlan, piece: &Masked<StreamPiece>) -> Masked<Entry> {
    if streams_pass(plan.of_recording()).is_err() {
        return piece.read_as(|StreamPiece { operation, stream, bytes }| {
            let (length, stream) = (bytes.len(), name(*stream));
            let text =
                format!("{length} bytes of {stream} of {operation} that are masked in recordings");
            Entry::Said { speaker: Speaker::Gateway, text }
        });
    }
    piece.read_as(|StreamPiece { operation, stream, bytes }| Entry::Wrote {
        operation: *operation,
        stream: *stream,
        bytes: bytes.clone(),
    })
}

/// A piece of a log for the recording, which is as the agent sees it where nothing can be covered in it.
pub(crate) fn of_log(plan: &MaskPlan, operation: OperationId, bytes: &[u8]) -> Masked<Entry> {
    let wrote = StreamPiece { operation, stream: Stream::Output, bytes: bytes.to_vec() };
    piece(plan, wrote).map_or_else(
        |_covered| {
            let length = bytes.len();
            let text = format!("{length} bytes of a log that are masked in recordings");
            own(Entry::Said { speaker: Speaker::Gateway, text })
        },
        |masked| entry(plan, &masked),
    )
}

const fn name(stream: Stream) -> &'static str {
    match stream {
        Stream::Input => "the input",
        Stream::Output => "the output",
        Stream::Error => "the error output",
    }
}
