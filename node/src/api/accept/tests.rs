//! Connections of peers who want to keep them, over real sockets.

use super::*;
use crate::{arrivals::Told, clock::Clock, config::Config};
use rustls::{
    RootCertStore,
    pki_types::{PrivatePkcs8KeyDer, ServerName},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinHandle,
    time::Instant,
};
use tokio_rustls::{TlsConnector, client};

/// Short enough for a test, and far enough apart to tell which one it was.
const SHORT: Deadlines = Deadlines {
    handshake: Duration::from_millis(300),
    first_request: Duration::from_millis(600),
    idle: Duration::from_millis(1500),
    age: Duration::from_mins(1),
    last_words: Duration::from_millis(300),
};
/// A connection that is still open after this was not ended.
const LONG: Duration = Duration::from_secs(20);

struct Server {
    address: SocketAddr,
    connector: TlsConnector,
    app: Arc<App>,
    task: JoinHandle<std::io::Result<()>>,
}

async fn server(change: impl FnOnce(&mut Config)) -> Server {
    crate::tls::install_provider();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = made.cert.der().clone();
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let mut tls = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key.into())
        .unwrap();
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let client =
        rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let mut config = Config::default();
    change(&mut config);
    let app = Arc::new(App::new(config, Clock::Wall));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let arrivals = Arrivals::new(listener, Told::ByTheSocket);
    let task = tokio::spawn(serve_within(SHORT, Arc::clone(&app), arrivals, Arc::new(tls)));
    Server { address, connector: TlsConnector::from(Arc::new(client)), app, task }
}

impl Server {
    async fn tcp(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn tls(&self) -> std::io::Result<client::TlsStream<TcpStream>> {
        let name = ServerName::try_from("localhost").unwrap();
        self.connector.connect(name, self.tcp().await).await
    }
}

/// Reads until the peer ends it, and says how long that took.
async fn ended(mut stream: impl AsyncReadExt + Unpin) -> Duration {
    let (begun, mut heard) = (Instant::now(), Vec::new());
    // An end without a close notification is an end, too.
    drop(timeout(LONG, stream.read_to_end(&mut heard)).await.expect("it was not ended"));
    begun.elapsed()
}

#[tokio::test]
async fn a_peer_that_says_nothing_is_ended_before_and_after_tls() {
    let server = server(|_| {}).await;
    ended(server.tcp().await).await;
    ended(server.tls().await.unwrap()).await;
}

#[tokio::test]
async fn half_a_version_is_not_waited_for() {
    let server = server(|_| {}).await;
    for begin in [&b"P"[..], b"PRI * HTTP/2.0\r\n\r\nSM\r\n", b"GET / HTTP/1.1\r\nhost: x\r\n"] {
        let mut stream = server.tls().await.unwrap();
        stream.write_all(begin).await.unwrap();
        ended(stream).await;
    }
}

/// The connection preface and empty settings of HTTP/2 (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// `GET /livez` on stream 1 (RFC 9113, section 6.2; RFC 7541, section 6).
const GET_LIVEZ: &[u8] = b"\0\0\x15\x01\x05\0\0\0\x01\x82\x87\x04\x06/livez\x01\x09localhost";

#[tokio::test]
async fn a_connection_of_http_2_that_asks_nothing_is_ended() {
    let server = server(|_| {}).await;
    let mut stream = server.tls().await.unwrap();
    stream.write_all(PREFACE).await.unwrap();
    ended(stream).await;
}

#[tokio::test]
async fn a_connection_that_falls_silent_is_ended_later() {
    let server = server(|_| {}).await;
    let requests =
        [[PREFACE, GET_LIVEZ].concat(), b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n".to_vec()];
    for request in requests {
        let mut stream = server.tls().await.unwrap();
        stream.write_all(&request).await.unwrap();
        let lived = ended(stream).await;
        assert!(lived >= SHORT.idle, "it was ended after {lived:?}");
    }
}

#[tokio::test]
async fn a_source_gets_its_share_of_connections_and_no_more() {
    let server = server(|config| config.limits.api_connections_per_address = 2).await;
    let (first, _second) = (server.tls().await.unwrap(), server.tls().await.unwrap());
    server.tls().await.unwrap_err();
    drop(first);
    let begun = Instant::now();
    while server.tls().await.is_err() {
        assert!(begun.elapsed() < LONG, "a share is not given back");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn open_connections_are_ended_by_the_shutdown() {
    let server = server(|_| {}).await;
    let mut stream = server.tls().await.unwrap();
    stream.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut begin = [0; 15];
    stream.read_exact(&mut begin).await.unwrap();
    assert_eq!(&begin, b"HTTP/1.1 200 OK");
    server.app.shutdown.stop();
    let lived = ended(stream).await;
    assert!(lived < SHORT.idle, "it was told to end only after {lived:?}");
    timeout(LONG, server.task).await.unwrap().unwrap().unwrap();
}
