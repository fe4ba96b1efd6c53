//! The frames on the pipe between the gateway and the process that runs the grammar: four bytes of length, then postcard.
//! Both ends are the same executable, so there is no version in it.

use serde::{Deserialize, Serialize};

use super::{Classified, MAX_TEXT_BYTES};

/// The longest request, in bytes: the longest text and its frame.
pub(super) const MAX_REQUEST_BYTES: usize = MAX_TEXT_BYTES + 64;

/// The longest answer, in bytes. What a text of the longest kind can name is below it by far, normalised text included;
/// a longer answer becomes an opaque one.
pub(super) const MAX_ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// A text to classify.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Request {
    /// Comes back in the answer, so that an answer to an earlier text is never taken for this one's.
    pub(super) number: u64,
    /// The text.
    pub(super) text: String,
}

/// What a text means.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Answer {
    /// The number of the request.
    pub(super) number: u64,
    /// The meaning.
    pub(super) classified: Classified,
}

/// Puts the length in front of a message. `None` if it cannot be encoded or is longer than `limit`.
pub(super) fn frame<T: Serialize>(message: &T, limit: usize) -> Option<Vec<u8>> {
    let body = postcard::to_stdvec(message).ok()?;
    if body.len() > limit {
        return None;
    }
    let mut framed = u32::try_from(body.len()).ok()?.to_le_bytes().to_vec();
    framed.extend(body);
    Some(framed)
}

/// The length of the body behind these four bytes. `None` if it exceeds `limit`.
pub(super) fn body_length(header: [u8; 4], limit: usize) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(header)).ok().filter(|length| *length <= limit)
}

/// Reads a message that fills the body exactly.
pub(super) fn body<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Option<T> {
    match postcard::take_from_bytes(body) {
        Ok((message, [])) => Some(message),
        Ok(_) | Err(_) => None,
    }
}
