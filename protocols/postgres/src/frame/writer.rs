//! Writes to the two sides. The agent's side takes only what is [`Masked`]; the target's side is a plain queue.
//! Both keep what could not be written yet: a flush may be dropped and called again.

use super::{CHUNK, FrameError};
use bytes::{Bytes, BytesMut};
use countersign_core::mask::Masked;
use tokio::io::{AsyncWrite, AsyncWriteExt};

/// How many bytes are gathered before they are written although more could follow.
const GATHER: usize = 2 * CHUNK;

/// The way to the agent.
#[derive(Debug)]
pub(crate) struct AgentWriter<W> {
    sink: W,
    waiting: BytesMut,
    place: Place,
}

/// Whether the bytes so far end a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    Between,
    Inside,
}

impl<W: AsyncWrite + Unpin> AgentWriter<W> {
    pub(crate) fn new(sink: W) -> Self {
        Self { sink, waiting: BytesMut::new(), place: Place::Between }
    }

    /// Queues a whole message.
    pub(crate) fn say(&mut self, message: Masked<Bytes>) {
        self.waiting.extend_from_slice(&message.into_inner());
    }

    /// Queues a piece of a message that goes on.
    pub(crate) fn say_part(&mut self, part: Masked<Bytes>) {
        self.waiting.extend_from_slice(&part.into_inner());
        self.place = Place::Inside;
    }

    /// The message of the last part is complete.
    pub(crate) fn end_part(&mut self) {
        self.place = Place::Between;
    }

    /// Whether another message may begin here.
    pub(crate) fn is_between_messages(&self) -> bool {
        self.place == Place::Between
    }

    /// Writes when enough has gathered.
    pub(crate) async fn gather(&mut self) -> Result<(), FrameError> {
        if self.waiting.len() >= GATHER { self.flush().await } else { Ok(()) }
    }

    /// Writes everything that waits.
    pub(crate) async fn flush(&mut self) -> Result<(), FrameError> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        self.sink.write_all_buf(&mut self.waiting).await.map_err(FrameError::Io)?;
        self.sink.flush().await.map_err(FrameError::Io)
    }

    /// Writes everything and then waits for ever; returns only an error. For use beside something that is waited for.
    pub(crate) async fn flush_then_wait(&mut self) -> FrameError {
        match self.flush().await {
            Err(error) => error,
            Ok(()) => std::future::pending().await,
        }
    }

    /// Writes everything and closes the writing side.
    pub(crate) async fn close(&mut self) -> Result<(), FrameError> {
        self.flush().await?;
        self.sink.shutdown().await.map_err(FrameError::Io)
    }
}

/// The way to the target.
#[derive(Debug)]
pub(crate) struct TargetWriter<W> {
    sink: W,
    waiting: BytesMut,
}

impl<W: AsyncWrite + Unpin> TargetWriter<W> {
    pub(crate) fn new(sink: W) -> Self {
        Self { sink, waiting: BytesMut::new() }
    }

    /// Queues bytes.
    pub(crate) fn queue(&mut self, bytes: &[u8]) {
        self.waiting.extend_from_slice(bytes);
    }

    /// Whether everything was written.
    pub(crate) fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Writes everything that waits.
    pub(crate) async fn flush(&mut self) -> Result<(), FrameError> {
        self.sink.write_all_buf(&mut self.waiting).await.map_err(FrameError::Io)?;
        self.sink.flush().await.map_err(FrameError::Io)
    }
}
