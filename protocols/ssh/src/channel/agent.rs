//! Writes to the agent: masked bytes, and what became of its program.

use crate::{
    error::exit_status,
    hold_notice,
    inflow::{Killed, Terminal},
    mask,
};
use bytes::Bytes;
use countersign_core::{gate::HoldNotice, mask::Masked, recording::Stream, refusal::Refusal};
use russh::{
    ChannelWriteHalf,
    server::{Handle, Msg},
};
use std::time::Duration;
use tokio::time::timeout;

/// RFC 4254, 5.2: `SSH_EXTENDED_DATA_STDERR`.
const STDERR: u32 = 1;
/// How long an agent that does not read may keep its last words from being written.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// The same for what is said while its program is held.
const NOTICE_WITHIN: Duration = Duration::from_secs(5);

/// The agent is gone, or its channel is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct AgentGone;

/// The agent's side of a channel.
pub(super) struct Agent {
    writer: ChannelWriteHalf<Msg>,
    connection: Handle,
    terminal: Terminal,
}

impl std::fmt::Debug for Agent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Agent").field("terminal", &self.terminal).finish_non_exhaustive()
    }
}

impl Agent {
    pub(super) fn new(
        writer: ChannelWriteHalf<Msg>,
        connection: Handle,
        terminal: Terminal,
    ) -> Self {
        Self { writer, connection, terminal }
    }

    /// Writes what a program said.
    pub(super) async fn write(
        &self,
        stream: Stream,
        bytes: Masked<Bytes>,
    ) -> Result<(), AgentGone> {
        let bytes = bytes.into_inner();
        let written = match stream {
            Stream::Error => self.writer.extended_data_bytes(STDERR, bytes).await,
            Stream::Output | Stream::Input => self.writer.data_bytes(bytes).await,
        };
        written.map_err(|_| AgentGone)
    }

    /// Says that the program waits for humans. An agent that does not read is not waited for.
    pub(super) async fn tell(&self, notice: &HoldNotice) {
        let line = mask::own(hold_notice::held(notice, self.terminal));
        drop(timeout(NOTICE_WITHIN, self.write(Stream::Error, line)).await);
    }

    /// The program says no more.
    pub(super) async fn eof(&self) -> Result<(), AgentGone> {
        self.writer.eof().await.map_err(|_| AgentGone)
    }

    /// The program has ended.
    pub(super) async fn exited(&self, status: u32) -> Result<(), AgentGone> {
        self.writer.exit_status(status).await.map_err(|_| AgentGone)
    }

    /// The program was ended by a signal.
    pub(super) async fn killed(&self, killed: &Killed) -> Result<(), AgentGone> {
        let Killed { signal, core_dumped, message, language } = killed.clone();
        let id = self.writer.id();
        let told = self.connection.exit_signal_request(id, signal, core_dumped, message, language);
        told.await.map_err(|()| AgentGone)
    }

    /// Says why the program does not run, or not on.
    pub(super) async fn refuse(&self, refusal: &Refusal) {
        let line = mask::own(hold_notice::refused(refusal, self.terminal));
        let told = async {
            self.write(Stream::Error, line).await?;
            // In this order: a client may close the channel at the end of the output.
            self.exited(exit_status(refusal)).await?;
            self.eof().await
        };
        if timeout(LAST_WORDS, told).await != Ok(Ok(())) {
            tracing::debug!(%refusal, "an agent went away before it heard why");
        }
    }

    /// Closes the channel.
    pub(super) async fn close(&self) {
        drop(timeout(LAST_WORDS, self.writer.close()).await);
    }
}
