//! Opens the byte stream to a target: TCP with TLS that is checked in full, or a Unix socket. A target that is to speak
//! TLS and does not is not spoken to.

use super::{
    DIAL_DEADLINE, DialError, Login, Upstream,
    channel::{Channel, Presenting, end_point},
    login,
};
use crate::{
    frame::Stream,
    target::{ClientCertificate, PostgresTarget, TargetAddress, TargetTls},
};
use countersign_edge::Keepalive;
use rustls::{ClientConfig, RootCertStore, crypto::CryptoProvider};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use socket2::SockRef;
use std::{io, path::Path, sync::Arc};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UnixStream},
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// `SSLRequest`.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// Dials a target and logs in.
pub(crate) async fn dial(
    target: &Arc<PostgresTarget>,
    login: &Login<'_>,
) -> Result<Upstream, DialError> {
    let dialled = async {
        let role = target.roles.get(login.role).ok_or(DialError::Role)?;
        let connected = connect(target, role.certificate.as_ref()).await?;
        login::log_in(connected, (target, role), login).await
    };
    timeout(DIAL_DEADLINE, dialled).await.unwrap_or(Err(DialError::Late))
}

/// An open byte stream to a target.
pub(super) struct Connected {
    pub(super) stream: Stream,
    pub(super) channel: Channel,
}

impl Connected {
    fn clear(stream: Stream) -> Self {
        Self { stream, channel: Channel::Clear }
    }
}

/// Connects, and shows this certificate of the gateway's where there is one.
pub(super) async fn connect(
    target: &PostgresTarget,
    certificate: Option<&ClientCertificate>,
) -> Result<Connected, DialError> {
    let (socket, host) = match &target.address {
        TargetAddress::Unix { directory, port } => {
            let path = directory.join(format!(".s.PGSQL.{port}"));
            let stream = UnixStream::connect(path).await.map_err(DialError::Io)?;
            return without_tls(Box::new(stream), certificate);
        }
        TargetAddress::Tcp { host, port } => (tcp((host, *port), target.keepalive).await?, host),
    };
    match &target.tls {
        TargetTls::Disabled => without_tls(Box::new(socket), certificate),
        TargetTls::VerifyFull { ca_file, server_name, channel_binding } => {
            let name = server_name.as_ref().unwrap_or(host).clone();
            let name = ServerName::try_from(name).map_err(|_| DialError::ServerName)?;
            let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
            let own = match certificate {
                Some(certificate) => Some(Presenting::read(certificate, &provider).await?),
                None => None,
            };
            let config = client_config(ca_file, provider, own.clone()).await?;
            let stream = over_tls(socket, name, config).await?;
            own.map_or(Ok(()), |own| own.was_asked())?;
            let certificates = stream.get_ref().1.peer_certificates().unwrap_or_default();
            let end_point = certificates.first().and_then(end_point);
            let channel = Channel::Tls { end_point, required: *channel_binding };
            Ok(Connected { stream: Box::new(stream), channel })
        }
    }
}

fn without_tls(
    stream: Stream,
    certificate: Option<&ClientCertificate>,
) -> Result<Connected, DialError> {
    match certificate {
        None => Ok(Connected::clear(stream)),
        Some(_) => Err(DialError::Downgrade("no certificate")),
    }
}

/// There is no user time-out beside the probes: it would also end a COPY whose data the target does not take because it waits
/// for a lock, and it would replace their count.
async fn tcp(address: (&str, u16), keepalive: Keepalive) -> Result<TcpStream, DialError> {
    let socket = TcpStream::connect(address).await.map_err(DialError::Io)?;
    socket.set_nodelay(true).map_err(DialError::Io)?;
    keepalive.set(&SockRef::from(&socket)).map_err(DialError::Io)?;
    Ok(socket)
}

async fn over_tls(
    mut socket: TcpStream,
    name: ServerName<'static>,
    config: ClientConfig,
) -> Result<TlsStream<TcpStream>, DialError> {
    socket.write_all(&SSL_REQUEST).await.map_err(DialError::Io)?;
    let mut answer = [0];
    socket.read_exact(&mut answer).await.map_err(DialError::Io)?;
    if answer != *b"S" {
        return Err(DialError::NoTls);
    }
    TlsConnector::from(Arc::new(config)).connect(name, socket).await.map_err(DialError::Io)
}

async fn client_config(
    ca_file: &Path,
    provider: Arc<CryptoProvider>,
    own: Option<Arc<Presenting>>,
) -> Result<ClientConfig, DialError> {
    let pem = tokio::fs::read(ca_file).await.map_err(DialError::Authority)?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| {
            DialError::Authority(io::Error::new(io::ErrorKind::InvalidData, error))
        })?;
        roots.add(certificate).map_err(DialError::Certificate)?;
    }
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(DialError::Certificate)?
        .with_root_certificates(roots);
    Ok(match own {
        None => config.with_no_client_auth(),
        Some(own) => config.with_client_cert_resolver(own),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn a_target_that_is_gone_is_noticed_by_probes() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seconds = Duration::from_secs;
        let keepalive = Keepalive { idle: seconds(9), interval: seconds(2), probes: 6 };
        let socket = tcp(("127.0.0.1", port), keepalive).await.unwrap();
        let socket = SockRef::from(&socket);
        assert!(socket.keepalive().unwrap() && socket.tcp_nodelay().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), seconds(9));
        assert_eq!(socket.tcp_keepalive_interval().unwrap(), seconds(2));
        assert_eq!(socket.tcp_keepalive_retries().unwrap(), 6);
        assert_eq!(socket.tcp_user_timeout().unwrap(), None);
    }
}
