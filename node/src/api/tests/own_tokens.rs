//! Tokens that are no person's: of the bootstrap administrator, and of joining nodes.

use super::world::{ApiWorld, Heard, Who};
use crate::{cluster::BOOTSTRAP_PREFIX, gate::tests::world::BOOTSTRAP};
use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};
use countersign_core::record::EventKind;

async fn with(world: &ApiWorld, method: &str, path: &str, token: &str) -> Heard {
    let request = Request::builder().method(method).uri(path);
    let request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    world.ask(request.body(Body::empty()).unwrap()).await
}

async fn refusals(world: &ApiWorld, count: usize) -> Vec<String> {
    loop {
        let events = world.world.events(EventKind::AccessRefused);
        if events.len() >= count {
            return events.iter().map(|event| event.fields["reason"].clone()).collect();
        }
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn the_bootstrap_token_ends_when_there_are_administrators() {
    let world = ApiWorld::founded().await;
    assert_eq!(with(&world, "GET", "/v1/whoami", BOOTSTRAP).await.status, StatusCode::OK);
    world.bind("auditor").await;
    assert_eq!(with(&world, "GET", "/v1/whoami", BOOTSTRAP).await.status, StatusCode::OK);
    world.bind("admin").await;
    let heard = with(&world, "GET", "/v1/whoami", BOOTSTRAP).await;
    assert_eq!(heard.status, StatusCode::UNAUTHORIZED);
    assert!(heard.body["detail"].as_str().unwrap().contains("administrators"), "{heard:?}");
}

#[tokio::test]
async fn the_bootstrap_token_ends_in_time_though_nothing_happens_in_the_log() {
    let world = ApiWorld::founded().await;
    let world = world.later(60 * 60 * 1000);
    let heard = with(&world, "GET", "/v1/whoami", BOOTSTRAP).await;
    assert_eq!(heard.status, StatusCode::UNAUTHORIZED, "{heard:?}");
}

#[tokio::test]
async fn wrong_tokens_of_every_kind_are_recorded() {
    let world = ApiWorld::new().await;
    let before = world.world.store.status().applied;
    let guess = format!("{BOOTSTRAP_PREFIX}guess");
    assert_eq!(with(&world, "GET", "/v1/holds", &guess).await.status, StatusCode::UNAUTHORIZED);
    let join = format!("cs-join.aa.bb.{}", "0".repeat(64));
    for token in ["x", &join] {
        let heard = with(&world, "POST", "/v1/cluster/join", token).await;
        assert_eq!(heard.status, StatusCode::UNAUTHORIZED, "{heard:?}");
    }
    assert_eq!(world.get(Who::Agent, "/v1/holds").await.status, StatusCode::UNAUTHORIZED);
    let mut reasons = refusals(&world, 4).await;
    reasons.sort();
    let expected = [
        "it is meant for the other plane",
        "the bearer is no join token",
        "the bootstrap token is wrong",
        "the join token is unknown",
    ];
    assert_eq!(reasons, expected);
    assert_eq!(world.world.store.status().applied.0, before.0 + 4, "nothing else was proposed");
}
