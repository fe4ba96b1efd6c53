//! The pieces of an answer that is written while it comes: each is masked by itself, and what is begun waits, within limits.

use crate::mask::{Frames, MAX_LINE_BYTES, Masker};
use countersign_core::mask::{MaskError, Masked};

/// How an answer is cut.
#[derive(Debug)]
pub(crate) enum Pieces {
    /// Documents one behind the other, as a watch sends them.
    Frames(Frames),
    /// Lines, with what is begun of one.
    Lines(Vec<u8>),
    /// As it comes: nothing is covered in it.
    Passing,
}

impl Pieces {
    /// Takes some of the answer, and hands out what can be written of it now.
    pub(crate) fn push(
        &mut self,
        bytes: &[u8],
        masker: &mut Masker,
    ) -> Result<Vec<Masked<Vec<u8>>>, MaskError> {
        match self {
            Self::Passing => Ok(vec![masker.pass(bytes.to_vec())?]),
            Self::Frames(frames) => {
                let whole = frames.push(bytes)?;
                whole.iter().map(|frame| Ok(ended(&masker.document(frame)?))).collect()
            }
            Self::Lines(begun) => {
                begun.extend_from_slice(bytes);
                let Some(last) = begun.iter().rposition(|byte| *byte == b'\n') else {
                    return room(begun).map(|()| Vec::new());
                };
                let rest = begun.split_off(last + 1);
                let whole = std::mem::replace(begun, rest);
                room(begun)?;
                whole.split_inclusive(|byte| *byte == b'\n').map(|line| masker.line(line)).collect()
            }
        }
    }

    /// Bytes of what is begun and waits for its end.
    pub(crate) fn begun(&self) -> usize {
        match self {
            Self::Passing => 0,
            Self::Frames(frames) => frames.begun(),
            Self::Lines(begun) => begun.len(),
        }
    }

    /// The end of the answer.
    pub(crate) fn finish(
        &mut self,
        masker: &mut Masker,
    ) -> Result<Option<Masked<Vec<u8>>>, MaskError> {
        match self {
            Self::Passing => Ok(None),
            Self::Frames(frames) => frames.finish().map(|()| None),
            Self::Lines(begun) if begun.is_empty() => Ok(None),
            Self::Lines(begun) => masker.line(begun).map(Some),
        }
    }
}

fn room(begun: &[u8]) -> Result<(), MaskError> {
    if begun.len() > MAX_LINE_BYTES {
        return Err(MaskError::TooLarge { most: MAX_LINE_BYTES });
    }
    Ok(())
}

/// A document of a stream, with the line end that clients expect behind each.
fn ended(document: &Masked<Vec<u8>>) -> Masked<Vec<u8>> {
    document.read_as(|document| {
        let mut line = Vec::with_capacity(document.len() + 1);
        line.extend_from_slice(document);
        line.push(b'\n');
        line
    })
}
