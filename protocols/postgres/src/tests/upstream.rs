//! The way to the target: what the gateway does not put up with there. Targets here are the test's own, or a PostgreSQL
//! that speaks TLS.

use super::{
    agent::{Agent, error, kinds, status},
    place::{Listens, Place},
};
use crate::{
    ChannelBinding, ClientCertificate, PostgresTarget, TargetAddress, TargetTls,
    frame::{self, FrameReader},
};
use bytes::BufMut;
use countersign_core::record::Outcome;
use countersign_edge::SecretReference;
use rustls::ServerConfig;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use std::{net::SocketAddr, path::PathBuf, sync::Arc};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tokio_rustls::TlsAcceptor;

/// A target of the test's own: it answers the start-up packet with these bytes and hands over everything it hears after.
async fn target(first: &'static [u8]) -> (SocketAddr, mpsc::Receiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, heard) = mpsc::channel(16);
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let length = socket.read_u32().await.unwrap();
            socket.read_exact(&mut vec![0; length as usize - 4]).await.unwrap();
            socket.write_all(first).await.unwrap();
            let mut rest = Vec::new();
            drop(socket.read_to_end(&mut rest).await);
            drop(sender.send(rest).await);
        }
    });
    (address, heard)
}

fn at(address: SocketAddr, tls: TargetTls) -> impl FnOnce(&mut PostgresTarget) {
    move |target| {
        target.address = TargetAddress::Tcp { host: "127.0.0.1".to_owned(), port: address.port() };
        target.tls = tls;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_asks_for_less_than_scram_gets_no_password_and_no_session() {
    for (what, first) in [
        ("the password in clear", &b"R\0\0\0\x08\0\0\0\x03"[..]),
        ("an MD5 password", b"R\0\0\0\x0c\0\0\0\x05salt"),
        ("no password", b"R\0\0\0\x08\0\0\0\0"),
        ("another mechanism", b"R\0\0\0\x0f\0\0\0\x0aPLAIN\0\0"),
        ("a proof that was not begun", b"R\0\0\0\x08\0\0\0\x0c"),
    ] {
        let (address, mut heard) = target(first).await;
        let place = Place::with(Listens::Nothing, at(address, TargetTls::Disabled)).await;
        let parameters = [("user", "scram"), ("database", "orders")];
        let mut agent = Agent::connect_as(&place, &parameters).await;
        let answer = agent.query("SELECT 1").await;
        assert_eq!((kinds(&answer).as_str(), status(&answer)), ("EZ", 'I'), "{what}");
        assert_eq!(heard.recv().await.unwrap(), b"", "{what}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_refuses_tls_hears_nothing_more() {
    let (address, mut heard) = target(b"N").await;
    let tls = TargetTls::VerifyFull {
        ca_file: PathBuf::new(),
        server_name: None,
        channel_binding: ChannelBinding::Preferred,
    };
    let place = Place::with_tls(Listens::Nothing, |target, authority| {
        at(address, tls)(target);
        trust(target, authority);
    })
    .await;
    let mut agent = Agent::connect(&place).await;
    let answer = agent.query("SELECT 1").await;
    assert_eq!((kinds(&answer).as_str(), status(&answer)), ("EZ", 'I'), "{answer:?}");
    assert_eq!(heard.recv().await.unwrap(), b"");
}

/// Replaces the authority of a target.
fn trust(target: &mut PostgresTarget, authority: PathBuf) {
    if let TargetTls::VerifyFull { ca_file, .. } = &mut target.tls {
        *ca_file = authority;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_targets_certificate_is_checked_in_full() {
    // A good one works, over TLS.
    let place = Place::with_tls(Listens::PostgresTls, |_, _| {}).await;
    let mut agent = Agent::connect(&place).await;
    let answer = agent.query("SELECT id FROM accounts WHERE id = 1").await;
    assert_eq!(kinds(&answer), "TDCZ", "{answer:?}");
    let ssl = "SELECT count(*) FROM pg_stat_ssl WHERE ssl";
    assert_eq!(place.truth(ssl), "1");
    // Another authority of the same name is none.
    let place = Place::with_tls(Listens::PostgresTls, |target, authority| {
        let TargetAddress::Tcp { host, .. } = &target.address else { panic!("over TCP") };
        let other = rcgen::generate_simple_self_signed(vec![host.clone()]).unwrap().cert;
        let file = authority.with_file_name("other.pem");
        std::fs::write(&file, other.pem()).unwrap();
        trust(target, file);
    })
    .await;
    refused(&place).await;
    // A good certificate of another name is none.
    let place = Place::with_tls(Listens::PostgresTls, |target, _| {
        if let TargetTls::VerifyFull { server_name, .. } = &mut target.tls {
            *server_name = Some("db.example.com".to_owned());
        }
    })
    .await;
    refused(&place).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_is_bound_to_the_channel_where_it_can_be_and_must_be_where_it_is_required() {
    let require = |target: &mut PostgresTarget, _| {
        if let TargetTls::VerifyFull { channel_binding, .. } = &mut target.tls {
            *channel_binding = ChannelBinding::Required;
        }
    };
    let place = Place::with_tls(Listens::PostgresTls, require).await;
    // PostgreSQL checks the binding; a login without a password has none.
    assert_eq!(reads(&place, "scram").await, "");
    assert_eq!(reads(&place, "app").await, "58000");
    // A target whose offer has lost the mechanism (or that never had it) gets no proof where it is required.
    for (channel_binding, expected) in
        [(ChannelBinding::Required, None), (ChannelBinding::Preferred, Some(&b"y,,n=,r="[..]))]
    {
        let place = Place::with_tls(Listens::Nothing, |_, _| {}).await;
        let (address, mut heard) = offering(&place, b"SCRAM-SHA-256\0\0").await;
        let place = Place::with_tls(Listens::Nothing, |target, _| {
            let ca_file = place.folder.path().join("authority.pem");
            let server_name = Some(place.host.clone());
            at(address, TargetTls::VerifyFull { ca_file, server_name, channel_binding })(target);
        })
        .await;
        assert_eq!(reads(&place, "scram").await, "58000");
        let said = heard.recv().await.unwrap();
        // PasswordMessage: type, length, mechanism, length, and then what counts.
        let first = said.get(1 + 4 + b"SCRAM-SHA-256\0".len() + 4..);
        assert_eq!(first.and_then(|first| first.get(..8)), expected, "{said:?}");
    }
}

/// A target over TLS, with the certificate of this place, that offers these mechanisms and hands over what it hears.
async fn offering(
    place: &Place,
    mechanisms: &'static [u8],
) -> (SocketAddr, mpsc::Receiver<Vec<u8>>) {
    let file = |name: &str| place.folder.path().join(name);
    let certificate = CertificateDer::from_pem_file(file("target.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(file("target.key")).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, heard) = mpsc::channel(1);
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        socket.read_exact(&mut [0; 8]).await.unwrap();
        socket.write_all(b"S").await.unwrap();
        let mut stream = TlsAcceptor::from(Arc::new(tls)).accept(socket).await.unwrap();
        let length = stream.read_u32().await.unwrap();
        stream.read_exact(&mut vec![0; length as usize - 4]).await.unwrap();
        let offer = frame::message(b'R', |out| {
            out.put_u32(10);
            out.put_slice(mechanisms);
        });
        stream.write_all(&offer).await.unwrap();
        let mut said = vec![0; 64];
        let length = stream.read(&mut said).await.unwrap_or(0);
        said.truncate(length);
        sender.send(said).await.unwrap();
    });
    (address, heard)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_gateway_shows_its_certificate_where_the_target_asks_for_it_and_only_there() {
    let certified = |target: &mut PostgresTarget, authority: PathBuf| {
        let file = |name: &str| SecretReference::File(authority.with_file_name(name));
        let certificate = ClientCertificate { chain: file("own.pem"), key: file("own.key") };
        let role = target.roles.get_mut("app").unwrap();
        role.user = "certified".to_owned();
        role.certificate = Some(certificate);
    };
    // PostgreSQL asks, and takes the name in it for the user's.
    let place = Place::with_tls(Listens::PostgresTls, certified).await;
    assert_eq!(reads(&place, "app").await, "");
    // A name of somebody else, and no certificate at all, are not let in.
    let other = |target: &mut PostgresTarget, authority: PathBuf| {
        certified(target, authority);
        let role = target.roles.get_mut("scram").unwrap();
        role.user = "certified".to_owned();
        role.password = None;
    };
    let place = Place::with_tls(Listens::PostgresTls, other).await;
    assert_eq!(reads(&place, "scram").await, "58000");
    // A target that asks for none lets anybody in; neither it nor one without TLS is used.
    let place = Place::with_tls(Listens::Nothing, |_, _| {}).await;
    let (address, _heard) = offering(&place, b"\0").await;
    let asks_nobody = Place::with_tls(Listens::Nothing, |target, authority| {
        certified(target, authority);
        let ca_file = place.folder.path().join("authority.pem");
        let server_name = Some(place.host.clone());
        let channel_binding = ChannelBinding::Preferred;
        at(address, TargetTls::VerifyFull { ca_file, server_name, channel_binding })(target);
    })
    .await;
    assert_eq!(reads(&asks_nobody, "app").await, "58000");
    let without_tls = Place::with_tls(Listens::Postgres, |target, authority| {
        certified(target, authority);
        target.roles.get_mut("app").unwrap().user = "app".to_owned();
    })
    .await;
    assert_eq!(reads(&without_tls, "app").await, "58000");
}

/// Reads as this role; the error, if there is one.
async fn reads(place: &Place, role: &str) -> String {
    let mut agent = Agent::connect_as(place, &[("user", role), ("database", "orders")]).await;
    error(&agent.query("SELECT id FROM accounts WHERE id = 1").await)
}

async fn refused(place: &Place) {
    let mut agent = Agent::connect(place).await;
    let answer = agent.query("SELECT id FROM accounts WHERE id = 1").await;
    assert_eq!((kinds(&answer).as_str(), error(&answer).as_str()), ("EZ", "58000"), "{answer:?}");
    assert_eq!(place.gate.admitted.lock().unwrap().len(), 0, "nothing is admitted for nothing");
}

/// A target that lets everybody in and answers each Query with the next of these.
async fn answering(answers: Vec<Vec<u8>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let length = socket.read_u32().await.unwrap();
        socket.read_exact(&mut vec![0; length as usize - 4]).await.unwrap();
        let greeting = [
            frame::message(b'R', |out| out.put_u32(0)),
            frame::text_pair(b'S', "server_encoding", "UTF8"),
            frame::message(b'K', |out| out.put_u64(1)),
            frame::ready(b'I'),
        ];
        socket.write_all(&greeting.concat()).await.unwrap();
        serve(socket, answers).await;
    });
    address
}

async fn serve(socket: TcpStream, answers: Vec<Vec<u8>>) {
    let mut answers = answers.into_iter();
    let (reading, mut writing) = socket.into_split();
    let mut reader = FrameReader::new(reading);
    let mut own = 0_usize;
    while let Ok(head) = reader.head().await {
        drop(reader.whole(head).await);
        let answer = match head.kind {
            b'Q' => answers.next().unwrap(),
            // What the gateway asks for itself is done.
            b'P' => frame::empty(b'1').to_vec(),
            b'B' => frame::empty(b'2').to_vec(),
            b'E' => {
                own += 1;
                frame::message(b'C', |out| out.put_slice(b"SET\0")).to_vec()
            }
            b'S' => frame::ready(b'I').to_vec(),
            _ => Vec::new(),
        };
        writing.write_all(&answer).await.unwrap();
    }
    assert!(own < 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_without_the_fields_they_must_have_pass_and_leave_nothing_out_of_step() {
    let errors: [&[u8]; 5] =
        [b"SERROR\0Mno code\0\0", b"\0", b"", b"SERROR\0C22012\0Mno end", b"C\0\0"];
    let answers = errors
        .map(|body| [frame::message(b'E', |out| out.put_slice(body)), frame::ready(b'I')].concat());
    let address = answering(answers.to_vec()).await;
    let place = Place::with(Listens::Nothing, at(address, TargetTls::Disabled)).await;
    let mut agent = Agent::connect(&place).await;
    for (n, body) in errors.iter().enumerate() {
        let answer = agent.query("SELECT 1").await;
        assert_eq!((kinds(&answer).as_str(), status(&answer)), ("EZ", 'I'), "{body:?}");
        let said = answer.iter().find(|message| message.kind == 'E').unwrap();
        assert_eq!(&said.body[..], *body);
        assert_eq!(place.gate.settlement(n).await.outcome, Outcome::Failed, "{body:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_reports_settings_without_end_is_not_used() {
    let many = |count: usize, value: &str| -> &'static [u8] {
        let setting = |n: usize| frame::text_pair(b'S', &format!("setting.{n}"), value);
        let settings: Vec<u8> = (0..count).flat_map(|n| setting(n).to_vec()).collect();
        let login = b"R\0\0\0\x08\0\0\0\0S\0\0\0\x19server_encoding\0UTF8\0";
        let ready = b"K\0\0\0\x0c\0\0\0\x01\0\0\0\x02Z\0\0\0\x05I";
        [&login[..], &settings, ready].concat().leak()
    };
    for (what, first) in [("many", many(500, "on")), ("long ones", many(10, &"x".repeat(10_000)))] {
        let (address, mut heard) = target(first).await;
        let place = Place::with(Listens::Nothing, at(address, TargetTls::Disabled)).await;
        let mut agent = Agent::connect(&place).await;
        let answer = agent.query("SELECT 1").await;
        assert_eq!((kinds(&answer).as_str(), status(&answer)), ("EZ", 'I'), "{what}");
        assert_eq!(heard.recv().await.unwrap(), b"", "{what}");
    }
}
