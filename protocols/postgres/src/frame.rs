//! PostgreSQL's framing, protocol 3.0 ("Message Formats" of the manual): a type byte, a length of four bytes that counts
//! itself, a body. A length is checked against the limit of its type and direction before anything is allocated for it,
//! and a body is read inside exactly its declared length.
//!
//! Nothing here knows what a message is for. `DataRow` and `CopyData` are handed on in pieces, so that a value of any size
//! passes in constant memory.

mod backend;
mod body;
mod build;
mod frontend;
mod reader;
mod writer;

pub(crate) use backend::BackendKind;
pub(crate) use body::Body;
pub(crate) use build::{
    Bind, Field, bind, close_portal, close_statement, copy_fail, describe_portal,
    describe_statement, empty, execute, flush, message, negotiate_version, parse, query, ready,
    startup, sync, text_pair,
};
pub(crate) use frontend::{
    BindBody, FrontendKind, ParseBody, StatementOrPortal, read_bind, read_execute, read_named,
    read_parse, read_text,
};
pub(crate) use reader::{FrameReader, Head};
pub(crate) use writer::{AgentWriter, TargetWriter};

use tokio::io::{AsyncRead, AsyncWrite};

/// A byte stream both ways.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// TLS, plain TCP or a Unix socket: after the handshake nothing tells them apart.
pub(crate) type Stream = Box<dyn Duplex>;

/// How many bytes are asked of a stream at once, and the most of a streamed body that is held.
pub(crate) const CHUNK: usize = 32 * 1024;

/// What is wrong with the bytes of a peer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FrameError {
    /// The peer closed the connection, between messages or inside one.
    #[error("the connection was closed")]
    Closed,
    /// The connection failed.
    #[error("the connection failed")]
    Io(#[source] std::io::Error),
    /// The peer was given a time to answer in, and did not.
    #[error("no answer came in time")]
    Late,
    /// A message has a type that its direction does not know.
    #[error("unknown message type 0x{kind:02x}")]
    UnknownType {
        /// The byte.
        kind: u8,
    },
    /// A message's length is below the least or above the limit of its type.
    #[error("message of type 0x{kind:02x} has a length that is not allowed")]
    Length {
        /// The type byte.
        kind: u8,
    },
    /// A message of a kind that may be dropped whole is longer than the gateway takes.
    #[error("message of type 0x{kind:02x} has more than {most} bytes")]
    TooLong {
        /// The type byte.
        kind: u8,
        /// The most bytes that a body of this type may have.
        most: usize,
    },
    /// A body does not end where its length says, or a field in it is not what it must be.
    #[error("malformed {what}")]
    Malformed {
        /// What was read.
        what: &'static str,
    },
}

#[cfg(test)]
mod tests;
