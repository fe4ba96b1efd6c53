//! A token in, a certificate out.

use super::world::{ApiWorld, Who};
use axum::http::StatusCode;
use countersign_core::{id::CredentialId, record::EventKind};
use rcgen::{CertificateParams, KeyPair};
use serde_json::json;
use x509_parser::pem::parse_x509_pem;

const PATH: &str = "/v1/credentials/postgres";

fn csr() -> String {
    let key = KeyPair::generate().unwrap();
    CertificateParams::default().serialize_request(&key).unwrap().pem().unwrap()
}

#[tokio::test]
async fn an_agent_gets_a_certificate_for_its_token_and_the_audit_has_it() {
    let world = ApiWorld::new().await;
    let issued = world.post(Who::Agent, PATH, &json!({"csr": csr()})).await;
    assert_eq!(issued.status, StatusCode::OK, "{issued:?}");
    let id: CredentialId = issued.body["id"].as_str().unwrap().parse().unwrap();
    let pem = issued.body["certificate"].as_str().unwrap();
    let (_, pem) = parse_x509_pem(pem.as_bytes()).unwrap();
    let certificate = pem.parse_x509().unwrap();
    assert_eq!(certificate.raw_serial()[1..], id.as_bytes()[..]);
    // The token lives for five minutes, and so does what was given for it.
    let ends = certificate.validity().not_after.timestamp();
    let now = i64::try_from(crate::gate::tests::world::NOW_MS / 1000).unwrap();
    assert_eq!(ends, now + 300);
    let event = world.world.event(EventKind::CredentialIssued).await;
    assert_eq!(event.fields["credential.id"], id.to_string());
    assert_eq!(event.fields["source.address"], "127.0.0.1:1");
    let revoked = json!({"credential": {"id": id.to_string()}});
    let revoked = world.post(Who::Admin, "/v1/revocations", &revoked).await;
    assert_eq!(revoked.status, StatusCode::OK, "{revoked:?}");
    let record = world.world.view().credential(id).unwrap().unwrap();
    assert_eq!(record.state, countersign_raft_store::records::CredentialState::Revoked);
}

#[tokio::test]
async fn nobody_but_an_agent_with_a_key_gets_one() {
    let world = ApiWorld::new().await;
    for who in [Who::Nobody, Who::Stranger, Who::Admin] {
        let refused = world.post(who, PATH, &json!({"csr": csr()})).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{who:?}");
    }
    let good = csr();
    for bad in ["", "-----BEGIN CERTIFICATE REQUEST-----\n", &good.replacen('M', "N", 1)] {
        let refused = world.post(Who::Agent, PATH, &json!({"csr": bad})).await;
        assert_eq!((refused.status.as_u16(), refused.problem()), (422, "invalid"), "{bad}");
    }
    assert!(world.world.events(EventKind::CredentialIssued).is_empty());
    let unknown = json!({"credential": {"id": CredentialId::from_bytes([1; 16]).to_string()}});
    let unknown = world.post(Who::Admin, "/v1/revocations", &unknown).await;
    assert_eq!(unknown.problem(), "not-found");
}
