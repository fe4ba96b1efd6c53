//! A target, a gateway before it, and agents.

use super::{
    gate::{TOKEN, TestGate},
    server::{Server, certified},
};
use crate::{Credential, Impersonation, KubernetesTarget, ServeConfig, TargetTls, Targets, serve};
use bytes::Bytes;
use countersign_core::{id::Revision, target::TargetName};
use countersign_edge::{Incoming, Keepalive, SecretReference};
use http_body_util::{BodyExt as _, Full};
use hyper::{
    HeaderMap, Request, StatusCode, Version,
    body::Incoming as Arriving,
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{ClientConfig, RootCertStore, ServerConfig, crypto::aws_lc_rs::default_provider};
use rustls_pki_types::{CertificateDer, pem::PemObject as _};
use serde_json::Value;
use std::{fs, io, net::SocketAddr, sync::Arc, time::Duration};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Longer than anything takes that comes to its end.
pub(crate) const LONG: Duration = Duration::from_secs(100);
/// What the gateway logs in to the target with.
pub(crate) const GATEWAY_TOKEN: &str = "the-gateways-own";

/// A target and a gateway before it.
pub(crate) struct World {
    pub(crate) gate: Arc<TestGate>,
    pub(crate) server: Arc<Server>,
    pub(crate) port: u16,
    pub(crate) shutdown: CancellationToken,
    authority: String,
    _folder: TempDir,
    _end: DropGuard,
}

#[derive(Debug)]
struct OneTarget(Arc<KubernetesTarget>);

impl Targets for OneTarget {
    fn kubernetes(&self, name: &TargetName) -> Option<(Revision, Arc<KubernetesTarget>)> {
        (*name == self.0.name).then(|| (Revision(1), Arc::clone(&self.0)))
    }
}

struct Listener(TcpListener);

impl Incoming for Listener {
    async fn next(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        self.0.accept().await
    }
}

/// Both protocols, as an API server offers them.
pub(crate) const BOTH: &[&[u8]] = &[b"h2", b"http/1.1"];
const ONLY_1: &[&[u8]] = &[b"http/1.1"];

impl World {
    pub(crate) async fn new() -> Self {
        Self::before(Server::start(BOTH).await, None).await
    }

    /// A world whose target speaks HTTP/1.1 alone.
    pub(crate) async fn before_an_old_server() -> Self {
        Self::before(Server::start(ONLY_1).await, None).await
    }

    /// A world whose target is told who the agent is.
    pub(crate) async fn impersonating(prefix: &str) -> Self {
        let impersonation = Impersonation::with_prefix(prefix).unwrap();
        Self::before(Server::start(BOTH).await, Some(impersonation)).await
    }

    pub(crate) async fn before(server: Arc<Server>, impersonation: Option<Impersonation>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("ca.pem"), &server.certificate).unwrap();
        fs::write(at("token"), GATEWAY_TOKEN).unwrap();
        let target = KubernetesTarget {
            name: TargetName::parse("prod").unwrap(),
            host: "127.0.0.1".to_owned(),
            port: server.port,
            tls: TargetTls { ca_file: at("ca.pem"), server_name: None },
            credential: Credential::Token(SecretReference::File(at("token"))),
            impersonation,
            keepalive: Keepalive::default(),
        };
        let (chain, key, authority) = certified();
        let tls = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![chain], key)
            .unwrap();
        let gate = Arc::new(TestGate::new(b"a certificate".to_vec()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let config =
            ServeConfig { tls: Arc::new(tls), max_sessions: 100, keepalive: Keepalive::default() };
        let shutdown = CancellationToken::new();
        let (gate_of, ended) = (Arc::clone(&gate), shutdown.clone());
        let targets = Arc::new(OneTarget(Arc::new(target)));
        tokio::spawn(async move {
            serve(Listener(listener), gate_of, targets, config, ended).await.unwrap();
        });
        let end = shutdown.clone().drop_guard();
        Self { gate, server, port, shutdown, authority, _folder: folder, _end: end }
    }

    /// A TLS connection to the gateway.
    pub(crate) async fn connect(&self, alpn: &[u8]) -> TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.authority.as_bytes()).unwrap()).unwrap();
        let mut tls = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        tls.alpn_protocols = vec![alpn.to_vec()];
        let socket = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        let connector = TlsConnector::from(Arc::new(tls));
        connector.connect("localhost".try_into().unwrap(), socket).await.unwrap()
    }

    /// A client of HTTP/2.
    pub(crate) async fn client(&self) -> Client {
        let stream = self.connect(b"h2").await;
        let (sender, connection) =
            http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Client { sender: Sender::Http2(sender), token: TOKEN.to_owned() }
    }

    /// A client of HTTP/1.1.
    pub(crate) async fn client_1(&self) -> Client {
        let stream = self.connect(b"http/1.1").await;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Client { sender: Sender::Http1(sender), token: TOKEN.to_owned() }
    }

    /// Has one request made by a client of its own, and answered.
    pub(crate) async fn ask(&self, method: &str, path: &str) -> Came {
        self.client().await.ask(method, path, &[], "").await
    }
}

enum Sender {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

/// A client.
pub(crate) struct Client {
    sender: Sender,
    pub(crate) token: String,
}

/// What a request came to.
#[derive(Debug)]
pub(crate) struct Came {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Came {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// The message of a Status.
    pub(crate) fn message(&self) -> String {
        self.json()["message"].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

impl Client {
    fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Request<Full<Bytes>> {
        let mut request = Request::builder().method(method);
        request = match &self.sender {
            Sender::Http1(_) => request.uri(path).header("host", "localhost"),
            Sender::Http2(_) => {
                request.version(Version::HTTP_2).uri(format!("https://localhost{path}"))
            }
        };
        if !self.token.is_empty() {
            request = request.header("authorization", format!("Bearer {}", self.token));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if !body.is_empty() {
            request = request.header("content-type", "application/json");
        }
        request.body(Full::new(Bytes::from(body.to_owned()))).unwrap()
    }

    /// Sends a request; its answer may go on.
    pub(crate) async fn begin(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<hyper::Response<Arriving>, hyper::Error> {
        let request = self.request(method, path, headers, body);
        match &mut self.sender {
            Sender::Http1(sender) => sender.send_request(request).await,
            Sender::Http2(sender) => sender.send_request(request).await,
        }
    }

    /// Sends a request and reads its answer.
    pub(crate) async fn ask(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Came {
        let answer = self.begin(method, path, headers, body).await.unwrap();
        let (parts, body) = answer.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let body = String::from_utf8_lossy(&body).into_owned();
        Came { status: parts.status, headers: parts.headers, body }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Came {
        self.ask("GET", path, &[], "").await
    }
}
