//! Requests that are answered at once: what goes to the target, what comes back, and what is refused.

use super::{
    gate::TOKEN,
    server::SECRET,
    world::{GATEWAY_TOKEN, World},
};
use countersign_core::record::Outcome;
use hyper::StatusCode;

const PODS: &str = "/k8s/prod/api/v1/namespaces/dev/pods";

#[tokio::test]
async fn an_allowed_request_goes_up_with_the_gateways_credential_and_comes_back() {
    let world = World::new().await;
    let mut client = world.client().await;
    let came = client.ask("GET", &format!("{PODS}/web?pretty=true"), &[("x-other", "1")], "").await;
    assert_eq!((came.status, came.json()["kind"].as_str()), (StatusCode::OK, Some("Pod")));
    let seen = world.server.request(0).await;
    assert_eq!(seen.method, "GET");
    assert_eq!(seen.target, "/api/v1/namespaces/dev/pods/web?pretty=true");
    let authorization = seen.headers["authorization"].to_str().unwrap();
    assert_eq!(authorization, format!("Bearer {GATEWAY_TOKEN}"));
    let names: Vec<_> = seen.headers.keys().map(hyper::header::HeaderName::as_str).collect();
    assert!(
        names.iter().all(|name| ["authorization", "accept", "host"].contains(name)),
        "{names:?}"
    );
    let settled = world.gate.settlement(0).await;
    assert_eq!((settled.outcome, settled.word.as_str()), (Outcome::Completed, "200"));
    assert_eq!(settled.bytes, came.body.len() as u64);
}

#[tokio::test]
async fn every_pair_of_versions_speaks() {
    for world in [World::new().await, World::before_an_old_server().await] {
        for mut client in [world.client().await, world.client_1().await] {
            for _ in 0..3 {
                let came = client.get(&format!("{PODS}/web")).await;
                assert_eq!(came.status, StatusCode::OK, "{came:?}");
            }
        }
        // Each session has a connection to the target of its own, and keeps it.
        assert_eq!(*world.server.connections.borrow(), 2);
    }
}

#[tokio::test]
async fn a_session_is_opened_for_each_token_and_target_of_a_connection_and_closed_with_it() {
    let world = World::new().await;
    let mut client = world.client().await;
    for _ in 0..3 {
        client.get(&format!("{PODS}/web")).await;
    }
    assert_eq!(world.gate.proofs.load(std::sync::atomic::Ordering::SeqCst), 1);
    drop(client);
    world.gate.closed.subscribe().wait_for(|closed| closed.len() == 1).await.unwrap();
}

#[tokio::test]
async fn nobody_is_told_of_a_target_who_is_not_identified() {
    let world = World::new().await;
    let mut client = world.client().await;
    for token in ["", "a-bad-token"] {
        token.clone_into(&mut client.token);
        for path in [format!("{PODS}/web"), "/k8s/other/api".to_owned(), "/k8s/X/api".to_owned()] {
            let came = client.get(&path).await;
            assert_eq!(came.status, StatusCode::UNAUTHORIZED, "{token} {path}: {came:?}");
            assert_eq!(came.json()["reason"], "Unauthorized");
        }
    }
    TOKEN.clone_into(&mut client.token);
    for path in ["/k8s/other/api", "/k8s/X/api"] {
        let came = client.get(path).await;
        assert_eq!(came.status, StatusCode::FORBIDDEN, "{path}: {came:?}");
    }
    assert_eq!(world.server.count(), 0);
}

#[tokio::test]
async fn what_policy_denies_is_a_status_with_the_rule() {
    let world = World::new().await;
    let came = world.ask("GET", "/k8s/prod/api/v1/namespaces/kube-system/pods").await;
    let status = came.json();
    assert_eq!((came.status, status["kind"].as_str()), (StatusCode::FORBIDDEN, Some("Status")));
    assert_eq!(status["details"]["causes"][0]["message"], "no-system", "{status}");
    assert_eq!(world.server.count(), 0);
}

