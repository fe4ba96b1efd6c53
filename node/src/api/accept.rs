//! Taking connections: TLS and HTTP each have a deadline and run in the connection's own task, never in the accept loop.

use super::{Api, caller::Peer, routes};
use crate::app::App;
use axum::{Router, body::Body, http::Request};
use hyper::service::service_fn;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
};
use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

/// Open connections at a time; more wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 4096;
/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long the headers of a request may take to arrive.
const HEADERS: Duration = Duration::from_secs(10);
/// Bytes of a request's line and headers (HTTP/1.1), and of its header list (HTTP/2).
const MAX_HEADERS: usize = 64 * 1024;
/// Requests at a time on one HTTP/2 connection.
const MAX_STREAMS: u32 = 64;
/// How often an HTTP/2 client is asked whether it is there, and how long it may take to answer.
const PING: Duration = Duration::from_secs(20);
/// How long connections may go on after the shutdown.
const LAST_WORDS: Duration = Duration::from_secs(3);
/// The pause after an accept that failed, such as for want of file descriptors.
const AFTER_FAILURE: Duration = Duration::from_millis(100);

/// Serves the API until the shutdown. It may run before the node belongs to a cluster.
pub async fn serve(
    app: Arc<App>,
    listener: TcpListener,
    tls: Arc<rustls::ServerConfig>,
) -> std::io::Result<()> {
    let shutdown = app.shutdown.clone();
    let router = routes::router(Api::new(app));
    let acceptor = TlsAcceptor::from(tls);
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let graceful = Arc::new(GracefulShutdown::new());
    let accepting = async {
        loop {
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
            let (stream, peer) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "a connection to the API could not be accepted");
                    sleep(AFTER_FAILURE).await;
                    continue;
                }
            };
            let (acceptor, router) = (acceptor.clone(), router.clone());
            let graceful = Arc::clone(&graceful);
            tokio::spawn(async move {
                connection(stream, peer, acceptor, router, &graceful).await;
                drop(slot);
            });
        }
    };
    tokio::select! {
        () = accepting => {}
        () = shutdown.stopping() => {}
    }
    drop(listener);
    // A clone in a connection's task keeps the count; whoever does not end in time is cut off with the process.
    if let Some(graceful) = Arc::into_inner(graceful) {
        drop(timeout(LAST_WORDS, graceful.shutdown()).await);
    }
    Ok(())
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    acceptor: TlsAcceptor,
    router: Router,
    graceful: &GracefulShutdown,
) {
    // Failures of a peer are its own business: they are worth a line only when somebody looks for them.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, source.address = %peer, "no TCP_NODELAY");
    }
    let stream = match timeout(HANDSHAKE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            tracing::debug!(%error, source.address = %peer, "a TLS handshake failed");
            return;
        }
        Err(_late) => {
            tracing::debug!(source.address = %peer, "a TLS handshake took too long");
            return;
        }
    };
    let service = service_fn(move |request: Request<hyper::body::Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(Peer(peer));
        let router = router.clone();
        async move { Ok::<_, Infallible>(router.oneshot(request).await.unwrap_or_else(|never| match never {})) }
    });
    let served = builder().serve_connection(TokioIo::new(stream), service).into_owned();
    if let Err(error) = graceful.watch(served).await {
        tracing::debug!(%error, source.address = %peer, "a connection to the API ended early");
    }
}

fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS)
        .max_buf_size(MAX_HEADERS);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(MAX_HEADERS).unwrap_or(u32::MAX))
        .max_concurrent_streams(MAX_STREAMS)
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING);
    builder
}
