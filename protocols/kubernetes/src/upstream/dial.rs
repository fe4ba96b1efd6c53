//! Opens a connection to a target: TCP, and TLS that is checked in full. A target that is to ask for the gateway's certificate
//! and does not is not spoken to.

use super::{
    UpstreamError,
    link::{Link, Sender},
};
use crate::{
    line,
    target::{ClientCertificate, Credential, KubernetesTarget},
};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    client::conn::{http1, http2},
    header::HeaderValue,
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::{
    ClientConfig, RootCertStore, SignatureScheme, client::ResolvesClientCert,
    crypto::CryptoProvider, sign::CertifiedKey,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use std::{
    io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_util::sync::CancellationToken;

/// What a connection is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Use {
    /// Requests, one behind the other or many at a time. It never becomes anything else.
    Requests,
    /// One request that upgrades it, which HTTP/1.1 has.
    Upgrade,
}

impl Use {
    /// What is offered, in order of preference (RFC 7301).
    const fn alpn(self) -> &'static [&'static [u8]] {
        match self {
            Self::Requests => &[b"h2", b"http/1.1"],
            Self::Upgrade => &[b"http/1.1"],
        }
    }
}

/// Bytes of an answer that may arrive before anybody reads them: for a stream, and on a connection.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;
/// Bytes of an answer's head.
const MAX_HEAD: u32 = 64 * 1024;
/// How often a target is asked whether it is there while it is to answer, and how long it may take to say so.
const PING: Duration = Duration::from_secs(20);

/// Dials a target. The connection is over when `cut` is cancelled.
pub(super) async fn dial(
    target: &KubernetesTarget,
    purpose: Use,
    cut: &CancellationToken,
) -> Result<Link, UpstreamError> {
    let (authorization, own) = match &target.credential {
        Credential::Token(reference) => {
            let token = reference.resolve().await?;
            (Some(bearer(token.expose_text().ok_or(UpstreamError::Token)?)?), None)
        }
        Credential::Certificate(certificate) => (None, Some(Presenting::read(certificate).await?)),
    };
    let socket = TcpStream::connect((target.host.as_str(), target.port)).await;
    let socket = socket.map_err(UpstreamError::Io)?;
    line::probed(&socket, target.keepalive).map_err(UpstreamError::Io)?;
    let name = target.tls.server_name.as_ref().unwrap_or(&target.host).clone();
    let name = ServerName::try_from(name).map_err(|_| UpstreamError::ServerName)?;
    let config = client_config(&target.tls.ca_file, own.clone(), purpose).await?;
    let connector = TlsConnector::from(Arc::new(config));
    let stream = connector.connect(name, socket).await.map_err(UpstreamError::Io)?;
    if own.is_some_and(|own| !own.asked.load(Ordering::Acquire)) {
        return Err(UpstreamError::NotAsked);
    }
    let sender = speak(stream, purpose, cut).await.map_err(UpstreamError::Http)?;
    Ok(Link::new(sender, authorization))
}

fn bearer(token: &str) -> Result<HeaderValue, UpstreamError> {
    let text = format!("Bearer {token}");
    let mut value = HeaderValue::from_str(&text).map_err(|_| UpstreamError::Token)?;
    value.set_sensitive(true);
    Ok(value)
}

/// Begins to speak what both sides know.
async fn speak(
    stream: TlsStream<TcpStream>,
    purpose: Use,
    cut: &CancellationToken,
) -> Result<Sender, hyper::Error> {
    let speaks_2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let (io, cut) = (TokioIo::new(stream), cut.clone());
    if speaks_2 {
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(MAX_HEAD)
            .keep_alive_interval(PING)
            .keep_alive_timeout(PING)
            .handshake::<_, Full<Bytes>>(io)
            .await?;
        carry(connection, cut);
        Ok(Sender::Http2(sender))
    } else {
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(usize::try_from(MAX_HEAD).unwrap_or(usize::MAX))
            .handshake::<_, Full<Bytes>>(io)
            .await?;
        match purpose {
            Use::Requests => carry(connection, cut),
            Use::Upgrade => carry(connection.with_upgrades(), cut),
        }
        Ok(Sender::Http1(sender))
    }
}

/// Carries a connection to its end.
fn carry(
    connection: impl Future<Output = Result<(), hyper::Error>> + Send + 'static,
    cut: CancellationToken,
) {
    tokio::spawn(async move {
        let ended = tokio::select! {
            ended = connection => ended,
            () = cut.cancelled() => Ok(()),
        };
        if let Err(error) = ended {
            tracing::debug!(
                error = &error as &dyn std::error::Error,
                "a connection to a target came to its end"
            );
        }
    });
}

async fn client_config(
    ca_file: &Path,
    own: Option<Arc<Presenting>>,
    purpose: Use,
) -> Result<ClientConfig, UpstreamError> {
    let pem = tokio::fs::read(ca_file).await.map_err(UpstreamError::Authority)?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| {
            UpstreamError::Authority(io::Error::new(io::ErrorKind::InvalidData, error))
        })?;
        roots.add(certificate).map_err(UpstreamError::Certificate)?;
    }
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(UpstreamError::Certificate)?
        .with_root_certificates(roots);
    let mut config = match own {
        None => config.with_no_client_auth(),
        Some(own) => config.with_client_cert_resolver(own),
    };
    config.alpn_protocols = purpose.alpn().iter().map(|protocol| protocol.to_vec()).collect();
    Ok(config)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// The gateway's own certificate, and whether the target has asked for it.
#[derive(Debug)]
struct Presenting {
    key: Arc<CertifiedKey>,
    asked: AtomicBool,
}

impl Presenting {
    async fn read(certificate: &ClientCertificate) -> Result<Arc<Self>, UpstreamError> {
        let chain = certificate.chain.resolve().await?;
        let chain = CertificateDer::pem_slice_iter(chain.expose())
            .collect::<Result<Vec<_>, _>>()
            .map_err(UpstreamError::OwnPem)?;
        let key = certificate.key.resolve().await?;
        let key = PrivateKeyDer::from_pem_slice(key.expose()).map_err(UpstreamError::OwnPem)?;
        let key = CertifiedKey::from_der(chain, key, &provider());
        let key = key.map_err(UpstreamError::Certificate)?;
        Ok(Arc::new(Self { key: Arc::new(key), asked: AtomicBool::new(false) }))
    }
}

impl ResolvesClientCert for Presenting {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.asked.store(true, Ordering::Release);
        Some(Arc::clone(&self.key))
    }

    fn has_certs(&self) -> bool {
        true
    }
}
