//! What is written to an agent. Only masked bytes are, whole or piece by piece; a stream that must not go on is broken off, so
//! that no client takes it for complete.

mod pieces;

pub(crate) use pieces::Pieces;

use crate::{mask, memory::Taken, status::Status};
use bytes::Bytes;
use countersign_core::mask::Masked;
use futures::stream::unfold;
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    Response, StatusCode,
    body::Frame,
    header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER},
};
use tokio::sync::mpsc;

/// Pieces of an answer that wait for a slow reader.
const MAX_WAITING: usize = 2;

/// An answer.
pub(crate) type Answer = Response<AnswerBody>;
/// Its body.
pub(crate) type AnswerBody = UnsyncBoxBody<Bytes, BrokenOff>;
/// What the pieces of a body go through.
pub(crate) type Stream = mpsc::Sender<Piece>;

/// A piece of a body.
#[derive(Debug)]
pub(crate) enum Piece {
    /// Some of it, with what it takes of the memory.
    Bytes(Masked<Vec<u8>>, Taken),
    /// It was complete. A body whose stream is gone without this is broken off.
    End,
}

/// The answer is not going on, and was not complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the answer was broken off by the gateway")]
pub(crate) struct BrokenOff;

/// A body in one piece.
pub(crate) fn whole(bytes: Masked<Vec<u8>>) -> AnswerBody {
    Full::new(Bytes::from(bytes.into_inner())).map_err(|never| match never {}).boxed_unsync()
}

/// The same, of what counts against the memory until its last byte is written.
pub(crate) fn counted(bytes: Masked<Vec<u8>>, taken: Taken) -> AnswerBody {
    Full::new(in_memory(bytes, taken)).map_err(|never| match never {}).boxed_unsync()
}

fn in_memory(bytes: Masked<Vec<u8>>, taken: Taken) -> Bytes {
    Bytes::from_owner(Counted { bytes: bytes.into_inner(), _taken: taken })
}

struct Counted {
    bytes: Vec<u8>,
    _taken: Taken,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// A body that comes piece by piece.
pub(crate) fn stream() -> (Stream, AnswerBody) {
    let (sender, receiver) = mpsc::channel(MAX_WAITING);
    let frames = unfold(Some(receiver), |receiver: Option<mpsc::Receiver<Piece>>| async {
        let mut receiver = receiver?;
        match receiver.recv().await {
            Some(Piece::Bytes(piece, taken)) => {
                Some((Ok(Frame::data(in_memory(piece, taken))), Some(receiver)))
            }
            Some(Piece::End) => None,
            None => Some((Err(BrokenOff), None)),
        }
    });
    (sender, StreamBody::new(frames).boxed_unsync())
}

/// An answer of the gateway's own.
pub(crate) fn of_status(status: &Status) -> Answer {
    let mut answer = Response::new(whole(mask::own(status.body())));
    *answer.status_mut() =
        StatusCode::from_u16(status.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    if let Some(seconds) = status.retry_after {
        headers.insert(RETRY_AFTER, seconds.into());
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Memory;

    #[tokio::test]
    async fn a_body_whose_stream_is_gone_without_an_end_is_broken_off() {
        for end in [Some(Piece::End), None] {
            let (stream, body) = stream();
            let piece = Piece::Bytes(mask::own(b"some".to_vec()), Memory::default().nothing());
            stream.send(piece).await.unwrap();
            let is_complete = end.is_some();
            if let Some(end) = end {
                stream.send(end).await.unwrap();
            }
            drop(stream);
            assert_eq!(body.collect().await.is_ok(), is_complete);
        }
    }
}
