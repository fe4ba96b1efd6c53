//! The listener: what becomes of a connection that was accepted, as long as it lives. It knows nothing of what is said on it.

use crate::{downstream::Downstream, line, memory::Memory, target::Targets};
use countersign_core::gate::{Gate, Source};
use countersign_edge::{Incoming, Keepalive, Place, accept};
use hyper::{
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ServerConfig;
use std::{
    fmt, io,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};
use tokio::{
    net::TcpStream,
    sync::Semaphore,
    time::{Instant, sleep_until, timeout_at},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::sync::CancellationToken;

/// What is offered, in order of preference (RFC 7301). The version is what was agreed upon: nobody looks at the first bytes.
const ALPN: [&[u8]; 2] = [b"h2", b"http/1.1"];
/// From the first byte to the open session.
const LOGIN_DEADLINE: Duration = Duration::from_secs(30);
/// How long a connection lives at most; its sessions end before that, with their proofs of identity.
const LONGEST: Duration = Duration::from_hours(7 * 24);
/// How long a connection may take to end once it was told to and has nothing to do any more.
const LEAVE_WITHIN: Duration = Duration::from_secs(2);
/// How long the head of a request may take to arrive, which is also how long a connection of HTTP/1.1 may rest.
const HEAD_WITHIN: Duration = Duration::from_mins(2);
/// Bytes of a request's line and headers (HTTP/1.1), and of its header list (HTTP/2).
const MAX_HEAD: u32 = 64 * 1024;
/// Headers of a request.
pub(crate) const MAX_HEADERS: usize = 64;
/// Requests at a time on one HTTP/2 connection. Each watch is one.
const MAX_STREAMS: u32 = 250;
/// Bytes of requests that may arrive on an HTTP/2 connection before anybody reads them: for a stream, and altogether.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// Bytes of an answer that wait for a slow reader, for each HTTP/2 stream.
const MAX_UNSENT: usize = 64 * 1024;
/// How often an HTTP/2 client is asked whether it is there, and how long it may take to answer.
const PING: Duration = Duration::from_secs(20);

/// What the listener is set up with.
#[derive(Clone)]
pub struct ServeConfig {
    /// The listener's certificate and key, and how clients are asked for theirs. The protocols are added to it.
    pub tls: Arc<ServerConfig>,
    /// Open sessions, at most.
    pub max_sessions: usize,
    /// How agents that are silent are asked whether they are there.
    pub keepalive: Keepalive,
}

impl fmt::Debug for ServeConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServeConfig")
            .field("max_sessions", &self.max_sessions)
            .finish_non_exhaustive()
    }
}

/// What connections share.
#[derive(Clone, Debug)]
pub(crate) struct Surroundings {
    pub(crate) gate: Arc<dyn Gate>,
    pub(crate) targets: Arc<dyn Targets>,
    pub(crate) sessions: Arc<Semaphore>,
    pub(crate) memory: Memory,
    pub(crate) shutdown: CancellationToken,
}

/// Serves agents until `shutdown`; then takes no more, tells open sessions, and waits a short while for them.
///
/// Fails only when the listener cannot be used at all.
pub async fn serve(
    incoming: impl Incoming,
    gate: Arc<dyn Gate>,
    targets: Arc<dyn Targets>,
    config: ServeConfig,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let ServeConfig { tls, max_sessions, keepalive } = config;
    let mut tls = ServerConfig::clone(&tls);
    tls.alpn_protocols = ALPN.map(<[u8]>::to_vec).to_vec();
    let sessions = Arc::new(Semaphore::new(max_sessions.min(Semaphore::MAX_PERMITS)));
    let memory = Memory::default();
    let around = Surroundings { gate, targets, sessions, memory, shutdown: shutdown.clone() };
    let listening =
        Arc::new(Listening { acceptor: TlsAcceptor::from(Arc::new(tls)), around, keepalive });
    accept(incoming, shutdown, |socket, address, place| {
        Arc::clone(&listening).connection(socket, address, place)
    })
    .await;
    Ok(())
}

/// What the connections of a listener share.
struct Listening {
    acceptor: TlsAcceptor,
    around: Surroundings,
    keepalive: Keepalive,
}

