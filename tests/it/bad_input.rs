//! What strangers and broken clients send: clear errors or a closed connection, bounded memory, and nobody else disturbed.

use countersign_tests::{agent::Agent, cluster::Cluster, process, wait, wait::Look};
use std::{fs, path::Path, time::Duration};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{Instant, timeout},
};

const MIB: u64 = 1024 * 1024;
/// A statement of a session that nobody disturbs takes milliseconds; this is for a machine that is busy otherwise.
const UNDISTURBED: Duration = Duration::from_secs(3);
/// How long a connection that says nothing may be kept: the nodes' own deadlines are 5 to 10 s.
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(20);
/// Connections that never get further.
const HALF_OPEN: usize = 1000;

/// `SSLRequest` (protocol 3.0, "SSL Session Encryption"): length 8, code 80877103.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

struct Ports {
    postgres: String,
    api: String,
    metrics: String,
    peer: String,
}

impl Ports {
    /// Where node 1 really listens: its own configuration says so, the address that peers are told may be a relay's.
    fn of(cluster: &Cluster) -> Self {
        let data = Path::new(cluster.environment().of_node("CS_DATA", 1).unwrap());
        let file = data.ancestors().map(|folder| folder.join("node.toml")).find(|f| f.is_file());
        let text = fs::read_to_string(file.expect("the node has a configuration")).unwrap();
        let listens = |name: &str| {
            let line = text.lines().find(|line| line.split('=').next().unwrap().trim() == name);
            let value = line.unwrap_or_else(|| panic!("no {name} in {text}")).split('"').nth(1);
            value.unwrap().to_owned()
        };
        Self {
            postgres: listens("postgres"),
            api: listens("api"),
            metrics: listens("metrics"),
            peer: listens("listen"),
        }
    }
}

async fn is_undisturbed(agent: &Agent) {
    let began = Instant::now();
    agent.client.query("SELECT id FROM orders WHERE id = 1", &[]).await.unwrap();
    assert!(began.elapsed() < UNDISTURBED, "another session waited {:?}", began.elapsed());
}

/// Sends bytes and reads what comes back until the other side closes; more than a little would be a leak.
async fn exchange(address: &str, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The other side may close in the middle of it.
    stream.write_all(bytes).await.ok();
    stream.shutdown().await.ok();
    let mut answer = Vec::new();
    let read = timeout(HANDSHAKE_DEADLINE, stream.take(1_000_000).read_to_end(&mut answer)).await;
    assert!(
        read.is_ok(),
        "{address} keeps a connection that said {:?} and closed",
        &bytes[..bytes.len().min(16)]
    );
    answer
}

fn startup(length: i32, rest: &[u8]) -> Vec<u8> {
    [&length.to_be_bytes()[..], rest].concat()
}

