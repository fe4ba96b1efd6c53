//! SSH: certificates for agents, and the cluster's own keys.

use super::world::{ApiWorld, Heard, Who};
use axum::http::StatusCode;
use countersign_api::token::{GRANT_TYPE, SSH_CERTIFICATE};
use countersign_core::{
    gate::{Gate, Identified, Proof, Source},
    record::EventKind,
    refusal::Refusal,
};
use serde_json::{Value, json};
use ssh_key::{Certificate, PrivateKey, private::Ed25519Keypair};

const PATH: &str = "/v1/credentials/ssh";
const KEYS: &str = "/v1/ssh/keys";
const USER: &str = "deploy@web";

fn public() -> String {
    let key = PrivateKey::from(Ed25519Keypair::from_seed(&[7; 32]));
    key.public_key().to_openssh().unwrap()
}

fn certificate(line: &Value) -> Vec<u8> {
    Certificate::from_openssh(line.as_str().unwrap()).unwrap().to_bytes().unwrap()
}

impl ApiWorld {
    async fn ssh(&self, more: Value) -> Heard {
        let mut request = json!({"public_key": public()});
        for (name, value) in more.as_object().unwrap() {
            request[name] = value.clone();
        }
        self.post(Who::Agent, PATH, &request).await
    }

    async fn shown(&self, certificate: &[u8], user: &str) -> Result<Identified, Refusal> {
        let (certificate, user) = (certificate.to_vec(), user.to_owned());
        let source = Source { address: "192.0.2.1:40000".parse().unwrap() };
        self.world.gate.identify(Proof::SshCertificate { certificate, user }, source).await
    }
}

#[tokio::test]
async fn an_agent_comes_by_its_ssh_certificate_until_it_is_revoked() {
    let world = ApiWorld::new().await;
    let issued = world.ssh(json!({"principals": ["*@web"]})).await;
    assert_eq!(issued.status, StatusCode::OK, "{issued:?}");
    let shown = certificate(&issued.body["certificate"]);
    let who = world.shown(&shown, USER).await.unwrap();
    assert_eq!(who.agent.identity.subject, "Agent");
    let id = who.credential.unwrap().to_string();
    assert_eq!(issued.body["id"], id);
    let event = world.world.event(EventKind::CredentialIssued).await;
    assert_eq!(event.fields["credential.form"], "ssh_certificate");
    // Another login.
    assert_eq!(world.shown(&shown, "deploy@db").await, Err(Refusal::NotIdentified));
    let revoked = json!({"credential": {"id": id}});
    assert_eq!(world.post(Who::Admin, "/v1/revocations", &revoked).await.status, StatusCode::OK);
    assert_eq!(world.shown(&shown, USER).await, Err(Refusal::NotIdentified));
}

#[tokio::test]
async fn an_ssh_certificate_comes_out_of_the_exchange_too_and_keeps_to_its_networks() {
    let world = ApiWorld::new().await;
    let mut request = json!({
        "grant_type": GRANT_TYPE,
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "subject_token": world.token(Who::Agent),
        "requested_token_type": SSH_CERTIFICATE,
        "public_key": public(),
        "principals": "deploy@web *@db",
        "source_address": "192.0.2.0/24",
    });
    let issued = world.post(Who::Nobody, "/v1/token", &request).await;
    assert_eq!(issued.status, StatusCode::OK, "{issued:?}");
    assert_eq!(issued.body["issued_token_type"], SSH_CERTIFICATE);
    let shown = certificate(&issued.body["access_token"]);
    world.shown(&shown, USER).await.unwrap();
    world.shown(&shown, "root@db").await.unwrap();
    request["source_address"] = json!("198.51.100.0/24");
    let issued = world.post(Who::Nobody, "/v1/token", &request).await;
    let elsewhere = certificate(&issued.body["access_token"]);
    assert_eq!(world.shown(&elsewhere, USER).await, Err(Refusal::NotIdentified));
    for (name, value) in [("csr", json!("x")), ("public_key", Value::Null)] {
        let mut wrong = request.clone();
        wrong[name] = value;
        let refused = world.post(Who::Nobody, "/v1/token", &wrong).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{name}: {refused:?}");
    }
}

#[tokio::test]
async fn a_key_or_a_limit_that_is_none_gets_no_certificate() {
    let world = ApiWorld::new().await;
    let short = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQC7 short";
    for wrong in [
        json!({"public_key": ""}),
        json!({"public_key": short}),
        json!({"public_key": "not a key"}),
        json!({"principals": ["root"]}),
        json!({"principals": ["root,deploy@web"]}),
        json!({"principals": [""]}),
        json!({"source_address": "everywhere"}),
    ] {
        let refused = world.ssh(wrong.clone()).await;
        assert_eq!(refused.status.as_u16(), 422, "{wrong}: {refused:?}");
    }
    // What is certified already is no key: a certificate would outlive itself.
    let issued = world.ssh(json!({})).await;
    let again = world.ssh(json!({"public_key": issued.body["certificate"]})).await;
    assert_eq!(again.status.as_u16(), 422, "{again:?}");
    assert_eq!(world.world.events(EventKind::CredentialIssued).len(), 1);
}

#[tokio::test]
async fn an_agents_certificate_outlives_the_key_that_signed_it_by_two_rotations() {
    let world = ApiWorld::new().await;
    let issued = world.ssh(json!({})).await;
    let shown = certificate(&issued.body["certificate"]);
    world.shown(&shown, USER).await.unwrap();
    let rotate = json!({"role": "agent_authority", "overlap_seconds": 0});
    for (rotations, counts) in [(1, true), (2, true), (3, false)] {
        let rotated = world.post(Who::Admin, KEYS, &rotate).await;
        assert_eq!(rotated.status, StatusCode::OK, "{rotated:?}");
        assert_eq!(world.shown(&shown, USER).await.is_ok(), counts, "{rotations}");
    }
}

#[tokio::test]
async fn everybody_sees_the_public_keys_and_administrators_rotate_them() {
    let world = ApiWorld::new().await;
    let shown = world.get(Who::Nobody, KEYS).await;
    let keys = shown.body["keys"].as_array().unwrap();
    let roles: Vec<&str> = keys.iter().map(|key| key["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["host", "host_authority", "agent_authority", "session_authority"]);
    let rotate = json!({"role": "host", "overlap_seconds": 3600});
    for who in [Who::Nobody, Who::Agent] {
        assert_eq!(world.post(who, KEYS, &rotate).await.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(world.post(Who::Auditor, KEYS, &rotate).await.status, StatusCode::FORBIDDEN);
    let rotated = world.post(Who::Admin, KEYS, &rotate).await;
    let hosts: Vec<u64> = rotated.body["keys"].as_array().unwrap()[..2]
        .iter()
        .map(|key| key["number"].as_u64().unwrap())
        .collect();
    assert_eq!(hosts, [1, 2]);
    let again = world.post(Who::Admin, KEYS, &rotate).await;
    assert_eq!((again.status, again.problem()), (StatusCode::CONFLICT, "conflict"), "{again:?}");
    let long = json!({"role": "host", "overlap_seconds": 1_000_000_000});
    assert_eq!(world.post(Who::Admin, KEYS, &long).await.status.as_u16(), 422);
}
