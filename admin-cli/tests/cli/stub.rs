//! A stub of a node's API: TLS, one canned answer a route, requests remembered. A route with a query is that request only;
//! an answer that is a text is a stream of events, which ends behind it. For these tests only.

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use serde_json::Value;
use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::Duration,
};

/// How long a test waits for a request.
const PATIENCE: Duration = Duration::from_mins(1);

/// A request that came.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) line: String,
    /// Names in small letters, a line each.
    pub(crate) headers: String,
    pub(crate) body: String,
}

/// Method and path, HTTP status, body.
type Route = (&'static str, u16, Value);

/// What came so far.
#[derive(Debug, Default)]
struct Seen {
    requests: Mutex<Vec<Request>>,
    came: Condvar,
}

/// The running stub; its thread ends with the test's process.
#[derive(Debug)]
pub(crate) struct Stub {
    url: String,
    folder: tempfile::TempDir,
    seen: Arc<Seen>,
}

impl Stub {
    pub(crate) fn start(routes: Vec<Route>) -> Self {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.crt"), cert.pem()).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Seen::default());
        let sees = Arc::clone(&seen);
        thread::spawn(move || {
            let config = Arc::new(config);
            for stream in listener.incoming() {
                answer(stream.unwrap(), &config, &routes, &sees);
            }
        });
        Self { url, folder, seen }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn ca_file(&self) -> PathBuf {
        Path::join(self.folder.path(), "ca.crt")
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.seen.requests.lock().unwrap().clone()
    }

    /// Waits until so many requests came.
    pub(crate) fn until(&self, count: usize) {
        let requests = self.seen.requests.lock().unwrap();
        let few = |requests: &mut Vec<Request>| requests.len() < count;
        let (requests, waited) =
            self.seen.came.wait_timeout_while(requests, PATIENCE, few).unwrap();
        assert!(!waited.timed_out(), "only these came: {requests:?}");
    }
}

/// The order of a query's parts says nothing.
fn in_order(route: &str) -> String {
    let Some((path, query)) = route.split_once('?') else { return route.to_owned() };
    let mut parts: Vec<_> = query.split('&').collect();
    parts.sort_unstable();
    format!("{path}?{}", parts.join("&"))
}

/// One request, one answer, then the connection is closed.
fn answer(stream: TcpStream, config: &Arc<ServerConfig>, routes: &[Route], seen: &Seen) {
    let connection = ServerConnection::new(Arc::clone(config)).unwrap();
    let mut stream = BufReader::new(StreamOwned::new(connection, stream));
    let mut line = String::new();
    if stream.read_line(&mut line).unwrap_or(0) == 0 {
        return;
    }
    let mut length = 0;
    let mut headers = String::new();
    loop {
        let mut header = String::new();
        stream.read_line(&mut header).unwrap();
        if let Some((name, value)) = header.split_once(':') {
            headers.extend([&name.to_lowercase(), ":", value.trim_end(), "\n"]);
        }
        if let Some(value) = header.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if header.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    let body = String::from_utf8(body).unwrap();
    let request = Request { line: line.trim().to_owned(), headers, body };
    let whole = in_order(request.line.trim_end_matches(" HTTP/1.1"));
    let asked = request.line.split(['?', ' ']).take(2).collect::<Vec<_>>().join(" ");
    let (status, answer) = routes
        .iter()
        .find(|(route, _, _)| in_order(route) == whole || *route == asked)
        .map_or((404, Value::Null), |(_, status, answer)| (*status, answer.clone()));
    seen.requests.lock().unwrap().push(request);
    seen.came.notify_all();
    let (kind, answer) = if let Value::String(events) = answer {
        ("text/event-stream", events)
    } else {
        ("application/json", answer.to_string())
    };
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        answer.len()
    );
    let stream = stream.get_mut();
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(answer.as_bytes()).unwrap();
    stream.conn.send_close_notify();
    stream.flush().unwrap();
}