fn corpus() -> Vec<(&'static str, Vec<u8>)> {
    let version = 196_608_i32.to_be_bytes();
    let plain = b"user\0app\0database\0orders\0\0";
    vec![
        ("nothing", Vec::new()),
        ("one byte", vec![0]),
        ("zeroes", vec![0; 4096]),
        ("ones", vec![0xff; 4096]),
        ("HTTP", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec()),
        ("TLS without SSLRequest", vec![0x16, 3, 1, 0, 5, 1, 0, 0, 1, 3]),
        ("a negative length", startup(-1, &version)),
        ("a length of zero", startup(0, &version)),
        ("a length shorter than itself", startup(4, &[])),
        ("two gigabytes announced", startup(i32::MAX, &version)),
        ("a truncated startup", startup(100, &[&version[..], b"user\0ap"].concat())),
        ("a startup in clear", startup(8 + 27, &[&version[..], plain].concat())),
        ("a startup without terminators", startup(28, &[&version[..], &[b'a'; 20]].concat())),
        ("an unknown protocol", startup(8, &[0, 9, 0, 0])),
        ("protocol 2", startup(8, &[0, 2, 0, 0])),
        ("GSSENCRequest", startup(8, &[4, 210, 22, 48])),
        ("a cancel with a wrong key", startup(16, &[4, 210, 22, 46, 0, 0, 0, 1, 0, 0, 0, 2])),
        ("a short cancel", startup(12, &[4, 210, 22, 46, 0, 0, 0, 1])),
        ("SSLRequest twice", [SSL_REQUEST, SSL_REQUEST].concat()),
        (
            "bytes smuggled behind SSLRequest",
            [&SSL_REQUEST[..], &startup(35, &[&version[..], plain].concat())].concat(),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_on_every_port_is_turned_away_and_other_sessions_do_not_notice() {
    let cluster = Cluster::start().await.unwrap();
    let ports = Ports::of(&cluster);
    let agent = cluster.login(1).unwrap().connect().await.unwrap();
    let pid = cluster.pid(1).unwrap();
    let before = process::resident_bytes(pid).unwrap();
    process::reset_peak(pid).unwrap();
    for (what, bytes) in corpus() {
        let answer = exchange(&ports.postgres, &bytes).await;
        assert!(!answer.starts_with(b"R"), "{what}: authentication was begun");
        assert!(answer.len() < 2000, "{what}: {} bytes came back", answer.len());
        for address in [&ports.api, &ports.peer, &ports.metrics] {
            exchange(address, &bytes).await;
        }
        is_undisturbed(&agent).await;
    }
    assert!(process::is_running(pid));
    let grown = process::peak_resident_bytes(pid).unwrap().saturating_sub(before);
    assert!(grown < 64 * MIB, "the node grew by {} MiB", grown / MIB);
    let smuggled = exchange(&ports.postgres, &corpus().pop().unwrap().1).await;
    // 'S' may be said to the SSLRequest; what follows it in clear must not be read as a startup.
    assert!(smuggled.len() <= 1 || !smuggled.contains(&b'R'), "{smuggled:?}");
    cluster.check_logs(&[]).unwrap();
}

/// Opens connections that say nothing, or half of something, until a limit says stop.
async fn half_open(address: &str, agent: &Agent) -> Vec<TcpStream> {
    let mut silent = Vec::new();
    for number in 0..HALF_OPEN {
        let connect = timeout(Duration::from_secs(5), TcpStream::connect(address));
        // A limit on connections is as good an answer as room for all.
        let Ok(Ok(mut stream)) = connect.await else { break };
        if number % 2 == 0 {
            stream.write_all(&SSL_REQUEST[..number % 8]).await.ok();
        }
        silent.push(stream);
        if number % 100 == 0 {
            is_undisturbed(agent).await;
        }
    }
    silent
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_half_open_connections_cost_little_and_end_by_themselves() {
    let cluster = Cluster::start().await.unwrap();
    let ports = Ports::of(&cluster);
    let agent = cluster.login(1).unwrap().connect().await.unwrap();
    let pid = cluster.pid(1).unwrap();
    for address in [&ports.postgres, &ports.api, &ports.peer] {
        let before = process::resident_bytes(pid).unwrap();
        process::reset_peak(pid).unwrap();
        let mut silent = half_open(address, &agent).await;
        is_undisturbed(&agent).await;
        let grown = process::peak_resident_bytes(pid).unwrap().saturating_sub(before);
        assert!(
            grown < 100 * MIB,
            "{} half-open connections cost {} MiB",
            silent.len(),
            grown / MIB
        );
        // The other nodes reach this one all the while: a decision is taken over it.
        cluster.until_ready(1).await.unwrap();

        let oldest = silent.first_mut().unwrap();
        let mut rest = Vec::new();
        let closed = timeout(HANDSHAKE_DEADLINE, oldest.read_to_end(&mut rest)).await;
        assert!(closed.is_ok(), "{address} keeps a silent client");
        assert!(rest.is_empty(), "{address} talks to a client that said nothing");
        drop(silent);
        wait::until("a new session to find room", Duration::from_secs(20), async || {
            cluster.login(1)?.connect().await?.client.batch_execute("SELECT 1").await?;
            Ok(Look::Ready(()))
        })
        .await
        .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_stops_in_the_middle_of_its_login_does_not_keep_its_place() {
    let cluster = Cluster::start().await.unwrap();
    let ports = Ports::of(&cluster);
    let mut stream = TcpStream::connect(&ports.postgres).await.unwrap();
    stream.write_all(&SSL_REQUEST).await.unwrap();
    let mut answer = [0; 1];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"S");
    // And now nothing: the TLS handshake never comes.
    let mut rest = Vec::new();
    let closed = timeout(HANDSHAKE_DEADLINE, stream.read_to_end(&mut rest)).await;
    assert!(closed.is_ok(), "kept longer than {HANDSHAKE_DEADLINE:?}");
    cluster.check_logs(&[]).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_credentials_and_wrong_targets_get_one_answer_that_tells_nothing() {
    let cluster = Cluster::start().await.unwrap();
    let good = cluster.login(2).unwrap();
    let reviewer = cluster.environment().get("CS_REVIEWER_TOKEN").unwrap();
    let mut bad_tokens = Vec::new();
    let (head, tail) = good.token.rsplit_once('.').unwrap();
    for token in
        ["", "x", reviewer, &format!("{head}."), &format!("{head}.A{tail}"), &"x".repeat(100_000)]
    {
        let error = cluster.login_with(2, token).unwrap().connect().await.unwrap_err();
        bad_tokens.push(format!("{error:#}"));
    }
    // 28P01: invalid_password.
    for said in &bad_tokens {
        assert!(
            said.contains("authentication failed")
                || said.contains("28")
                || said.contains("password"),
            "{said}"
        );
    }
    let mut unknown = Vec::new();
    for (database, user) in [
        ("nowhere", "app"),
        ("orders/nowhere", "app"),
        ("orders", "postgres"),
        ("orders", "orders_app"),
    ] {
        let error = good.clone().to(database).as_user(user).connect().await.unwrap_err();
        unknown.push(format!("{error:#}"));
    }
    for said in &unknown {
        assert_eq!(Some(said), unknown.first(), "what exists can be told from what does not");
    }
}
