//! A connection that speaks WebSocket, and what goes over it: messages, each of which begins with the number of its channel.
//! It knows nothing of what they say.

use bytes::Bytes;
use countersign_core::refusal::Refusal;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error, Message, Utf8Bytes,
        protocol::{CloseFrame, Role, WebSocketConfig, frame::coding::CloseCode},
    },
};

/// The longest message. Clients and kubelets send pieces of 32 KiB at most.
const MAX_MESSAGE: usize = 1024 * 1024;
/// What is read, and what is written, at a time.
const BUFFER: usize = 32 * 1024;

/// The channels, as the API numbers them.
pub(super) const STDIN: u8 = 0;
pub(super) const STDOUT: u8 = 1;
pub(super) const STDERR: u8 = 2;
pub(super) const STATUS: u8 = 3;
pub(super) const RESIZE: u8 = 4;
/// Says which channel is closed (version 5).
pub(super) const CLOSE: u8 = 255;

/// A connection.
pub(super) type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// What one side has said.
#[derive(Debug)]
pub(super) enum Said {
    /// Something on a channel.
    Channel(u8, Bytes),
    /// Nothing that matters.
    Nothing,
    /// It says no more.
    End,
}

/// A connection that was upgraded.
pub(super) async fn of(upgraded: Upgraded, role: Role) -> Socket {
    let config = WebSocketConfig::default()
        .read_buffer_size(BUFFER)
        // Each message goes at once.
        .write_buffer_size(0)
        .max_write_buffer_size(2 * MAX_MESSAGE)
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE));
    WebSocketStream::from_raw_socket(TokioIo::new(upgraded), role, Some(config)).await
}

/// Takes a message apart.
pub(super) fn said(next: Option<Result<Message, Error>>) -> Result<Said, Refusal> {
    let broken = |message: &str| Err(Refusal::Protocol { message: message.to_owned() });
    match next {
        Some(Ok(Message::Binary(mut bytes))) => {
            if bytes.is_empty() {
                return broken("a message without a channel");
            }
            let rest = bytes.split_off(1);
            Ok(bytes.first().map_or(Said::Nothing, |channel| Said::Channel(*channel, rest)))
        }
        Some(Ok(Message::Text(_))) => broken("a message that is text"),
        Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Ok(Said::Nothing),
        Some(Err(Error::Capacity(_))) => broken("a message that is too long"),
        Some(Ok(Message::Close(_)) | Err(_)) | None => Ok(Said::End),
    }
}

/// The end, as one that was to come: clients take an end without a code for a failure (RFC 6455, section 7.4.1).
pub(super) fn farewell() -> Message {
    Message::Close(Some(CloseFrame { code: CloseCode::Normal, reason: Utf8Bytes::default() }))
}

/// A message on a channel.
pub(super) fn message(channel: u8, bytes: &[u8]) -> Message {
    let mut message = Vec::with_capacity(bytes.len() + 1);
    message.push(channel);
    message.extend_from_slice(bytes);
    Message::Binary(message.into())
}
