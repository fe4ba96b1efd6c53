//! Connections through and past a balancer, over real sockets.

use super::*;
use std::{
    io::Write as _,
    process::{Child, Command, Stdio},
};
use tokio::{io::AsyncWriteExt, time::sleep};

/// Longer than anything here takes that is to succeed.
const LONG: Duration = Duration::from_secs(20);
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// A listener that hears the headers of `balancers`, at the address of the result.
async fn behind(balancers: &str) -> (SocketAddr, Arrivals) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let balancers = Balancers::read(&[balancers.to_owned()]).unwrap();
    (address, Arrivals::new(listener, Told::ByBalancers(balancers)))
}

/// TCP over IPv4 from 192.0.2.7:40000.
fn header() -> Vec<u8> {
    let addresses = [192, 0, 2, 7, 10, 0, 0, 1, 0x9c, 0x40, 0x15, 0x38];
    [SIGNATURE, &[0x21, 0x11, 0, 12], &addresses].concat()
}

async fn arrived(arrivals: &mut Arrivals) -> (TcpStream, SocketAddr) {
    timeout(LONG, arrivals.next()).await.expect("nothing arrived").unwrap()
}

/// Waits until the listener ends the connection; it says nothing before.
async fn ended(stream: &mut (impl AsyncReadExt + Unpin)) {
    let read = stream.read(&mut [0]).await;
    assert!(matches!(read, Ok(0) | Err(_)), "it was answered");
}

/// What a listener makes of bytes: the client's address, and what is behind the header; none when the connection is ended.
async fn heard(pieces: &[&[u8]]) -> Option<(SocketAddr, Vec<u8>)> {
    let (address, mut arrivals) = behind("127.0.0.0/8").await;
    let mut balancer = TcpStream::connect(address).await.unwrap();
    balancer.set_nodelay(true).unwrap();
    let (mut reading, mut writing) = balancer.split();
    let send = async {
        for piece in pieces {
            writing.write_all(piece).await.unwrap();
            sleep(Duration::from_millis(2)).await;
        }
        writing.shutdown().await.unwrap();
    };
    let receive = async {
        tokio::select! {
            (mut stream, client) = arrived(&mut arrivals) => {
                let mut behind = Vec::new();
                stream.read_to_end(&mut behind).await.unwrap();
                Some((client, behind))
            }
            () = ended(&mut reading) => None,
        }
    };
    tokio::join!(send, receive).1
}

#[tokio::test]
async fn a_connection_is_its_clients_and_not_a_byte_behind_the_header_is_lost() {
    let client: SocketAddr = "192.0.2.7:40000".parse().unwrap();
    let whole = header();
    // A TLS record that is glued to the header, whole, and byte by byte.
    let glued = [whole.as_slice(), b"\x16\x03\x01\0\x05hello"].concat();
    let expected = Some((client, b"\x16\x03\x01\0\x05hello".to_vec()));
    assert_eq!(heard(&[&glued]).await, expected);
    assert_eq!(heard(&glued.chunks(1).collect::<Vec<_>>()).await, expected);
    assert_eq!(heard(&[&whole]).await, Some((client, Vec::new())));
}

#[tokio::test]
async fn a_connection_without_a_whole_header_is_ended() {
    let whole = header();
    for cut in [0, 1, 11, 12, 15, 16, 27] {
        assert_eq!(heard(&[&whole[..cut]]).await, None, "{cut}");
    }
    let oversized = [SIGNATURE, &[0x21, 0x11, 0xff, 0xff], &[0; 64]].concat();
    let unix = [SIGNATURE, &[0x21, 0x31, 0, 216], &[0; 216]].concat();
    let unspecified = [SIGNATURE, &[0x21, 0x00, 0, 0]].concat();
    let first_version = b"PROXY TCP4 192.0.2.7 10.0.0.1 40000 5432\r\n";
    let tls = b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03 and a hello";
    for bytes in [&oversized[..], &unix, &unspecified, first_version, tls] {
        assert_eq!(heard(&[bytes]).await, None, "{bytes:?}");
    }
}

