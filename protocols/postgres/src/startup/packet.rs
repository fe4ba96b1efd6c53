//! The packets without a type byte that open a connection (`StartupMessage`, `SSLRequest`, `CancelRequest`).

use crate::frame::{Body, FrameError};
use bytes::{Bytes, BytesMut};
use countersign_core::gate::CancelKey;
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt};

/// The longest start-up packet, as in PostgreSQL (`MAX_STARTUP_PACKET_LENGTH`).
const MAX_PACKET: usize = 10_000;
/// Length and code.
const MIN_PACKET: usize = 8;
/// Parameters in one packet at most.
const MAX_PARAMETERS: usize = 64;

const CANCEL_REQUEST: u32 = 80_877_102;
const SSL_REQUEST: u32 = 80_877_103;
const GSS_REQUEST: u32 = 80_877_104;
/// Protocol 3: the upper half of the version.
const MAJOR: u32 = 3;

/// What a connection can open with.
#[derive(Debug)]
pub(crate) enum InitialPacket {
    Tls,
    Gss,
    Cancel(CancelKey),
    Session { minor: u16, parameters: Vec<(String, String)> },
}

/// Why a connection came to nothing before it was a session.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartupError {
    #[error("the peer closed the connection")]
    Closed,
    #[error("the connection failed")]
    Io(#[source] io::Error),
    #[error("the TLS handshake failed")]
    Tls(#[source] io::Error),
    #[error("bytes behind a request for encryption")]
    Glued,
    #[error("too many requests for encryption")]
    TooManyRequests,
    #[error("a packet of a length that is not allowed")]
    Length,
    #[error("unknown protocol version {0:#x}")]
    Version(u32),
    #[error("the start-up packet is malformed")]
    Malformed(#[source] FrameError),
    #[error("refused: {0}")]
    Refused(String),
    #[error("nothing complete arrived in time")]
    Late,
}

/// Reads exactly one packet and not a byte behind it.
pub(crate) async fn read_packet(
    stream: &mut (impl AsyncRead + Unpin + ?Sized),
) -> Result<InitialPacket, StartupError> {
    let length = read_u32(stream).await?;
    let length = usize::try_from(length).map_err(|_| StartupError::Length)?;
    if !(MIN_PACKET..=MAX_PACKET).contains(&length) {
        return Err(StartupError::Length);
    }
    let code = read_u32(stream).await?;
    let mut body = BytesMut::zeroed(length - MIN_PACKET);
    stream.read_exact(&mut body).await.map_err(broken)?;
    let body = body.freeze();
    match code {
        SSL_REQUEST if body.is_empty() => Ok(InitialPacket::Tls),
        GSS_REQUEST if body.is_empty() => Ok(InitialPacket::Gss),
        SSL_REQUEST | GSS_REQUEST => Err(StartupError::Length),
        CANCEL_REQUEST => cancel(body).map_err(StartupError::Malformed),
        version if version >> 16 == MAJOR => {
            let minor = u16::try_from(version & 0xffff).unwrap_or(u16::MAX);
            let parameters = parameters(body).map_err(StartupError::Malformed)?;
            Ok(InitialPacket::Session { minor, parameters })
        }
        version => Err(StartupError::Version(version)),
    }
}

async fn read_u32(stream: &mut (impl AsyncRead + Unpin + ?Sized)) -> Result<u32, StartupError> {
    let mut bytes = [0; 4];
    stream.read_exact(&mut bytes).await.map_err(broken)?;
    Ok(u32::from_be_bytes(bytes))
}

fn broken(error: io::Error) -> StartupError {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        StartupError::Closed
    } else {
        StartupError::Io(error)
    }
}

fn cancel(body: Bytes) -> Result<InitialPacket, FrameError> {
    let mut body = Body::new("CancelRequest", body);
    let key = CancelKey { process: body.oid()?, secret: body.oid()? };
    body.end()?;
    Ok(InitialPacket::Cancel(key))
}

fn parameters(body: Bytes) -> Result<Vec<(String, String)>, FrameError> {
    let mut body = Body::new("StartupMessage", body);
    let mut parameters = Vec::new();
    loop {
        let name = body.text()?;
        if name.is_empty() {
            body.end()?;
            return Ok(parameters);
        }
        if parameters.len() == MAX_PARAMETERS {
            return Err(FrameError::Malformed { what: "StartupMessage" });
        }
        parameters.push((name, body.text()?));
    }
}
