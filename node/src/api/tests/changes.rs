//! Requests that change something: under which conditions, how often, and what is recorded of them.

use super::world::{ApiWorld, Heard, Who};
use axum::{body::Body, http::StatusCode};
use countersign_core::record::EventKind;
use serde_json::{Value, json};

const BINDING: &str = "/v1/resources/Binding/ops";

fn binding(role: &str) -> Value {
    json!({"spec": {"provider": "dev-reviewers", "group": "ops", "role": role}})
}

async fn put(world: &ApiWorld, role: &str, header: (&str, &str)) -> Heard {
    let request = world.request(Who::Admin, "PUT", BINDING).header(header.0, header.1);
    world.ask(request.body(Body::from(binding(role).to_string())).unwrap()).await
}

/// The same, with the provider that bindings need.
async fn with_provider() -> ApiWorld {
    let world = ApiWorld::new().await;
    let oidc = json!({"issuer": "https://id.example.com", "audiences": ["cs"], "for": "reviewers"});
    let provider =
        json!({"kind": "IdentityProvider", "name": "dev-reviewers", "spec": {"oidc": oidc}});
    let applied = world.post(Who::Admin, "/v1/apply", &json!({"documents": [provider]})).await;
    assert_eq!(applied.status, StatusCode::OK, "{applied:?}");
    world
}

#[tokio::test]
async fn a_resource_is_changed_only_as_it_was_read() {
    let world = with_provider().await;
    let created = put(&world, "auditor", ("if-none-match", "*")).await;
    assert_eq!(created.status, StatusCode::OK, "{created:?}");
    let tag = created.headers["etag"].to_str().unwrap().to_owned();
    let again = put(&world, "auditor", ("if-none-match", "*")).await;
    assert_eq!((again.status.as_u16(), again.problem()), (412, "revision-conflict"));
    let changed = put(&world, "reviewer", ("if-match", &tag)).await;
    assert_eq!(changed.status, StatusCode::OK, "{changed:?}");
    assert_ne!(changed.headers["etag"].to_str().unwrap(), tag);
    let late = put(&world, "admin", ("if-match", &tag)).await;
    assert_eq!((late.status.as_u16(), late.problem()), (412, "revision-conflict"));
    let request = world.request(Who::Admin, "DELETE", BINDING).header("if-match", &tag);
    assert_eq!(world.ask(request.body(Body::empty()).unwrap()).await.status.as_u16(), 412);
    assert_eq!(put(&world, "admin", ("if-match", "17")).await.status, StatusCode::BAD_REQUEST);
    let now = world.get(Who::Admin, BINDING).await;
    assert_eq!(now.body["spec"]["role"], "reviewer");
}

async fn keyed(world: &ApiWorld, key: &str, role: &str) -> Heard {
    let mut document = binding(role);
    document["kind"] = json!("Binding");
    document["name"] = json!("ops");
    let request = world.request(Who::Admin, "POST", "/v1/apply").header("idempotency-key", key);
    let body = json!({"documents": [document]}).to_string();
    world.ask(request.body(Body::from(body)).unwrap()).await
}

#[tokio::test]
async fn a_request_with_its_key_is_answered_once_and_for_all() {
    let world = with_provider().await;
    let first = keyed(&world, "k1", "auditor").await;
    assert_eq!(first.status, StatusCode::OK, "{first:?}");
    assert_eq!(first.body["results"][0]["action"], "created");
    let changes = world.world.events(EventKind::ResourceChanged).len();
    assert_eq!(keyed(&world, "k1", "auditor").await.body, first.body);
    // However the resources have changed meanwhile.
    assert_eq!(keyed(&world, "k2", "reviewer").await.body["results"][0]["action"], "changed");
    assert_eq!(keyed(&world, "k1", "auditor").await.body, first.body);
    assert_eq!(world.world.events(EventKind::ResourceChanged).len(), changes + 1);
    let other = keyed(&world, "k1", "admin").await;
    assert_eq!((other.status.as_u16(), other.problem()), (422, "idempotency-mismatch"));
    assert_eq!(world.get(Who::Admin, BINDING).await.body["spec"]["role"], "reviewer");
}

#[tokio::test]
async fn what_administrators_do_to_a_node_is_recorded() {
    let world = ApiWorld::new().await;
    for act in ["drain", "undrain"] {
        let done = world.post(Who::Admin, &format!("/v1/cluster/{act}"), &json!({})).await;
        assert_eq!(done.status, StatusCode::OK, "{done:?}");
        let events = world.world.events(EventKind::ClusterChanged);
        let last = events.last().unwrap();
        assert_eq!(last.fields["reason"], act);
        assert!(last.fields.values().any(|fact| fact == "Admin"), "{last:?}");
    }
}

#[tokio::test]
async fn why_a_hold_was_withdrawn_is_recorded() {
    let world = ApiWorld::new().await;
    let (id, _waits) = world.hold("DELETE FROM orders").await;
    let body = json!({"comment": "the maintenance is over"});
    let done = world.post(Who::Admin, &format!("/v1/holds/{id}/withdraw"), &body).await;
    assert_eq!(done.body["state"], "withdrawn", "{done:?}");
    let event = world.world.event(EventKind::Withdrawn).await;
    assert_eq!(event.fields["comment"], "the maintenance is over");
}