#[tokio::test]
async fn a_health_check_is_the_balancers_own_connection() {
    let check = [SIGNATURE, &[0x20, 0x00, 0, 0]].concat();
    let (client, behind) = heard(&[&check]).await.unwrap();
    assert!(client.ip().is_loopback() && behind.is_empty());
}

#[tokio::test]
async fn a_header_from_elsewhere_does_not_count() {
    let (address, mut arrivals) = behind("127.9.9.9").await;
    let mut stranger = TcpStream::connect(address).await.unwrap();
    stranger.write_all(&header()).await.unwrap();
    tokio::select! {
        _ = arrived(&mut arrivals) => panic!("a stranger's word was believed"),
        () = ended(&mut stranger) => {}
    }
}

#[tokio::test(start_paused = true)]
async fn a_header_that_does_not_come_is_waited_for_only_so_long_and_keeps_nobody_waiting() {
    let (address, mut arrivals) = behind("127.0.0.1").await;
    let mut silent = TcpStream::connect(address).await.unwrap();
    let mut other = TcpStream::connect(address).await.unwrap();
    other.write_all(&header()).await.unwrap();
    let (_stream, client) = arrived(&mut arrivals).await;
    assert_eq!(client.to_string(), "192.0.2.7:40000");
    let begun = Instant::now();
    tokio::select! {
        _ = arrivals.next() => panic!("it said nothing"),
        () = ended(&mut silent) => {}
    }
    assert!(begun.elapsed() <= HEADER_DEADLINE + Duration::from_millis(10));
}

#[tokio::test]
async fn where_no_header_is_to_be_heard_nothing_is_read() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut arrivals = Arrivals::new(listener, Told::ByTheSocket);
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(&header()).await.unwrap();
    let (mut stream, from) = arrived(&mut arrivals).await;
    assert_eq!(from, client.local_addr().unwrap());
    let mut first = [0; 12];
    stream.read_exact(&mut first).await.unwrap();
    assert_eq!(first, SIGNATURE, "the listener's own protocol has to refuse it");
}

/// Debian's `haproxy` before `server`, as its own process.
struct HaProxy(Child);

impl HaProxy {
    fn before(server: SocketAddr, folder: &std::path::Path, port: u16) -> Self {
        let file = folder.join("haproxy.cfg");
        let configuration = format!(
            "defaults\n mode tcp\n timeout connect 5s\n timeout client 9s\n timeout server 9s\n\
             listen node\n bind 127.0.0.1:{port}\n server node {server} send-proxy-v2 proxy-v2-options unique-id\n \
             unique-id-format %[uuid()]\n"
        );
        std::fs::File::create(&file).unwrap().write_all(configuration.as_bytes()).unwrap();
        let child = Command::new("haproxy")
            .args(["-db", "-f"])
            .arg(file)
            .stdout(Stdio::null())
            .spawn()
            .expect("Debian's haproxy is there: tests/run.sh installs it");
        Self(child)
    }
}

impl Drop for HaProxy {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[tokio::test]
async fn haproxy_says_where_its_clients_are() {
    let (address, mut arrivals) = behind("127.0.0.1").await;
    let folder = tempfile::tempdir().unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let _balancer = HaProxy::before(address, folder.path(), free.port());
    let begun = Instant::now();
    let mut client = loop {
        match TcpStream::connect(free).await {
            Ok(client) => break client,
            Err(error) => assert!(begun.elapsed() < LONG, "HAProxy does not listen: {error}"),
        }
        sleep(Duration::from_millis(20)).await;
    };
    client.write_all(b"\0\0\0\x08\x04\xd2\x16\x2f").await.unwrap();
    let (mut stream, from) = arrived(&mut arrivals).await;
    assert_eq!(from, client.local_addr().unwrap(), "the client's own port, not the balancer's");
    let mut first = [0; 8];
    stream.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"\0\0\0\x08\x04\xd2\x16\x2f");
    stream.write_all(b"S").await.unwrap();
    let mut answer = [0];
    client.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"S");
}
