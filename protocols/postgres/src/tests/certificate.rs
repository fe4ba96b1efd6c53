//! Agents that show a certificate: no password is asked for, and nothing makes a bad one good.

use super::{
    agent::{Agent, SSL_REQUEST, error, kinds, password},
    gate::TOKEN,
    place::Place,
};
use crate::frame::{self, Stream};
use rcgen::{CertificateParams, KeyPair};
use rustls::{
    ClientConfig, RootCertStore, SignatureScheme, SupportedProtocolVersion,
    client::ResolvesClientCert,
    crypto::CryptoProvider,
    sign::CertifiedKey,
    version::{TLS12, TLS13},
};
use rustls_pki_types::{
    CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, pem::PemObject,
};
use std::sync::Arc;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

struct Made {
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

fn made() -> Made {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["agent".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap().der().clone();
    Made { certificate, key: PrivatePkcs8KeyDer::from(key.serialize_der()).into() }
}

#[derive(Debug)]
struct Shows(Arc<CertifiedKey>);

impl ResolvesClientCert for Shows {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// Connects with this certificate and this key, which may be another's.
async fn connect(
    place: &Place,
    (certificate, key): (&CertificateDer<'static>, &PrivateKeyDer<'static>),
    version: &'static SupportedProtocolVersion,
) -> std::io::Result<Stream> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(place.folder.path().join("ca.pem")).unwrap()).unwrap();
    let key = provider().key_provider.load_private_key(key.clone_key()).unwrap();
    let shows = Shows(Arc::new(CertifiedKey::new(vec![certificate.clone()], key)));
    let config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_client_cert_resolver(Arc::new(shows));
    let mut socket = TcpStream::connect(place.address).await.unwrap();
    socket.write_all(&SSL_REQUEST).await.unwrap();
    socket.read_exact(&mut [0]).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, socket).await?;
    Ok(Box::new(stream))
}

fn startup(user: &str) -> bytes::Bytes {
    frame::startup(&[("user", user), ("database", "orders")])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_shows_a_good_certificate_is_asked_for_nothing() {
    let place = Place::without_target().await;
    let made = made();
    *place.gate.certificate.lock().unwrap() = Some(made.certificate.to_vec());
    for version in [&TLS12, &TLS13] {
        let shown = (&made.certificate, &made.key);
        let mut agent =
            Agent { stream: connect(&place, shown, version).await.unwrap(), key: (0, 0) };
        agent.send(&startup("app")).await;
        let greeting = agent.until_ready().await;
        assert_eq!((kinds(&greeting).as_str(), &greeting[0].body[..]), ("RKZ", &[0; 4][..]));
        // The agent's own name is the default role, as with a token.
        let mut agent =
            Agent { stream: connect(&place, shown, version).await.unwrap(), key: (0, 0) };
        agent.send(&startup("ci-bot")).await;
        assert_eq!(kinds(&agent.until_ready().await), "RKZ");
        // What is not a role of the agent's stays none.
        let mut agent =
            Agent { stream: connect(&place, shown, version).await.unwrap(), key: (0, 0) };
        agent.send(&startup("postgres")).await;
        assert_eq!(error(&agent.rest().await), "28000");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_certificate_is_refused_and_a_token_beside_it_is_not_looked_at() {
    let place = Place::without_target().await;
    let (good, bad) = (made(), made());
    *place.gate.certificate.lock().unwrap() = Some(good.certificate.to_vec());
    let stream = connect(&place, (&bad.certificate, &bad.key), &TLS13).await.unwrap();
    let mut agent = Agent { stream, key: (0, 0) };
    agent.send(&[startup("app"), password(TOKEN)].concat()).await;
    let rest = agent.rest().await;
    assert_eq!((kinds(&rest).as_str(), error(&rest).as_str()), ("E", "28000"));
    assert!(rest[0].field('M').contains("certificate"), "{rest:?}");
    assert_eq!(rest[0].field('S'), "FATAL");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_without_its_key_does_not_get_through_the_handshake() {
    let place = Place::without_target().await;
    let (good, other) = (made(), made());
    *place.gate.certificate.lock().unwrap() = Some(good.certificate.to_vec());
    for version in [&TLS12, &TLS13] {
        let shown = (&good.certificate, &other.key);
        let Ok(stream) = connect(&place, shown, version).await else { continue };
        // In TLS 1.3 the client is done before the server has looked.
        let mut agent = Agent { stream, key: (0, 0) };
        drop(agent.stream.write_all(&startup("app")).await);
        assert!(agent.rest().await.is_empty(), "{version:?}");
    }
}
