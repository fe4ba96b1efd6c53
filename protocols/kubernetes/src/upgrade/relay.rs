//! A program that runs: what the agent sends goes to it, what it says goes to the agent, recorded. Both ways at once, neither
//! waiting for the other, and no faster than who reads takes it.

use super::{
    Protocol,
    container::{Agent, Container, Stop},
    input::{self, Input},
    socket::{self, CLOSE, RESIZE, STATUS, STDERR, STDIN, STDOUT, Said, Socket},
};
use crate::{
    mask::{self, Masker, StreamPiece},
    record::Account,
    session::Session,
};
use countersign_core::{
    id::{OperationId, Revision},
    operation::Operation,
    permit::Release,
    recording::Stream,
    refusal::{AgentFacing, Refusal},
};
use futures::{
    SinkExt as _, StreamExt as _,
    stream::{SplitSink, SplitStream},
};
use serde_json::Value;
use std::{sync::Arc, time::Duration};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

/// How long a target may take to be told that nobody listens any more.
const HANGS_UP_WITHIN: Duration = Duration::from_secs(1);

/// What both ways need.
struct Relayed<'a> {
    session: &'a Session,
    operation: OperationId,
    release: &'a Release,
}

impl Container {
    /// Relays until the program has ended, or must.
    pub(super) async fn relay(
        &mut self,
        (socket, protocol): (Socket, Protocol),
        (operation, release, revision): (&Operation, &Release, Revision),
        account: &mut Account,
    ) -> Result<(), Stop> {
        let session = Arc::clone(&self.session);
        let relayed = Relayed { session: &session, operation: operation.id(), release };
        let (mut to_target, mut of_target) = socket.split();
        let ended = tokio::select! {
            ended = relayed.downwards(&mut of_target, &mut self.agent, account) => ended,
            stop = relayed.upwards(&mut self.input, (&mut to_target, protocol)) => Err(stop),
            refusal = session.ending() => Err(refusal.into()),
            refusal = session.outdated(revision) => Err(refusal.into()),
        };
        // What runs at the other end hears that nobody listens any more.
        drop(timeout(HANGS_UP_WITHIN, to_target.send(socket::farewell())).await);
        ended
    }
}

impl Relayed<'_> {
    /// What the program says.
    async fn downwards(
        &self,
        target: &mut SplitStream<Socket>,
        agent: &mut Agent,
        account: &mut Account,
    ) -> Result<(), Stop> {
        let mut has_status = false;
        loop {
            let said = socket::said(target.next().await).map_err(|_| Refusal::TargetUnavailable)?;
            match said {
                Said::Channel(channel @ (STDOUT | STDERR), bytes) => {
                    let stream = if channel == STDOUT { Stream::Output } else { Stream::Error };
                    account.came(bytes.len());
                    if !bytes.is_empty() {
                        let masked = self.recorded(stream, &bytes).await?;
                        agent.write(channel, masked).await?;
                    }
                }
                // Each channel is begun with an empty message, by some servers all of them.
                Said::Channel(STDIN | STATUS | RESIZE, bytes) if bytes.is_empty() => {}
                Said::Channel(STATUS, bytes) => {
                    let mut masker = Masker::of_status(self.release.masks());
                    let masked = masker.document(&bytes).map_err(|error| error.refusal())?;
                    account.exited(word(masked.get()));
                    account.masked(masker.tally());
                    has_status = true;
                    agent.write(STATUS, masked).await?;
                }
                Said::Nothing => {}
                Said::End if has_status => return Ok(()),
                Said::Channel(..) | Said::End => return Err(Refusal::TargetUnavailable.into()),
            }
        }
    }

    /// What the agent sends, until it goes or must.
    async fn upwards(
        &self,
        input: &mut Input,
        (target, protocol): (&mut SplitSink<Socket, Message>, Protocol),
    ) -> Stop {
        loop {
            let (channel, bytes) = match input.next().await {
                Ok(Some(said)) => said,
                Ok(None) => return Stop::Gone,
                Err(refusal) => return refusal.into(),
            };
            if let Err(refusal) = self.taken(channel, &bytes, protocol).await {
                return refusal.into();
            }
            if target.send(socket::message(channel, &bytes)).await.is_err() {
                // What the program says last says what has happened.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Records what an agent sends; refuses what it must not.
    async fn taken(&self, channel: u8, bytes: &[u8], protocol: Protocol) -> Result<(), Refusal> {
        match channel {
            STDIN if bytes.is_empty() => Ok(()),
            STDIN => self.recorded(Stream::Input, bytes).await.map(drop),
            RESIZE => match input::size(channel, bytes) {
                Some((columns, rows)) => {
                    let size = mask::resized(self.operation, columns, rows);
                    self.session.record(size).await
                }
                None => Err(protocol_of("the size of a terminal")),
            },
            CLOSE if bytes == [STDIN] && protocol == Protocol::V5 => Ok(()),
            CLOSE if bytes == [STDIN] => Err(Refusal::NotSupported {
                message: "the target cannot be told that the input has ended".to_owned(),
            }),
            _ => Err(protocol_of("a channel that is none of an agent's")),
        }
    }

    /// Records a piece of a stream, and gives it for who it is sent to.
    async fn recorded(
        &self,
        stream: Stream,
        bytes: &[u8],
    ) -> Result<countersign_core::mask::Masked<Vec<u8>>, Refusal> {
        let plan = self.release.masks();
        let piece = StreamPiece { operation: self.operation, stream, bytes: bytes.to_vec() };
        let masked = mask::piece(plan, piece).map_err(|error| error.refusal())?;
        self.session.record(mask::entry(plan, &masked)).await?;
        Ok(masked.read_as(|piece| piece.bytes.clone()))
    }
}

fn protocol_of(what: &str) -> Refusal {
    Refusal::Protocol { message: what.to_owned() }
}

/// The target's word on how a program has ended: its exit status, as the API writes it into a `Status`.
fn word(status: &[u8]) -> String {
    let status: Value = serde_json::from_slice(status).unwrap_or_default();
    let is = |value: &Value, name: &str, text: &str| {
        value.get(name).and_then(Value::as_str) == Some(text)
    };
    if is(&status, "status", "Success") {
        return "exit 0".to_owned();
    }
    let causes = status
        .pointer("/details/causes")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    let code = causes.iter().find(|cause| is(cause, "reason", "ExitCode"));
    let code = code.and_then(|cause| cause.get("message")?.as_str()?.parse::<i32>().ok());
    code.map_or_else(|| "failed".to_owned(), |code| format!("exit {code}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_status_is_read_from_the_status() {
        let failed = r#"{"status":"Failure","reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"5"}]}}"#;
        for (status, expected) in [
            (r#"{"status":"Success"}"#, "exit 0"),
            (failed, "exit 5"),
            (r#"{"status":"Failure","message":"no such container"}"#, "failed"),
            ("", "failed"),
        ] {
            assert_eq!(word(status.as_bytes()), expected);
        }
    }
}
