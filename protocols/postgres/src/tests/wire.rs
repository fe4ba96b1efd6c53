//! The rows of the threat catalogue about the wire protocol: what a hostile agent sends, and what it gets.

use super::{
    agent::{Agent, SSL_REQUEST, error, kinds, password, tls},
    gate::TOKEN,
    place::Place,
};
use crate::frame;
use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

async fn answer(place: &Place, bytes: &[u8]) -> Vec<u8> {
    let mut socket = TcpStream::connect(place.address).await.unwrap();
    socket.write_all(bytes).await.unwrap();
    let mut all = Vec::new();
    // A reset is an end like another.
    drop(socket.read_to_end(&mut all).await);
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_passes_before_tls() {
    let place = Place::without_target().await;
    let startup = frame::startup(&[("user", "app"), ("database", "orders")]);
    let refused = answer(&place, &startup).await;
    assert!(String::from_utf8_lossy(&refused).contains("requires TLS"), "{refused:?}");
    let glued = [&SSL_REQUEST[..], &startup, &password(TOKEN)].concat();
    assert!(matches!(answer(&place, &glued).await.as_slice(), [] | [b'S']));
    for garbage in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &[0, 0, 0, 4],
        &[0xff; 16],
        &[0, 0, 0, 9, 4, 210, 22, 47, 0],
        &[0, 0, 0, 8, 0, 2, 0, 0],
    ] {
        assert_eq!(answer(&place, garbage).await, b"", "{garbage:?}");
    }
    let gss = [0, 0, 0, 8, 4, 210, 22, 48];
    let mut socket = TcpStream::connect(place.address).await.unwrap();
    socket.write_all(&gss).await.unwrap();
    let mut said = [0];
    socket.read_exact(&mut said).await.unwrap();
    assert_eq!(&said, b"N");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn startup_parameters_are_allow_listed() {
    let place = Place::without_target().await;
    let good = [("user", "app"), ("database", "orders")];
    let refused: [(&str, &str, &str); 9] = [
        ("replication", "TRUE", "0A000"),
        ("replication", "t", "0A000"),
        ("replication", "y", "0A000"),
        ("replication", "database", "0A000"),
        ("REPLICATION", "on", "0A000"),
        ("options", "-c default_transaction_read_only=off", "0A000"),
        ("client_encoding", "SJIS", "0A000"),
        ("USER", "postgres", "08P01"),
        ("application_name", "a\nb", "08P01"),
    ];
    for (name, value, code) in refused {
        let mut agent = Agent { stream: tls(&place).await, key: (0, 0) };
        agent.send(&frame::startup(&[good[0], good[1], (name, value)])).await;
        assert_eq!(error(&agent.rest().await), code, "{name}={value}");
    }
    for (user, database, token, code) in [
        ("postgres", "orders", TOKEN, "28000"),
        ("app", "orders/postgres", TOKEN, "28000"),
        ("app", "elsewhere", TOKEN, "28000"),
        ("app", "orders", "a-bad-token", "28P01"),
    ] {
        let mut agent = Agent { stream: tls(&place).await, key: (0, 0) };
        agent.send(&frame::startup(&[("user", user), ("database", database)])).await;
        agent.send(&password(token)).await;
        assert_eq!(error(&agent.rest().await), code, "{user} {database}");
    }
    // Unknown ones are dropped, with a notice behind the login; the agent's own name means the default role.
    let parameters = [
        ("user", "ci-bot"),
        ("database", "orders"),
        ("session_replication_role", "replica"),
        ("client_encoding", "'utf-8'"),
    ];
    let mut agent = Agent { stream: tls(&place).await, key: (0, 0) };
    agent.send(&frame::startup(&parameters)).await;
    agent.send(&password(TOKEN)).await;
    let greeting = agent.until_ready().await;
    assert_eq!(kinds(&greeting), "RRKNZ");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_protocol_ends_the_session_and_dials_nothing() {
    let place = Place::without_target().await;
    let hostile: Vec<(&str, Vec<u8>)> = vec![
        ("length below four", vec![b'Q', 0, 0, 0, 3]),
        ("negative length", vec![b'Q', 0xff, 0xff, 0xff, 0xff]),
        ("two gibibytes", vec![b'Q', 0x7f, 0xff, 0xff, 0xff]),
        (
            "query without NUL",
            frame::message(b'Q', |out| out.extend_from_slice(b"SELECT 1")).to_vec(),
        ),
        (
            "query behind a NUL",
            frame::message(b'Q', |out| out.extend_from_slice(b"SELECT 1\0Q\0\0\0\x05\0")).to_vec(),
        ),
        ("sync with a body", frame::message(b'S', |out| out.extend_from_slice(b"x")).to_vec()),
        ("stray password", password("again").to_vec()),
        ("unknown type", vec![b'?', 0, 0, 0, 4]),
        ("FunctionCall", frame::message(b'F', |out| out.extend_from_slice(&[0; 10])).to_vec()),
        ("short Bind", frame::message(b'B', |out| out.extend_from_slice(&[0, 0, 0])).to_vec()),
        (
            "Bind that promises too much",
            frame::message(b'B', |out| out.extend_from_slice(&[0, 0, 0, 0, 0xff, 0xff])).to_vec(),
        ),
        (
            "Parse that promises too much",
            frame::message(b'P', |out| out.extend_from_slice(&[0, b'x', 0, 0xff, 0xff])).to_vec(),
        ),
        (
            "Describe of nothing",
            frame::message(b'D', |out| out.extend_from_slice(b"Xa\0")).to_vec(),
        ),
        (
            "Execute that goes on",
            frame::message(b'E', |out| out.extend_from_slice(b"\0\0\0\0\0\0")).to_vec(),
        ),
    ];
    for (what, bytes) in hostile {
        let mut agent = Agent::connect(&place).await;
        agent.send(&bytes).await;
        let rest = agent.rest().await;
        assert_eq!(kinds(&rest), "E", "{what}");
        assert!(["08P01", "0A000"].contains(&error(&rest).as_str()), "{what}: {rest:?}");
        assert_eq!(rest[0].field('S'), "FATAL", "{what}");
    }
    // Refused by name, and the session goes on.
    let mut agent = Agent::connect(&place).await;
    let long = "n".repeat(64);
    for (bytes, code) in [
        (frame::parse(&long, b"SELECT 1", &[]), "42622"),
        (frame::describe_statement("nothing"), "26000"),
        (frame::execute("nothing", 0), "34000"),
        (frame::parse("", b"SELECT 1; SELECT 2", &[]), "42601"),
        (Bytes::from([frame::parse("a", b"", &[]), frame::parse("a", b"", &[])].concat()), "42P05"),
    ] {
        agent.send(&[bytes, frame::sync()].concat()).await;
        assert_eq!(error(&agent.until_ready().await), code);
    }
    assert_eq!(place.gate.hold_count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_may_come_byte_by_byte() {
    let place = Place::without_target().await;
    let mut agent = Agent::connect(&place).await;
    for byte in
        [frame::parse("a", b"", &[]), frame::describe_statement("a"), frame::sync()].concat()
    {
        agent.send(&[byte]).await;
    }
    assert_eq!(kinds(&agent.until_ready().await), "1tnZ");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_half_open_connections_keep_nobody_out() {
    let place = Place::without_target().await;
    let mut idle = Vec::new();
    for _ in 0..1000 {
        idle.push(TcpStream::connect(place.address).await.unwrap());
    }
    let mut agent = Agent::connect(&place).await;
    assert_eq!(kinds(&agent.query("").await), "IZ");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn newer_protocol_versions_are_negotiated_down() {
    let place = Place::without_target().await;
    let mut stream = tls(&place).await;
    let mut packet =
        frame::startup(&[("user", "app"), ("database", "orders"), ("_pq_.thing", "1")]).to_vec();
    packet[7] = 2;
    stream.write_all(&packet).await.unwrap();
    let mut agent = Agent { stream, key: (0, 0) };
    let negotiated = agent.next().await;
    assert_eq!(
        (negotiated.kind, &negotiated.body[..]),
        ('v', &b"\0\0\0\0\0\0\0\x01_pq_.thing\0"[..])
    );
    assert_eq!(agent.next().await.kind, 'R');
}
