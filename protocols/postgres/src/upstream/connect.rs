//! Opens the byte stream to a target: TCP with TLS that is checked in full, or a Unix socket. A target that is to speak
//! TLS and does not is not spoken to.

use super::{DIAL_DEADLINE, DialError, Login, Upstream, login};
use crate::{
    frame::Stream,
    target::{PostgresTarget, TargetAddress, TargetTls},
};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use socket2::{SockRef, TcpKeepalive};
use std::{io, path::Path, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UnixStream},
    time::timeout,
};
use tokio_rustls::TlsConnector;

/// Idle time before, and between, TCP keep-alive probes.
const KEEPALIVE: Duration = Duration::from_secs(15);
/// Probes without an answer after which the target counts as lost. There is no user time-out besides: it would also end a
/// COPY whose data the target does not take because it waits for a lock, and it would replace this count.
const KEEPALIVE_PROBES: u32 = 4;

/// `SSLRequest`.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// Dials a target and logs in.
pub(crate) async fn dial(
    target: &Arc<PostgresTarget>,
    login: &Login<'_>,
) -> Result<Upstream, DialError> {
    let dialled = async {
        let stream = connect(target).await?;
        login::log_in(stream, target, login).await
    };
    timeout(DIAL_DEADLINE, dialled).await.unwrap_or(Err(DialError::Late))
}

pub(super) async fn connect(target: &PostgresTarget) -> Result<Stream, DialError> {
    match &target.address {
        TargetAddress::Unix { directory, port } => {
            let path = directory.join(format!(".s.PGSQL.{port}"));
            Ok(Box::new(UnixStream::connect(path).await.map_err(DialError::Io)?))
        }
        TargetAddress::Tcp { host, port } => {
            let socket = TcpStream::connect((host.as_str(), *port)).await.map_err(DialError::Io)?;
            socket.set_nodelay(true).map_err(DialError::Io)?;
            let keepalive = TcpKeepalive::new()
                .with_time(KEEPALIVE)
                .with_interval(KEEPALIVE)
                .with_retries(KEEPALIVE_PROBES);
            SockRef::from(&socket).set_tcp_keepalive(&keepalive).map_err(DialError::Io)?;
            match &target.tls {
                TargetTls::Disabled => Ok(Box::new(socket)),
                TargetTls::VerifyFull { ca_file, server_name } => {
                    let name = server_name.as_ref().unwrap_or(host);
                    over_tls(socket, name, ca_file).await
                }
            }
        }
    }
}

async fn over_tls(mut socket: TcpStream, name: &str, ca_file: &Path) -> Result<Stream, DialError> {
    let name = ServerName::try_from(name.to_owned()).map_err(|_| DialError::ServerName)?;
    let config = client_config(ca_file).await?;
    socket.write_all(&SSL_REQUEST).await.map_err(DialError::Io)?;
    let mut answer = [0];
    socket.read_exact(&mut answer).await.map_err(DialError::Io)?;
    if answer != *b"S" {
        return Err(DialError::NoTls);
    }
    let stream =
        TlsConnector::from(Arc::new(config)).connect(name, socket).await.map_err(DialError::Io)?;
    Ok(Box::new(stream))
}

async fn client_config(ca_file: &Path) -> Result<ClientConfig, DialError> {
    let pem = tokio::fs::read(ca_file).await.map_err(DialError::Authority)?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| {
            DialError::Authority(io::Error::new(io::ErrorKind::InvalidData, error))
        })?;
        roots.add(certificate).map_err(DialError::Certificate)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(DialError::Certificate)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}
