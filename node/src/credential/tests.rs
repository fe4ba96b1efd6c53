//! Certificates that look like an agent's and are none.

use super::*;
use crate::cluster::{Authority, ClusterKey, Made, Purpose};
use countersign_core::{
    id::{CredentialId, NodeId},
    log_time::LogTime,
};
use countersign_raft_store::{records::ClusterRecord, reply::CredentialLife};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, SerialNumber,
};
use rustls_pki_types::{CertificateDer, pem::PemObject};

const NOW: u64 = 1_800_000_000_000;
const HOUR: u64 = 60 * 60 * 1000;

struct Cluster {
    record: ClusterRecord,
    key: ClusterKey,
    credentials: Made,
}

fn cluster() -> Cluster {
    crate::tls::install_provider();
    let (key, id) = (ClusterKey::draw(), [7; 16]);
    let credentials = make_authority("blue").unwrap();
    let peers = crate::cluster::make_peer_authority("blue").unwrap();
    let seal = |purpose, made: &Made| key.seal(purpose, &id, made.key_pem.as_bytes()).unwrap();
    let record = ClusterRecord {
        id,
        name: "blue".to_owned(),
        sealed_ca_key: seal(Purpose::PeerAuthority, &peers),
        ca_cert_pem: peers.certificate_pem,
        credential_ca_cert_pem: credentials.certificate_pem.clone(),
        sealed_credential_ca_key: seal(Purpose::CredentialAuthority, &credentials),
        bootstrap_token_sha256: [0; 32],
        bootstrap_expires_at: LogTime(0),
        version: 1,
        initialised_at: LogTime(0),
    };
    Cluster { record, key, credentials }
}

fn id() -> CredentialId {
    CredentialId::from_bytes([9; 16])
}

fn request(key: &KeyPair) -> String {
    let params = CertificateParams::new(vec!["postgres".to_owned()]).unwrap();
    params.serialize_request(key).unwrap().pem().unwrap()
}

fn der(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
}

impl Cluster {
    fn issue(&self) -> CertificateDer<'static> {
        let bearer = Bearer::of(&request(&KeyPair::generate().unwrap())).unwrap();
        let life = CredentialLife { issued_at: LogTime(NOW), expires_at: LogTime(NOW + HOUR) };
        let authority = CredentialAuthority::of(&self.record, &self.key);
        der(&authority.sign(&bearer, (id(), "ci-bot"), life).unwrap())
    }

    fn read(&self, certificate: &[u8], now: u64) -> Result<Presented, CertificateError> {
        Presented::read(certificate, &self.record.credential_ca_cert_pem, now)
    }

    /// A certificate that the authority of credentials signed, made otherwise than it does.
    fn forged(&self, change: impl FnOnce(&mut CertificateParams)) -> CertificateDer<'static> {
        let key = KeyPair::from_pem(&self.credentials.key_pem).unwrap();
        let issuer = Issuer::from_ca_cert_pem(&self.credentials.certificate_pem, key).unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.serial_number = Some(SerialNumber::from([&[1][..], id().as_bytes()].concat()));
        change(&mut params);
        params.signed_by(&KeyPair::generate().unwrap(), &issuer).unwrap().der().clone()
    }
}

#[test]
fn a_certificate_says_which_credential_it_is_for_an_hour() {
    let cluster = cluster();
    let key = KeyPair::generate().unwrap();
    let bearer = Bearer::of(&request(&key)).unwrap();
    let life = CredentialLife { issued_at: LogTime(NOW), expires_at: LogTime(NOW + HOUR) };
    let authority = CredentialAuthority::of(&cluster.record, &cluster.key);
    let certificate = der(&authority.sign(&bearer, (id(), "ci-bot"), life).unwrap());
    for now in [NOW - 59_000, NOW, NOW + HOUR - 1000] {
        let presented = cluster.read(&certificate, now).unwrap();
        assert_eq!(presented, Presented { credential: id(), key_sha256: bearer.key_sha256() });
    }
    for now in [NOW - 61_000, NOW + HOUR + 1000, 0] {
        let refused = cluster.read(&certificate, now).unwrap_err();
        assert!(matches!(refused, CertificateError::Chain(_)), "{now}: {refused:?}");
    }
    let (_, read) = x509_parser::parse_x509_certificate(&certificate).unwrap();
    assert!(!read.is_ca() && read.subject_alternative_name().unwrap().is_none());
    assert_eq!(read.subject().to_string(), "CN=ci-bot", "what the request asks for is ignored");
}

