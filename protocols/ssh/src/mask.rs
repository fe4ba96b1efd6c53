//! What may be written to the agent and into the recording: the only place here that makes [`Masked`] values.
//!
//! A stream of bytes is not masked: what a detector finds can lie across two pieces, or be drawn by a terminal out of many.
//! So where a detector covers a target, what its programs say does not pass at all. Rules for columns are about the values of
//! a PostgreSQL target's relations, and cover nothing here.

use crate::inflow;
use bytes::Bytes;
use countersign_core::{
    id::OperationId,
    mask::{MaskError, MaskPlan, Masked},
    recording::{Entry, Speaker, Stream},
};
use russh::Sig;

/// A piece of a stream.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    pub(crate) operation: OperationId,
    pub(crate) stream: Stream,
    pub(crate) bytes: Bytes,
}

/// Whether what programs say can pass.
pub(crate) fn passes(plan: &MaskPlan) -> Result<(), MaskError> {
    if plan.detects() { Err(MaskError::Covered) } else { Ok(()) }
}

/// Lets a piece pass, if nothing can be covered in it.
pub(crate) fn piece(plan: &MaskPlan, piece: Piece) -> Result<Masked<Piece>, MaskError> {
    passes(plan)?;
    #[expect(clippy::disallowed_methods, reason = "no rule covers anything of a stream")]
    let masked = plan.vouch(piece);
    Ok(masked)
}

/// The size of a terminal holds nothing of the target's.
pub(crate) fn resized(operation: OperationId, columns: u32, rows: u32) -> Masked<Entry> {
    let (columns, rows) = (columns.into(), rows.into());
    #[expect(clippy::disallowed_methods, reason = "two numbers that the agent said")]
    let masked = MaskPlan::own_words(Entry::Resized { operation, columns, rows });
    masked
}

/// A signal that the standard names holds nothing of anybody's.
pub(crate) fn signalled(operation: OperationId, signal: &Sig) -> Masked<Entry> {
    let signal = inflow::signal_name(signal);
    #[expect(clippy::disallowed_methods, reason = "one of a dozen words (`inflow`)")]
    let masked = MaskPlan::own_words(Entry::Signalled { operation, signal });
    masked
}

/// What the gateway says itself.
pub(crate) fn own(text: Bytes) -> Masked<Bytes> {
    #[expect(clippy::disallowed_methods, reason = "nothing of the target's is in it")]
    let masked = MaskPlan::own_words(text);
    masked
}

/// The piece for the recording. Where only its agent is spared a detector, who looks at the recording is told how much there
/// was.
pub(crate) fn entry(plan: &MaskPlan, piece: &Masked<Piece>) -> Masked<Entry> {
    if passes(plan.of_recording()).is_err() {
        return piece.read_as(|Piece { operation, stream, bytes }| {
            let (length, stream) = (bytes.len(), stream_name(*stream));
            let text =
                format!("{length} bytes of {stream} of {operation} that are masked in recordings");
            Entry::Said { speaker: Speaker::Gateway, text }
        });
    }
    piece.read_as(|Piece { operation, stream, bytes }| Entry::Wrote {
        operation: *operation,
        stream: *stream,
        bytes: bytes.to_vec(),
    })
}

const fn stream_name(stream: Stream) -> &'static str {
    match stream {
        Stream::Input => "the input",
        Stream::Output => "the output",
        Stream::Error => "the error output",
    }
}

/// The piece for who it is sent to.
pub(crate) fn bytes(piece: &Masked<Piece>) -> Masked<Bytes> {
    piece.read_as(|Piece { bytes, .. }| bytes.clone())
}
