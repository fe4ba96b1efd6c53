//! Taking connections: TLS, HTTP's version and its first request each have a deadline and run in the connection's own task,
//! never in the accept loop. Nobody is identified yet here, so one source gets only its share, and a connection that shows
//! no sign of life is ended.

mod life;

use super::{
    Api,
    caller::Peer,
    routes,
    shares::{Share, Shares},
};
use crate::{app::App, arrivals::Arrivals, metrics::counters, source::subscriber};
use axum::{Router, body::Body, http::Request, response::Response};
use http_body_util::BodyExt;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use life::{Deadlines, Life};
use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    pin::pin,
    sync::Arc,
    time::Duration,
};
use tokio::{
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;

/// Open connections at a time; more wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 4096;
/// How long the headers of a request may take to arrive.
const HEADERS: Duration = Duration::from_secs(10);
/// Bytes of a request's line and headers (HTTP/1.1), and of its header list (HTTP/2).
const MAX_HEADERS: u32 = 64 * 1024;
/// Requests at a time on one HTTP/2 connection.
const MAX_STREAMS: u32 = 64;
/// Bytes of requests that may arrive on an HTTP/2 connection before anybody reads them: for a stream, and altogether.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 256 * 1024;
/// Bytes of an answer that wait for a slow reader, for each HTTP/2 stream.
const MAX_UNSENT: usize = 64 * 1024;
/// How often an HTTP/2 client is asked whether it is there, and how long it may take to answer.
const PING: Duration = Duration::from_secs(20);
/// The pause after an accept that failed, such as for want of file descriptors.
const AFTER_FAILURE: Duration = Duration::from_millis(100);

/// Serves the API until the shutdown. It may run before the node belongs to a cluster.
pub async fn serve(
    app: Arc<App>,
    arrivals: Arrivals,
    tls: Arc<rustls::ServerConfig>,
) -> std::io::Result<()> {
    serve_within(Deadlines::DEFAULT, app, arrivals, tls).await
}

async fn serve_within(
    deadlines: Deadlines,
    app: Arc<App>,
    mut arrivals: Arrivals,
    tls: Arc<rustls::ServerConfig>,
) -> std::io::Result<()> {
    let share = app.config.limits.api_connections_per_address;
    let stopping = app.shutdown.stop_token();
    let accepting = Accepting {
        router: routes::router(Api::new(app)),
        acceptor: TlsAcceptor::from(tls),
        deadlines,
        stopping: stopping.clone(),
    };
    let connections = TaskTracker::new();
    let sources = Arc::new(Shares::new(share));
    tokio::select! {
        () = accept(&accepting, &mut arrivals, &connections, &sources) => {}
        () = stopping.cancelled() => {}
    }
    drop(arrivals);
    connections.close();
    // Each connection has heard of the end itself; who does not end in time is cut off with the process.
    drop(timeout(deadlines.last_words, connections.wait()).await);
    Ok(())
}

/// What every connection is served with.
#[derive(Clone)]
struct Accepting {
    router: Router,
    acceptor: TlsAcceptor,
    deadlines: Deadlines,
    stopping: CancellationToken,
}

async fn accept(
    accepting: &Accepting,
    arrivals: &mut Arrivals,
    connections: &TaskTracker,
    sources: &Arc<Shares<IpAddr>>,
) {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
        let (stream, peer) = match arrivals.next().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection to the API could not be accepted");
                sleep(AFTER_FAILURE).await;
                continue;
            }
        };
        let Some(counted) = sources.take(subscriber(peer.ip())) else {
            tracing::debug!(source.address = %peer, "a source has its share of connections");
            counters::api_turned_away();
            continue;
        };
        connections.spawn(connection(accepting.clone(), stream, peer, (slot, counted)));
    }
}

/// One connection, from the accept to its end; its slot and its source's count are free after it.
async fn connection(
    accepting: Accepting,
    stream: TcpStream,
    peer: SocketAddr,
    _held: (OwnedSemaphorePermit, Share<IpAddr>),
) {
    let life = Arc::new(Life::begin(accepting.deadlines));
    // Failures of a peer are its own business: they are worth a line only when somebody looks for them.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, source.address = %peer, "no TCP_NODELAY");
    }
    let handshake = timeout(accepting.deadlines.handshake, accepting.acceptor.accept(stream));
    match handshake.await {
        Ok(Ok(stream)) => exchange(&accepting, stream, peer, &life).await,
        Ok(Err(error)) => {
            tracing::debug!(%error, source.address = %peer, "a TLS handshake failed");
        }
        Err(_late) => {
            tracing::debug!(source.address = %peer, "a TLS handshake took too long");
        }
    }
}

/// Requests and answers, until the peer, the connection's life or the node ends them.
async fn exchange(
    accepting: &Accepting,
    stream: TlsStream<TcpStream>,
    peer: SocketAddr,
    life: &Arc<Life>,
) {
    let router = &accepting.router;
    let service = service_fn(move |request: Request<Incoming>| {
        let (router, life) = (router.clone(), Arc::clone(life));
        async move { Ok::<_, Infallible>(answer(router, request, peer, life).await) }
    });
    let builder = builder();
    let mut served = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = ending(life, &accepting.stopping) => {
            served.as_mut().graceful_shutdown();
            match timeout(accepting.deadlines.last_words, served).await {
                Ok(ended) => ended,
                Err(_late) => Ok(()),
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, source.address = %peer, "a connection to the API ended early");
    }
}

async fn ending(life: &Life, stopping: &CancellationToken) {
    tokio::select! {
        () = life.over() => {}
        () = stopping.cancelled() => {}
    }
}

async fn answer(
    router: Router,
    request: Request<Incoming>,
    peer: SocketAddr,
    life: Arc<Life>,
) -> Response {
    life.sign();
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(Peer(peer));
    let response = router.oneshot(request).await.unwrap_or_else(|never| match never {});
    life.sign();
    response.map(|body| {
        Body::new(body.map_frame(move |frame| {
            life.sign();
            frame
        }))
    })
}

fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS)
        .max_buf_size(usize::try_from(MAX_HEADERS).unwrap_or(usize::MAX));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(MAX_HEADERS)
        .max_concurrent_streams(MAX_STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(MAX_UNSENT)
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING);
    builder
}

#[cfg(test)]
mod tests;