impl Listening {
    async fn connection(self: Arc<Self>, socket: TcpStream, address: SocketAddr, place: Place) {
        let deadline = Instant::now() + LOGIN_DEADLINE;
        if let Err(error) = line::prepare(&socket, self.keepalive) {
            return tracing::debug!(%error, "a connection was lost at once");
        }
        let stream = match timeout_at(deadline, self.acceptor.accept(socket)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                return tracing::debug!(%error, source.address = %address, "a TLS handshake failed");
            }
            Err(_late) => {
                return tracing::debug!(source.address = %address, "a TLS handshake took too long");
            }
        };
        let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        let certificate = certificate.map(|certificate| certificate.to_vec());
        let agent = Downstream::new(self.around.clone(), Source { address }, certificate);
        let ended = self.exchange(stream, &agent, (place, deadline)).await;
        agent.state.upgraded_is_over().await;
        agent.over().await;
        if let Err(error) = ended {
            tracing::debug!(
                error = &error as &dyn std::error::Error,
                source.address = %address,
                "a connection came to its end"
            );
        }
    }

    /// Requests and answers.
    async fn exchange(
        &self,
        stream: TlsStream<TcpStream>,
        agent: &Arc<Downstream>,
        entrance: (Place, Instant),
    ) -> Result<(), hyper::Error> {
        let service = service_fn(|request| Arc::clone(agent).answer(request));
        let driven = Driven { agent, shutdown: &self.around.shutdown };
        if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
            let connection = http_2().serve_connection(TokioIo::new(stream), service);
            driven.to_the_end(connection, http2::Connection::graceful_shutdown, entrance).await
        } else {
            let connection =
                http_1().serve_connection(TokioIo::new(stream), service).with_upgrades();
            let wind_up = http1::UpgradeableConnection::graceful_shutdown;
            driven.to_the_end(connection, wind_up, entrance).await
        }
    }
}

/// A connection that is driven.
struct Driven<'a> {
    agent: &'a Downstream,
    shutdown: &'a CancellationToken,
}

impl Driven<'_> {
    /// Drives a connection until its peer, its own life or the node ends it.
    async fn to_the_end<C: Future<Output = Result<(), hyper::Error>>>(
        &self,
        connection: C,
        wind_up: fn(Pin<&mut C>),
        (place, login): (Place, Instant),
    ) -> Result<(), hyper::Error> {
        let mut connection = pin!(connection);
        let state = &self.agent.state;
        let (cut, mut last) = (state.cut_token(), login);
        tokio::select! {
            ended = connection.as_mut() => return ended,
            () = state.is_let_in() => {
                drop(place);
                last = login + LONGEST;
            }
            () = cut.cancelled() => return Ok(()),
            () = state.winds_up() => {}
            () = self.shutdown.cancelled() => {}
            // Whoever is not identified hears no last word.
            () = sleep_until(login) => return Ok(()),
        }
        tokio::select! {
            ended = connection.as_mut() => return ended,
            () = cut.cancelled() => {}
            () = state.winds_up() => {}
            () = self.shutdown.cancelled() => {}
            () = sleep_until(last) => {}
        }
        wind_up(connection.as_mut());
        tokio::select! {
            ended = connection.as_mut() => return ended,
            () = cut.cancelled() => {}
            // What was answered long ago, and is not taken, is not kept for ever.
            () = state.is_idle() => {}
            () = self.shutdown.cancelled() => {}
            () = sleep_until(last) => {}
        }
        // What was written last is still on its way.
        timeout_at(Instant::now() + LEAVE_WITHIN, connection).await.unwrap_or(Ok(()))
    }
}

fn http_1() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_headers(MAX_HEADERS)
        .max_header_size(usize::try_from(MAX_HEAD).unwrap_or(usize::MAX))
        .max_buf_size(usize::try_from(MAX_HEAD).unwrap_or(usize::MAX));
    builder
}

fn http_2() -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_header_list_size(MAX_HEAD)
        .max_concurrent_streams(MAX_STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(MAX_UNSENT)
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING);
    builder
}