#[tokio::test]
async fn without_a_lease_or_a_record_nothing_goes_up_or_comes_back() {
    use std::sync::atomic::Ordering::SeqCst;
    let world = World::new().await;
    world.gate.lease.store(false, SeqCst);
    let came = world.ask("GET", &format!("{PODS}/web")).await;
    assert_eq!(came.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!((world.server.count(), came.header("retry-after")), (0, Some("1")));
    world.gate.lease.store(true, SeqCst);
    world.gate.releases.store(false, SeqCst);
    let came = world.ask("GET", &format!("{PODS}/web")).await;
    assert_eq!(came.status, StatusCode::SERVICE_UNAVAILABLE, "{came:?}");
    assert!(came.message().contains("withheld"), "{came:?}");
}

#[tokio::test]
async fn secrets_are_masked_however_they_are_asked_for() {
    let world = World::new().await;
    let mut client = world.client().await;
    let path = "/k8s/prod/api/v1/namespaces/dev/secrets/db";
    for accept in [
        "application/json",
        "application/yaml",
        "application/json;as=Table;v=v1;g=meta.k8s.io",
        "*/*",
    ] {
        let came = client.ask("GET", path, &[("accept", accept)], "").await;
        assert_eq!(came.status, StatusCode::OK, "{accept}: {came:?}");
        assert!(!came.body.contains(SECRET) && came.body.contains("password"), "{came:?}");
        let kind = if accept.contains("yaml") { "application/yaml" } else { "application/json" };
        assert_eq!(came.header("content-type"), Some(kind));
    }
    let protobuf = [("accept", "application/vnd.kubernetes.protobuf")];
    let came = client.ask("GET", path, &protobuf, "").await;
    assert_eq!(came.status, StatusCode::NOT_ACCEPTABLE);
    assert_eq!(world.gate.settlement(0).await.masked.iter().count(), 1);
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_is_not_written() {
    let world = World::new().await;
    let mut client = world.client().await;
    for name in ["html", "protobuf", "gzip", "redirect"] {
        let came = client.get(&format!("{PODS}/{name}")).await;
        assert!(!came.status.is_success(), "{name}: {came:?}");
        assert_eq!(came.json()["kind"], "Status", "{name}");
        assert_eq!(came.header("location"), None);
    }
    assert_eq!(world.server.count(), 4);
}

#[tokio::test]
async fn the_targets_warnings_and_its_wish_to_be_left_alone_are_passed_on() {
    let world = World::new().await;
    let mut client = world.client().await;
    let came = client.get(&format!("{PODS}/warned")).await;
    assert_eq!(came.header("warning"), Some("299 - \"old\""));
    let came = client.get(&format!("{PODS}/busy")).await;
    assert_eq!((came.status.as_u16(), came.header("retry-after")), (429, Some("7")));
    // One that has failed may have done anything.
    let came = client.get(&format!("{PODS}/broken")).await;
    assert_eq!((came.status.as_u16(), came.header("retry-after")), (500, None));
}

#[tokio::test]
async fn a_target_that_hangs_up_is_not_asked_again() {
    let world = World::before_an_old_server().await;
    let mut client = world.client().await;
    let came = client.get(&format!("{PODS}/cut")).await;
    assert_eq!(came.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(world.server.count(), 1);
    assert_eq!(world.gate.settlement(0).await.outcome, Outcome::OutcomeUnknown);
}

#[tokio::test]
async fn a_target_that_cannot_be_reached_uses_nothing_up() {
    let world = World::new().await;
    let (port, certificate) = (1, world.server.certificate.clone());
    let gone = super::server::Server {
        port,
        certificate,
        seen: tokio::sync::watch::Sender::new(Vec::new()),
        events: tokio::sync::broadcast::channel(1).0,
        connections: tokio::sync::watch::Sender::new(0),
    };
    let world = World::before(std::sync::Arc::new(gone), None).await;
    let came = world.ask("GET", &format!("{PODS}/web")).await;
    assert_eq!((came.status.as_u16(), came.header("retry-after")), (503, Some("1")));
    assert!(world.gate.admitted.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_target_with_another_certificate_is_not_spoken_to() {
    let (one, other) = (World::new().await, World::new().await);
    let liar = super::server::Server {
        port: one.server.port,
        certificate: other.server.certificate.clone(),
        seen: tokio::sync::watch::Sender::new(Vec::new()),
        events: tokio::sync::broadcast::channel(1).0,
        connections: tokio::sync::watch::Sender::new(0),
    };
    let world = World::before(std::sync::Arc::new(liar), None).await;
    let came = world.ask("GET", &format!("{PODS}/web")).await;
    assert_eq!(came.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(one.server.count(), 0);
}

#[tokio::test]
async fn the_target_is_told_who_the_agent_is_where_it_is_to_be() {
    let world = World::impersonating("cs:").await;
    let mut client = world.client().await;
    client.get(&format!("{PODS}/web")).await;
    let seen = world.server.request(0).await;
    assert_eq!(seen.headers["impersonate-user"], "cs:https://issuer.test#ci-bot");
    assert_eq!(seen.headers["impersonate-group"], "cs:ci");
}

#[tokio::test]
async fn a_body_goes_up_byte_for_byte_and_has_its_limit() {
    let world = World::new().await;
    let mut client = world.client().await;
    let lease = "/k8s/prod/apis/coordination.k8s.io/v1/namespaces/dev/leases/me";
    let body = "{\"kind\": \"Lease\",  \"metadata\": {\"name\": \"me\"}}";
    let came = client.ask("PUT", lease, &[], body).await;
    assert_eq!(came.status, StatusCode::OK, "{came:?}");
    let seen = world.server.request(0).await;
    assert_eq!(seen.body, body.as_bytes());
    assert_eq!(seen.headers["content-type"], "application/json");
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(crate::body::MAX_BODY_BYTES));
    let came = client.ask("PUT", lease, &[], &long).await;
    assert_eq!(came.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(world.server.count(), 1);
}

#[tokio::test]
async fn a_long_document_comes_whole() {
    let world = World::new().await;
    for mut client in [world.client().await, world.client_1().await] {
        let came = client.get(&format!("{PODS}/long")).await;
        assert_eq!(came.json()["spec"]["filler"].as_str().unwrap().len(), 2 * 1024 * 1024);
    }
}
