//! The rows of the threat catalogue about the wire protocol: what a hostile agent sends, and what it gets.

use super::{
    agent::{Agent, SSL_REQUEST, error, execute, kinds, password, tls},
    gate::TOKEN,
    place::Place,
};
use crate::frame;
use bytes::Bytes;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use std::{sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};
use tokio_rustls::TlsConnector;

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
        // A PROXY header, where none is to be heard.
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x07\x0a\0\0\x01\x9c\x40\x15\x38",
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
async fn a_source_of_a_thousand_half_open_connections_keeps_nobody_else_out() {
    let place = Place::without_target().await;
    let mut idle = Vec::new();
    for _ in 0..1000 {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
        idle.push(socket.connect(place.address).await.unwrap());
    }
    let mut agent = Agent::connect(&place).await;
    assert_eq!(kinds(&agent.query("").await), "IZ");
    // Most of the thousand were closed at once.
    let mut closed = 0;
    for socket in &mut idle {
        let read = timeout(Duration::from_millis(10), socket.read(&mut [0])).await;
        closed += usize::from(matches!(read, Ok(Ok(0) | Err(_))));
    }
    assert!((700..1000).contains(&closed), "{closed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_glued_to_a_packet_before_the_login_is_not_taken_before_it() {
    let place = Place::without_target().await;
    let startup = frame::startup(&[("user", "app"), ("database", "orders")]);
    let waits = frame::query(b"NOTIFY accounts");
    // Behind the start-up packet: it is no password.
    let mut agent = Agent { stream: tls(&place).await, key: (0, 0) };
    agent.send(&[startup.as_ref(), &waits, &password(TOKEN), &waits].concat()).await;
    let rest = agent.rest().await;
    assert_eq!((kinds(&rest).as_str(), error(&rest).as_str()), ("RE", "28P01"));
    assert_eq!(place.gate.hold_count(), 0);
    // Behind the password: taken once the session is open, and judged like any other.
    let mut agent = Agent { stream: tls(&place).await, key: (0, 0) };
    agent.send(&[startup.as_ref(), &password(TOKEN), &waits].concat()).await;
    let hold = place.gate.hold(0).await;
    assert_eq!(hold.operation.text(), b"NOTIFY accounts");
    assert_eq!(kinds(&agent.until_ready().await), "RRKZ");
    // Behind a request for encryption by GSS.
    let gss = [0, 0, 0, 8, 4, 210, 22, 48];
    let glued = [&gss[..], &startup, &password(TOKEN), &waits].concat();
    assert!(matches!(answer(&place, &glued).await.as_slice(), [] | [b'N']));
    assert_eq!(place.gate.hold_count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_at_once_is_taken_by_its_protocol_name_only() {
    let place = Place::without_target().await;
    let startup = frame::startup(&[("user", "app"), ("database", "orders")]);
    for (names, answered) in
        [(vec![b"postgresql".to_vec()], "R"), (vec![], "E"), (vec![b"h2".to_vec()], "")]
    {
        let mut config = ClientConfig::clone(&place.client_tls);
        config.alpn_protocols = names;
        let socket = TcpStream::connect(place.address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let connected = TlsConnector::from(Arc::new(config)).connect(name, socket).await;
        let Ok(stream) = connected else {
            assert_eq!(answered, "");
            continue;
        };
        let mut agent = Agent { stream: Box::new(stream), key: (0, 0) };
        // The gateway may have closed it already.
        drop(agent.stream.write_all(&startup).await);
        let first: Vec<_> = agent.try_next().await.into_iter().collect();
        assert_eq!(kinds(&first), answered);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_long_is_refused_by_its_size_and_what_is_not_is_held_whole() {
    const MIB: usize = 1024 * 1024;
    let place = Place::without_target().await;
    let mut agent = Agent::connect(&place).await;
    let waits = |length: usize| {
        let around = "NOTIFY accounts /*  */".len();
        format!("NOTIFY accounts /* {} */", "x".repeat(length - around))
    };
    let answer = agent.query(&waits(2 * MIB)).await;
    assert_eq!((kinds(&answer).as_str(), error(&answer).as_str()), ("EZ", "54000"));
    // In the extended protocol it breaks the pipeline, like any error.
    agent.send(&frame::parse("s", b"DELETE FROM accounts WHERE name = $1", &[])).await;
    let value = vec![b'x'; 5 * MIB];
    let bind = frame::bind(frame::Bind {
        portal: "",
        statement: "s",
        parameters: [(0, Some(value.as_slice()))].into_iter(),
        result_formats: &[],
    });
    agent.send(&[bind, frame::execute("", 0), frame::sync()].concat()).await;
    let answer = agent.until_ready().await;
    assert_eq!((kinds(&answer).as_str(), error(&answer).as_str()), ("1EZ", "54000"));
    agent.send(&[frame::parse("", waits(2 * MIB).as_bytes(), &[]), frame::sync()].concat()).await;
    let answer = agent.until_ready().await;
    assert_eq!((kinds(&answer).as_str(), error(&answer).as_str()), ("EZ", "54000"));
    // What changes settings goes into every later hold.
    let set = format!("SET application_name TO 'x' /* {} */", "x".repeat(8 * 1024));
    assert_eq!(error(&agent.query(&set).await), "54000");
    agent.send(&[execute(&set), frame::sync().to_vec()].concat()).await;
    assert_eq!(error(&agent.until_ready().await), "54000");
    assert_eq!(place.gate.hold_count(), 0);
    let text = waits(MIB);
    agent.send(&frame::query(text.as_bytes())).await;
    let hold = place.gate.hold(0).await;
    assert!(hold.operation.text() == text.as_bytes(), "every byte of it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn newer_protocol_versions_and_options_are_negotiated_down() {
    let place = Place::without_target().await;
    let with = |minor: u16, options: &[(&str, &str)]| {
        let all = [&[("user", "app"), ("database", "orders")], options].concat();
        let mut packet = frame::startup(&all).to_vec();
        packet[6..8].copy_from_slice(&minor.to_be_bytes());
        packet
    };
    let none: &[(&str, &str)] = &[];
    let two: &[(&str, &str)] = &[("_pq_.thing", "1"), ("_pq_.other", "")];
    // 3.1 was never spoken, 3.2 is that of PostgreSQL 18, and 3.9999 is sent to find servers that do not negotiate.
    for minor in [1, 2, 9999, u16::MAX] {
        let negotiated = negotiated(&place, &with(minor, none)).await;
        assert_eq!(negotiated.as_deref(), Some(&b"\0\x03\0\0\0\0\0\0"[..]), "3.{minor}");
    }
    let named = b"\0\x03\0\0\0\0\0\x02_pq_.thing\0_pq_.other\0";
    for minor in [0, 2] {
        let negotiated = negotiated(&place, &with(minor, two)).await;
        assert_eq!(negotiated.as_deref(), Some(&named[..]), "3.{minor}");
    }
    assert_eq!(negotiated(&place, &with(0, none)).await, None);
}

/// The body of the `NegotiateProtocolVersion` that answers a start-up packet, when there is one; the password is asked for
/// behind it, and the session opens.
async fn negotiated(place: &Place, packet: &[u8]) -> Option<Bytes> {
    let mut agent = Agent { stream: tls(place).await, key: (0, 0) };
    agent.send(packet).await;
    let mut first = agent.next().await;
    let negotiated = (first.kind == 'v').then(|| first.body.clone());
    if negotiated.is_some() {
        first = agent.next().await;
    }
    assert_eq!((first.kind, &first.body[..]), ('R', &[0, 0, 0, 3][..]));
    agent.send(&password(TOKEN)).await;
    assert_eq!(kinds(&agent.until_ready().await), "RKZ");
    negotiated
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_speaks_another_protocol_is_told_so() {
    let place = Place::without_target().await;
    for version in [2_u32 << 16, 4 << 16, 1234 << 16] {
        let packet = [&8_u32.to_be_bytes()[..], &version.to_be_bytes()].concat();
        let said = answer(&place, &packet).await;
        let said = String::from_utf8_lossy(&said).into_owned();
        assert!(said.contains("0A000") && said.contains("speaks 3.0"), "{version:#x}: {said}");
        // The same over TLS.
        let mut agent = Agent { stream: tls(&place).await, key: (0, 0) };
        agent.send(&packet).await;
        assert_eq!(error(&agent.rest().await), "0A000", "{version:#x}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_call_is_refused_and_the_session_goes_on() {
    let place = Place::without_target().await;
    let mut agent = Agent::connect(&place).await;
    let call = frame::message(b'F', |out| out.extend_from_slice(&[0; 10]));
    agent.send(&call).await;
    let answer = agent.until_ready().await;
    assert_eq!((kinds(&answer).as_str(), error(&answer).as_str()), ("EZ", "0A000"));
    // Behind an error of a pipeline it is passed over, like a Query and everything up to the Sync.
    for passed_over in [call, frame::query(b"")] {
        let bad = frame::describe_statement("nothing");
        agent.send(&[bad, passed_over, frame::sync()].concat()).await;
        let answer = agent.until_ready().await;
        assert_eq!((kinds(&answer).as_str(), error(&answer).as_str()), ("EZ", "26000"));
        assert_eq!(kinds(&agent.query("").await), "IZ");
    }
}
