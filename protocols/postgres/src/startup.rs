//! What happens on a connection before anyone is identified: the requests before TLS, the handshake, and the start-up
//! packet. Nothing that was read before TLS is looked at after it, and no agent speaks without TLS.

mod certificate;
mod packet;
mod parameters;

pub use certificate::AnyCertificate;

pub(crate) use packet::{InitialPacket, StartupError, read_packet};
pub(crate) use parameters::{Dropped, PREFERENCES, StartupParameters};

use crate::{
    error::{Complaint, Severity, SqlState},
    frame::{self, Stream},
    socket::Socket,
};
use countersign_core::gate::CancelKey;
use rustls::ServerConfig;
use rustls_pki_types::CertificateDer;
use std::sync::Arc;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// Requests for encryption that a connection may make before its start-up packet: GSS, then TLS.
const MAX_ENCRYPTION_REQUESTS: usize = 2;
/// The first byte of a TLS record of the handshake (RFC 8446, section 5.1): a client that begins with TLS at once.
const TLS_HANDSHAKE: u8 = 22;
/// The protocol name that a client which begins with TLS at once must offer ("SSL Session Encryption").
pub(crate) const ALPN: &[u8] = b"postgresql";

/// How a connection began.
pub(crate) enum Begun {
    /// A session is wanted, over TLS.
    Session {
        /// The connection, behind the handshake.
        stream: Stream,
        /// The certificate that the agent showed, and has the key of.
        certificate: Option<CertificateDer<'static>>,
        /// What the agent asked for.
        parameters: StartupParameters,
    },
    /// Another session's operation is to be cancelled.
    Cancel(CancelKey),
}

/// Takes a new connection to its start-up packet.
pub(crate) async fn begin(socket: Socket, tls: Arc<ServerConfig>) -> Result<Begun, StartupError> {
    let mut socket = socket;
    if starts_with_tls(socket.tcp()).await? {
        let mut stream = TlsAcceptor::from(tls).accept(socket).await.map_err(StartupError::Tls)?;
        if stream.get_ref().1.alpn_protocol() != Some(ALPN) {
            let complaint = Complaint::protocol("a direct TLS connection without ALPN")
                .hint("Offer the protocol name `postgresql`, or begin with SSLRequest.");
            return Err(refuse(&mut stream, complaint).await);
        }
        return over_tls(stream).await;
    }
    for _ in 0..=MAX_ENCRYPTION_REQUESTS {
        match understood(&mut socket).await? {
            InitialPacket::Cancel(key) => return Ok(Begun::Cancel(key)),
            InitialPacket::Gss => {
                nothing_glued(socket.tcp())?;
                socket.write_all(b"N").await.map_err(StartupError::Io)?;
            }
            InitialPacket::Tls => {
                nothing_glued(socket.tcp())?;
                socket.write_all(b"S").await.map_err(StartupError::Io)?;
                let stream =
                    TlsAcceptor::from(tls).accept(socket).await.map_err(StartupError::Tls)?;
                return over_tls(stream).await;
            }
            InitialPacket::Session { .. } => {
                let complaint =
                    Complaint::new(SqlState::INVALID_AUTHORIZATION, "the gateway requires TLS")
                        .hint("Connect with sslmode=verify-full.");
                return Err(refuse(&mut socket, complaint).await);
            }
        }
    }
    Err(StartupError::TooManyRequests)
}

async fn starts_with_tls(socket: &TcpStream) -> Result<bool, StartupError> {
    let mut first = [0];
    match socket.peek(&mut first).await.map_err(StartupError::Io)? {
        0 => Err(StartupError::Closed),
        _ => Ok(first == [TLS_HANDSHAKE]),
    }
}

/// Bytes behind a request for encryption were sent in clear and would be read as if they were not (CVE-2021-23214).
fn nothing_glued(socket: &TcpStream) -> Result<(), StartupError> {
    match socket.try_read(&mut [0]) {
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Ok(()),
        Err(error) => Err(StartupError::Io(error)),
        Ok(0) => Err(StartupError::Closed),
        Ok(_) => Err(StartupError::Glued),
    }
}

async fn over_tls(stream: TlsStream<Socket>) -> Result<Begun, StartupError> {
    let certificates = stream.get_ref().1.peer_certificates().unwrap_or_default();
    let certificate = certificates.first().cloned().map(CertificateDer::into_owned);
    let mut stream: Stream = Box::new(stream);
    match understood(&mut stream).await? {
        InitialPacket::Cancel(key) => Ok(Begun::Cancel(key)),
        InitialPacket::Gss | InitialPacket::Tls => Err(StartupError::TooManyRequests),
        InitialPacket::Session { minor, parameters } => {
            let (options, parameters): (Vec<_>, Vec<_>) =
                parameters.into_iter().partition(|(name, _)| name.starts_with("_pq_."));
            if minor > 0 || !options.is_empty() {
                let options: Vec<String> = options.into_iter().map(|(name, _)| name).collect();
                stream
                    .write_all(&frame::negotiate_version(&options))
                    .await
                    .map_err(StartupError::Io)?;
            }
            match StartupParameters::read(parameters) {
                Ok(parameters) => Ok(Begun::Session { stream, certificate, parameters }),
                Err(complaint) => Err(refuse(&mut stream, complaint).await),
            }
        }
    }
}

/// The next packet; who speaks another protocol is told which one is spoken here.
async fn understood(
    stream: &mut (impl AsyncReadExt + AsyncWriteExt + Unpin),
) -> Result<InitialPacket, StartupError> {
    match read_packet(stream).await {
        Err(StartupError::Version(version)) => {
            let (major, minor) = (version >> 16, version & 0xffff);
            let message =
                format!("unsupported frontend protocol {major}.{minor}: the gateway speaks 3.0");
            let complaint = Complaint::new(SqlState::FEATURE_NOT_SUPPORTED, message);
            Err(refuse(stream, complaint).await)
        }
        other => other,
    }
}

/// Says why and ends the connection.
async fn refuse(
    stream: &mut (impl AsyncReadExt + AsyncWriteExt + Unpin),
    complaint: Complaint,
) -> StartupError {
    let said = async {
        stream.write_all(&complaint.encode(Severity::Fatal)).await?;
        stream.shutdown().await
    };
    // The agent that went away needs no answer.
    drop(said.await);
    StartupError::Refused(complaint.message)
}
