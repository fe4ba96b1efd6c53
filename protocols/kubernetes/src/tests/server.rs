//! A server that is an API server as far as it is asked: it notes what comes, and answers by the name that is asked for.

use bytes::Bytes;
use futures::SinkExt as _;
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Frame, Incoming},
    header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, LOCATION, RETRY_AFTER, WARNING},
    service::service_fn,
    upgrade::{OnUpgrade, Upgraded},
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{ServerConfig, crypto::aws_lc_rs::default_provider};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use std::{convert::Infallible, sync::Arc};
use tokio::{
    net::TcpListener,
    sync::{broadcast, watch},
};
use tokio_rustls::TlsAcceptor;
use tokio_stream::{StreamExt as _, wrappers::BroadcastStream};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, handshake::derive_accept_key, protocol::Role},
};

/// The value of every Secret here, as the API has it.
pub(crate) const SECRET: &str = "aHVudGVyMg==";

/// A request that came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// The server.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) port: u16,
    /// Its certificate, which is its own authority.
    pub(crate) certificate: String,
    pub(crate) seen: watch::Sender<Vec<Seen>>,
    /// What watches and followed logs are told.
    pub(crate) events: broadcast::Sender<Bytes>,
    /// Connections that were taken.
    pub(crate) connections: watch::Sender<usize>,
}

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// A certificate for this host, and its key.
pub(crate) fn certified() -> (CertificateDer<'static>, PrivateKeyDer<'static>, String) {
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).unwrap();
    let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der());
    (cert.der().clone(), key.into(), cert.pem())
}

impl Server {
    /// Starts one that speaks these protocols.
    pub(crate) async fn start(alpn: &[&[u8]]) -> Arc<Self> {
        let (chain, key, certificate) = certified();
        let mut tls = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![chain], key)
            .unwrap();
        tls.alpn_protocols = alpn.iter().map(|one| one.to_vec()).collect();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Arc::new(Self {
            port: listener.local_addr().unwrap().port(),
            certificate,
            seen: watch::Sender::new(Vec::new()),
            events: broadcast::channel(64).0,
            connections: watch::Sender::new(0),
        });
        let (acceptor, taking) = (TlsAcceptor::from(Arc::new(tls)), Arc::clone(&server));
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                taking.connections.send_modify(|count| *count += 1);
                let (acceptor, taking) = (acceptor.clone(), Arc::clone(&taking));
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(socket).await else { return };
                    let service = service_fn(move |request| {
                        let taking = Arc::clone(&taking);
                        async move { taking.answer(request).await }
                    });
                    let builder = auto::Builder::new(TokioExecutor::new());
                    drop(
                        builder.serve_connection_with_upgrades(TokioIo::new(stream), service).await,
                    );
                });
            }
        });
        server
    }

    /// Requests that came so far.
    pub(crate) fn count(&self) -> usize {
        self.seen.borrow().len()
    }

    /// The n-th request, once it is there.
    pub(crate) async fn request(&self, n: usize) -> Seen {
        let mut seen = self.seen.subscribe();
        let seen = seen.wait_for(|seen| seen.len() > n);
        tokio::time::timeout(super::world::LONG, seen).await.expect("it comes").unwrap()[n].clone()
    }

    async fn answer(
        &self,
        mut request: Request<Incoming>,
    ) -> Result<Response<Body>, std::io::Error> {
        let upgrading = hyper::upgrade::on(&mut request);
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map_err(std::io::Error::other)?.to_bytes();
        let target = parts.uri.path_and_query().unwrap().as_str().to_owned();
        let (method, headers) = (parts.method, parts.headers);
        let name = target.split('?').next().unwrap().rsplit('/').next().unwrap().to_owned();
        // The events are subscribed to before anybody knows of the request.
        let events = BroadcastStream::new(self.events.subscribe());
        let seen = Seen { method: method.clone(), target: target.clone(), headers, body };
        self.seen.send_modify(|all| all.push(seen));
        if let Some(key) = self
            .seen
            .borrow()
            .last()
            .and_then(|seen| seen.headers.get("sec-websocket-key").cloned())
        {
            return Ok(upgraded(&target, key.as_bytes(), upgrading));
        }
        if name == "cut" {
            return Err(std::io::Error::other("cut"));
        }
        if name == "hang" {
            return std::future::pending().await;
        }
        let streams = target.contains("watch=") || target.contains("follow=");
        if streams {
            let frames = events.map(|event| Ok(Frame::data(event.unwrap_or_default())));
            let kind = if target.contains("follow=") { "text/plain" } else { "application/json" };
            let answer = Response::builder().header(CONTENT_TYPE, kind);
            return Ok(answer.body(StreamBody::new(frames).boxed_unsync()).unwrap());
        }
        let (kind, body) = said(&target, &name);
        let mut answer = Response::new(Full::new(Bytes::from(body)).boxed_unsync());
        let headers = answer.headers_mut();
        headers.insert(CONTENT_TYPE, kind.parse().unwrap());
        match name.as_str() {
            "redirect" => {
                headers.insert(LOCATION, "https://elsewhere.test/".parse().unwrap());
                *answer.status_mut() = StatusCode::FOUND;
            }
            "gzip" => drop(headers.insert(CONTENT_ENCODING, "gzip".parse().unwrap())),
            "warned" => drop(headers.insert(WARNING, "299 - \"old\"".parse().unwrap())),
            "busy" => {
                headers.insert(RETRY_AFTER, "7".parse().unwrap());
                *answer.status_mut() = StatusCode::TOO_MANY_REQUESTS;
            }
            "broken" => {
                headers.insert(RETRY_AFTER, "7".parse().unwrap());
                *answer.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            }
            _ => {}
        }
        Ok(answer)
    }
}

