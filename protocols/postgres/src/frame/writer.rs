//! Writes to the two sides. The agent's side takes only what is [`Masked`]; the target's side takes operations only as
//! [`Outgoing`].
//! Both keep what could not be written yet: a flush may be dropped and called again.

use super::{CHUNK, FrameError};
use crate::forward::Outgoing;
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
    written: Written,
    place: Place,
}

/// Whether everything was handed to the operating system. An empty queue alone does not say so: TLS keeps a record that
/// the socket did not take, and a flush may have been dropped just then.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Written {
    All,
    NotAll,
}

/// Whether the bytes so far end a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    Between,
    Inside,
}

impl<W: AsyncWrite + Unpin> AgentWriter<W> {
    pub(crate) fn new(sink: W) -> Self {
        Self { sink, waiting: BytesMut::new(), written: Written::All, place: Place::Between }
    }

    /// Queues a whole message.
    pub(crate) fn say(&mut self, message: Masked<Bytes>) {
        self.waiting.extend_from_slice(&message.into_inner());
        self.written = Written::NotAll;
    }

    /// Queues a piece of a message that goes on.
    pub(crate) fn say_part(&mut self, part: Masked<Bytes>) {
        self.waiting.extend_from_slice(&part.into_inner());
        self.written = Written::NotAll;
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

    /// Whether so much waits that no more should be said before it is written.
    pub(crate) fn is_full(&self) -> bool {
        self.waiting.len() >= GATHER
    }

    /// Whether everything was written.
    pub(crate) fn is_idle(&self) -> bool {
        self.written == Written::All
    }

    /// Writes when enough has gathered.
    pub(crate) async fn gather(&mut self) -> Result<(), FrameError> {
        if self.is_full() { self.flush().await } else { Ok(()) }
    }

    /// Writes everything that waits.
    pub(crate) async fn flush(&mut self) -> Result<(), FrameError> {
        if self.is_idle() {
            return Ok(());
        }
        self.sink.write_all_buf(&mut self.waiting).await.map_err(FrameError::Io)?;
        self.sink.flush().await.map_err(FrameError::Io)?;
        self.written = Written::All;
        Ok(())
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
    written: Written,
}

impl<W: AsyncWrite + Unpin> TargetWriter<W> {
    pub(crate) fn new(sink: W) -> Self {
        Self { sink, waiting: BytesMut::new(), written: Written::All }
    }

    /// Queues an operation of the agent's, which was admitted.
    pub(crate) fn forward(&mut self, operation: Outgoing) {
        self.waiting.extend_from_slice(&operation.into_bytes());
    }

    /// Queues words of the gateway's own, or data of a COPY that was admitted.
    pub(crate) fn queue(&mut self, bytes: &[u8]) {
        self.waiting.extend_from_slice(bytes);
        self.written = Written::NotAll;
    }

    /// Whether everything was written.
    pub(crate) fn is_idle(&self) -> bool {
        self.written == Written::All
    }

    /// Writes everything that waits.
    pub(crate) async fn flush(&mut self) -> Result<(), FrameError> {
        self.sink.write_all_buf(&mut self.waiting).await.map_err(FrameError::Io)?;
        self.sink.flush().await.map_err(FrameError::Io)?;
        self.written = Written::All;
        Ok(())
    }
}
