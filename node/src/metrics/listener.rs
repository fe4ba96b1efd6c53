//! The listener of the metrics, and of the health for whoever must not depend on the API's connections: plain HTTP, few
//! connections, each with deadlines. It knows no identities and opens nothing.

use super::{Handle, gauges};
use crate::{app::App, health};
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{convert::Infallible, io, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{interval, sleep, timeout},
};

/// Connections at a time.
const MAX_CONNECTIONS: usize = 32;
/// How long a connection may live.
const CONNECTION: Duration = Duration::from_mins(1);
/// How long the headers of a request may take.
const HEADERS: Duration = Duration::from_secs(5);
/// How often histograms are folded, so that they do not grow between scrapes.
const UPKEEP: Duration = Duration::from_secs(5);
/// The pause after an accept that failed.
const AFTER_FAILURE: Duration = Duration::from_millis(100);
/// Prometheus's text format.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Serves the metrics until the shutdown.
pub async fn serve(handle: Handle, listener: TcpListener, app: Arc<App>) -> io::Result<()> {
    let shutdown = app.shutdown.clone();
    tokio::select! {
        () = accept(&handle, &listener, &app) => {}
        () = keep(&handle) => {}
        () = shutdown.stopping() => {}
    }
    Ok(())
}

async fn keep(handle: &Handle) {
    let mut tick = interval(UPKEEP);
    loop {
        tick.tick().await;
        handle.0.run_upkeep();
    }
}

async fn accept(handle: &Handle, listener: &TcpListener, app: &Arc<App>) {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let (handle, app) = (handle.clone(), Arc::clone(app));
                tokio::spawn(async move {
                    drop(timeout(CONNECTION, connection(stream, handle, app)).await);
                    drop(slot);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection for metrics could not be accepted");
                sleep(AFTER_FAILURE).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, handle: Handle, app: Arc<App>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let (handle, app) = (handle.clone(), Arc::clone(&app));
        async move { Ok::<_, Infallible>(answer(&request, &handle, &app).await) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEADERS);
    if let Err(error) = builder.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "a connection for metrics ended early");
    }
}

async fn answer(
    request: &Request<Incoming>,
    handle: &Handle,
    app: &Arc<App>,
) -> Response<Full<Bytes>> {
    let (status, text) = match (request.method(), request.uri().path()) {
        (&Method::GET, "/metrics") => {
            gauges::look(app).await;
            (StatusCode::OK, handle.0.render())
        }
        (&Method::GET, "/livez") => (StatusCode::OK, health::ALIVE.to_owned()),
        (&Method::GET, "/readyz") => {
            let readiness = health::look(app);
            (health::status(&readiness), health::word(&readiness).to_owned())
        }
        (_, "/metrics" | "/livez" | "/readyz") => (StatusCode::METHOD_NOT_ALLOWED, String::new()),
        _elsewhere => (StatusCode::NOT_FOUND, "here are /metrics, /livez and /readyz\n".to_owned()),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(TEXT));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::Clock, config::Config};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    async fn ask(address: std::net::SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut heard = String::new();
        stream.read_to_string(&mut heard).await.unwrap();
        heard
    }

    #[tokio::test]
    async fn metrics_and_health_are_shown_and_nothing_else() {
        let app = Arc::new(App::new(Config::default(), Clock::Wall));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let served = tokio::spawn(serve(crate::metrics::install(), listener, Arc::clone(&app)));
        let metrics = ask(address, "/metrics").await;
        assert!(metrics.starts_with("HTTP/1.1 200"), "{metrics}");
        assert!(metrics.contains("\ncountersign_node_initialised 0\n"), "{metrics}");
        assert!(ask(address, "/livez").await.ends_with("\r\n\r\nok\n"));
        let ready = ask(address, "/readyz").await;
        assert!(ready.starts_with("HTTP/1.1 503") && ready.ends_with("not ready\n"), "{ready}");
        assert!(ask(address, "/v1/holds").await.starts_with("HTTP/1.1 404"));
        app.shutdown.stop();
        served.await.unwrap().unwrap();
    }
}