/// Runs a program that says something on each stream, and does what it is told.
fn upgraded(target: &str, key: &[u8], upgrading: OnUpgrade) -> Response<Body> {
    let answer = Response::builder();
    if target.contains("/none/") {
        let status = "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"status\":\"Failure\",\"reason\":\"NotFound\",\"code\":404}";
        let answer = answer.status(404).header(CONTENT_TYPE, "application/json");
        return answer.body(Full::new(Bytes::from(status)).boxed_unsync()).unwrap();
    }
    tokio::spawn(async move {
        let io = TokioIo::new(upgrading.await.unwrap());
        program(WebSocketStream::from_raw_socket(io, Role::Server, None).await).await;
    });
    let protocol = if target.contains("/old/") { "v4.channel.k8s.io" } else { "v5.channel.k8s.io" };
    let answer = answer.status(101).header("connection", "Upgrade").header("upgrade", "websocket");
    let answer = answer.header("sec-websocket-accept", derive_accept_key(key));
    let answer = answer.header("sec-websocket-protocol", protocol);
    answer.body(Full::new(Bytes::new()).boxed_unsync()).unwrap()
}

async fn program(mut socket: WebSocketStream<TokioIo<Upgraded>>) {
    let success = "{\"status\":\"Success\"}";
    let failure = "{\"status\":\"Failure\",\"reason\":\"NonZeroExitCode\",\"details\":{\"causes\":[{\"reason\":\"ExitCode\",\"message\":\"5\"}]}}";
    let message =
        |channel: u8, text: &str| Message::Binary([&[channel], text.as_bytes()].concat().into());
    for (channel, text) in [(0, ""), (1, ""), (2, ""), (3, ""), (1, "out"), (2, "err")] {
        if socket.send(message(channel, text)).await.is_err() {
            return;
        }
    }
    while let Some(Ok(said)) = socket.next().await {
        let Message::Binary(said) = said else { continue };
        let status = match (said[0], &said[1..]) {
            (0, b"exit") | (255, [0]) => success,
            (0, b"fail") => failure,
            (0, bytes) => {
                let echo = message(1, std::str::from_utf8(bytes).unwrap());
                drop(socket.send(echo).await);
                continue;
            }
            _ => continue,
        };
        drop(socket.send(message(3, status)).await);
        drop(socket.close(None).await);
    }
}

fn said(target: &str, name: &str) -> (&'static str, String) {
    let object = |kind: &str, more: &str| {
        format!(
            "{{\"kind\":\"{kind}\",\"apiVersion\":\"v1\",\"metadata\":{{\"name\":\"{name}\"}}{more}}}"
        )
    };
    match name {
        "html" => ("text/html", "<p>".to_owned()),
        "protobuf" => ("application/vnd.kubernetes.protobuf", "k8s\0".to_owned()),
        "log" => ("text/plain", "one\ntwo\nthree".to_owned()),
        "long" => {
            let filler = "x".repeat(2 * 1024 * 1024);
            ("application/json", object("Pod", &format!(",\"spec\":{{\"filler\":\"{filler}\"}}")))
        }
        _ if target.contains("/secrets") => {
            let data = format!(",\"data\":{{\"password\":\"{SECRET}\"}}");
            ("application/json", object("Secret", &data))
        }
        _ => ("application/json", object("Pod", "")),
    }
}