#[test]
fn certificates_of_others_are_none() {
    let (ours, theirs) = (cluster(), cluster());
    let refused = |certificate: &[u8]| {
        assert!(matches!(ours.read(certificate, NOW), Err(CertificateError::Chain(_))));
    };
    // Another cluster of the same name, whose authority has the same name.
    refused(&theirs.issue());
    // A node's certificate, by the authority of the peers.
    let node = KeyPair::generate().unwrap();
    let peers = Authority::of(&ours.record, &ours.key);
    refused(&der(&peers.sign(&request(&node), NodeId(1)).unwrap()));
    // Signed by itself, and an authority of the right name that signs what it likes.
    let own = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["ci-bot".to_owned()]).unwrap();
    refused(params.self_signed(&own).unwrap().der());
    // The authorities themselves.
    refused(&der(&ours.record.credential_ca_cert_pem));
    refused(&der(&ours.record.ca_cert_pem));
    refused(b"");
    refused(b"\x30\x03\x02\x01\x01");
    let mut changed = ours.issue().to_vec();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    assert!(ours.read(&changed, NOW).is_err());
    let long = vec![0x30; 17 * 1024];
    assert!(matches!(ours.read(&long, NOW), Err(CertificateError::TooLong)));
}

#[test]
fn an_agents_certificate_is_no_peers_and_no_servers() {
    let cluster = cluster();
    let certificate = cluster.issue();
    let as_peer = Presented::read(&certificate, &cluster.record.ca_cert_pem, NOW);
    assert!(matches!(as_peer, Err(CertificateError::Chain(_))));
    let (_, read) = x509_parser::parse_x509_certificate(&certificate).unwrap();
    let usage = read.extended_key_usage().unwrap().unwrap().value;
    assert!(usage.client_auth && !usage.server_auth && !usage.any);
}

#[test]
fn what_the_authority_would_never_sign_is_refused_all_the_same() {
    let cluster = cluster();
    assert!(cluster.read(&cluster.forged(|_| {}), NOW).is_ok(), "the rest below is what differs");
    let refused: [(&str, CertificateDer<'_>); 5] = [
        (
            "for servers",
            cluster.forged(|params| {
                params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            }),
        ),
        (
            "an authority",
            cluster.forged(|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)),
        ),
        (
            "another serial number",
            cluster.forged(|params| params.serial_number = Some(SerialNumber::from(vec![2; 17]))),
        ),
        (
            "a short serial number",
            cluster.forged(|params| params.serial_number = Some(SerialNumber::from(vec![1; 9]))),
        ),
        (
            "something critical",
            cluster.forged(|params| {
                let mut unknown =
                    CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99_999, 1], vec![5, 0]);
                unknown.set_criticality(true);
                params.custom_extensions.push(unknown);
            }),
        ),
    ];
    for (what, certificate) in refused {
        assert!(cluster.read(&certificate, NOW).is_err(), "{what}");
    }
}

#[test]
fn a_request_that_is_not_signed_by_its_own_key_is_none() {
    let key = KeyPair::generate().unwrap();
    let good = request(&key);
    assert!(Bearer::of(&good).is_ok());
    assert!(Bearer::of("").is_err());
    let (_, pem) = x509_parser::pem::parse_x509_pem(good.as_bytes()).unwrap();
    let mut changed = pem.contents.clone();
    let last = changed.len() - 1;
    changed[last] ^= 1;
    let text = {
        use base64::{Engine, engine::general_purpose::STANDARD};
        STANDARD.encode(&changed)
    };
    let begin_end = |what: &str| format!("-----{what} CERTIFICATE REQUEST-----\n");
    let changed = format!("{}{text}\n{}", begin_end("BEGIN"), begin_end("END"));
    assert!(Bearer::of(&changed).is_err());
}
