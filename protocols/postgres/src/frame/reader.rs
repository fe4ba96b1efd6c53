//! Reads frames off a stream. Every method that waits may be dropped and called again: nothing is lost.
//! It keeps no more than one whole message, or one chunk of a streamed one.

use super::{CHUNK, FrameError};
use bytes::{Buf, Bytes, BytesMut};
use std::time::Duration;
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    time::timeout,
};

/// Type byte and length.
const HEAD: usize = 5;
/// What is read and dropped of a peer that was told the last words, at most, in bytes.
const MOST_DRAINED: usize = 64 * 1024 * 1024;
/// How long such a peer may take to close.
const DRAIN_DEADLINE: Duration = Duration::from_secs(5);

/// A body ends before what is in it does.
const TOO_SHORT: FrameError = FrameError::Malformed { what: "message" };

/// The head of the message that comes next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Head {
    /// The type byte.
    pub(crate) kind: u8,
    /// Bytes of the body: the length without its own four bytes.
    pub(crate) body: usize,
}

/// A stream that is read in frames.
#[derive(Debug)]
pub(crate) struct FrameReader<R> {
    source: R,
    buffer: BytesMut,
    /// Bytes of a streamed body that were not yet handed on.
    left: usize,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    pub(crate) fn new(source: R) -> Self {
        Self { source, buffer: BytesMut::new(), left: 0 }
    }

    /// Reads what is there, at most a chunk.
    pub(crate) async fn fill(&mut self) -> Result<(), FrameError> {
        self.buffer.reserve(CHUNK);
        match self.source.read_buf(&mut self.buffer).await {
            Ok(0) => Err(FrameError::Closed),
            Ok(_) => Ok(()),
            Err(error) => Err(FrameError::Io(error)),
        }
    }

    /// The head of the next message, if it has arrived. Only between messages.
    pub(crate) fn buffered_head(&self) -> Result<Option<Head>, FrameError> {
        head_of(&self.buffer)
    }

    /// Bytes that have arrived and were not taken.
    pub(crate) fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// Waits for the head of the next message and leaves it where it is.
    pub(crate) async fn head(&mut self) -> Result<Head, FrameError> {
        loop {
            if let Some(head) = self.buffered_head()? {
                return Ok(head);
            }
            self.fill().await?;
        }
    }

    /// Takes the whole message that `head` announces, whose length the caller has checked, and returns its body.
    pub(crate) async fn whole(&mut self, head: Head) -> Result<Bytes, FrameError> {
        while self.buffer.len() < HEAD + head.body {
            self.fill().await?;
        }
        self.buffer.advance(HEAD);
        Ok(self.buffer.split_to(head.body).freeze())
    }

    /// Takes the head of a message whose body is then taken with [`Self::chunk`]; returns its bytes.
    pub(crate) fn begin(&mut self, head: Head) -> Bytes {
        self.left = head.body;
        self.buffer.split_to(HEAD.min(self.buffer.len())).freeze()
    }

    /// The next piece of the body that was begun; `None` when it is at its end.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, FrameError> {
        if self.left == 0 {
            return Ok(None);
        }
        if self.buffer.is_empty() {
            self.fill().await?;
        }
        let piece = self.buffer.split_to(self.left.min(self.buffer.len())).freeze();
        self.left -= piece.len();
        Ok(Some(piece))
    }

    /// So many bytes of the body that was begun, however they arrive. The caller sees to it that they may be held.
    pub(crate) async fn exactly(&mut self, count: usize) -> Result<Bytes, FrameError> {
        self.left = self.left.checked_sub(count).ok_or(TOO_SHORT)?;
        while self.buffer.len() < count {
            self.fill().await?;
        }
        Ok(self.buffer.split_to(count).freeze())
    }

    /// Drops so many bytes of the body that was begun.
    pub(crate) async fn pass_over(&mut self, count: usize) -> Result<(), FrameError> {
        let behind = self.left.checked_sub(count).ok_or(TOO_SHORT)?;
        self.left = count;
        while self.chunk().await?.is_some() {}
        self.left = behind;
        Ok(())
    }

    /// Bytes of the body that was begun that were not taken yet.
    pub(crate) fn left(&self) -> usize {
        self.left
    }

    /// Drops the message that `head` announces.
    pub(crate) async fn skip(&mut self, head: Head) -> Result<(), FrameError> {
        drop(self.begin(head));
        while self.chunk().await?.is_some() {}
        Ok(())
    }

    /// Reads and drops what the peer still sends, until it closes or a limit is reached. A socket that is closed with
    /// unread bytes is reset, and with it what the peer was told last (RFC 9293, section 3.6.1): call this behind the
    /// last words.
    pub(crate) async fn drain(&mut self) {
        let all = async {
            for _ in 0..MOST_DRAINED / CHUNK {
                self.buffer.clear();
                if self.fill().await.is_err() {
                    return;
                }
            }
        };
        // A peer that goes on for longer does without the last words.
        drop(timeout(DRAIN_DEADLINE, all).await);
    }

    /// Whether a message of type `kind` is among the messages that have arrived whole.
    pub(crate) fn has_buffered(&self, kind: u8) -> bool {
        let mut rest = self.buffer.as_ref();
        while let Ok(Some(head)) = head_of(rest) {
            if head.kind == kind {
                return true;
            }
            let Some(behind) = rest.get(HEAD + head.body..) else { return false };
            rest = behind;
        }
        false
    }
}

fn head_of(buffer: &[u8]) -> Result<Option<Head>, FrameError> {
    let Some((kind, rest)) = buffer.split_first() else { return Ok(None) };
    let Some(length) = rest.first_chunk::<4>() else { return Ok(None) };
    let wrong = FrameError::Length { kind: *kind };
    let Ok(length) = usize::try_from(i32::from_be_bytes(*length)) else { return Err(wrong) };
    match length.checked_sub(4) {
        Some(body) => Ok(Some(Head { kind: *kind, body })),
        None => Err(wrong),
    }
}
