//! Stored and sent forms of everything typed: the only place of this crate's typed half that is serialised. Each form
//! begins with a version byte; the forms of a version never change.

pub(crate) mod v1;

use crate::{command::Command, effect::Effect, reply::Reply};

/// The version that is written.
const VERSION: u8 = 1;

/// Why bytes are not what they should be.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// Written by a newer program.
    #[error("{what} has version {version}, which this build does not know")]
    UnknownVersion {
        /// What was read.
        what: &'static str,
        /// Its version.
        version: u8,
    },
    /// Not readable as what it should be.
    #[error("{what} cannot be read: {detail}")]
    Unreadable {
        /// What was read.
        what: &'static str,
        /// Where it fails, never the content.
        detail: String,
    },
    /// A value that cannot be written.
    #[error("{what} cannot be written: {detail}")]
    Unwritable {
        /// What was written.
        what: &'static str,
        /// Why.
        detail: String,
    },
}

/// A value with a stored form.
pub(crate) trait Stored: Sized {
    /// What it is, for errors.
    const WHAT: &'static str;

    /// Its stored form.
    fn encode(&self) -> Result<Vec<u8>, FormatError>;

    /// The value of a stored form.
    fn decode(bytes: &[u8]) -> Result<Self, FormatError>;
}

/// A command as the log stores it.
pub fn encode_command(command: &Command) -> Result<Vec<u8>, FormatError> {
    command.encode()
}

/// Reads a command of the log.
pub fn decode_command(bytes: &[u8]) -> Result<Command, FormatError> {
    Command::decode(bytes)
}

/// A reply as it is sent back to where the command came from.
pub fn encode_reply(reply: &Reply) -> Result<Vec<u8>, FormatError> {
    reply.encode()
}

/// Reads a reply.
pub fn decode_reply(bytes: &[u8]) -> Result<Reply, FormatError> {
    Reply::decode(bytes)
}

/// An effect as it is handed to subscribers.
pub fn encode_effect(effect: &Effect) -> Result<Vec<u8>, FormatError> {
    effect.encode()
}

/// Reads an effect.
pub fn decode_effect(bytes: &[u8]) -> Result<Effect, FormatError> {
    Effect::decode(bytes)
}
