//! What a browser can be made to send for somebody who is signed in elsewhere. There are no cookies: who calls is said by an
//! `Authorization` header only, which no other site can have a browser send without asking first, and nothing answers that
//! question.

use super::world::{ApiWorld, Who};
use axum::{
    body::Body,
    http::{Method, StatusCode, header},
};
use serde_json::json;

#[tokio::test]
async fn bug_decision_by_cookie_from_another_site() {
    let world = ApiWorld::new().await;
    let (id, _waits) = world.hold("DELETE FROM orders").await;
    let path = format!("/v1/holds/{id}");
    let hold = world.get(Who::Dba, &path).await.body;
    let body = json!({ "decision": "approve", "fingerprint": hold["fingerprint"], "comment": "x" });
    let token = world.token(Who::Dba);
    for cookie in ["session", "token", "Authorization", "__Host-session"] {
        // A form can be sent as text; the content type does not save anybody.
        for kind in ["text/plain", "application/json", "application/x-www-form-urlencoded"] {
            let request = world
                .request(Who::Nobody, "POST", &format!("{path}/decision"))
                .header(header::COOKIE, format!("{cookie}={token}; other=Bearer {token}"))
                .header(header::ORIGIN, "https://evil.example")
                .header(header::CONTENT_TYPE, kind)
                .body(Body::from(body.to_string()));
            let heard = world.ask(request.unwrap()).await;
            assert_eq!(heard.status, StatusCode::UNAUTHORIZED, "{cookie} {kind}: {heard:?}");
            assert!(!heard.headers.contains_key(header::SET_COOKIE));
        }
    }
    // A browser that asks whether it may send the header is not told so.
    let asks = world
        .request(Who::Nobody, Method::OPTIONS.as_str(), &format!("{path}/decision"))
        .header(header::ORIGIN, "https://evil.example")
        .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST")
        .header(header::ACCESS_CONTROL_REQUEST_HEADERS, "authorization")
        .body(Body::empty());
    let told = world.ask(asks.unwrap()).await;
    for name in [
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
    ] {
        assert!(!told.headers.contains_key(&name), "{name}: {told:?}");
    }
    let hold = world.get(Who::Dba, &path).await.body;
    assert_eq!((&hold["state"], &hold["decisions"]), (&json!("pending"), &json!([])));
}

#[tokio::test]
async fn bug_decision_without_having_seen_the_whole() {
    let world = ApiWorld::new().await;
    let (id, _waits) = world.hold(&format!("DELETE FROM orders -- {}", "x".repeat(50_000))).await;
    let path = format!("/v1/holds/{id}/decision");
    let listed = world.get(Who::Dba, "/v1/holds").await.body["items"][0].clone();
    assert_eq!(listed["operation"]["excerpt"], true, "whoever reads a list is told that it is cut");
    for seen in [json!(null), json!(""), json!("abcd"), json!("0".repeat(64))] {
        let body = json!({ "decision": "approve", "fingerprint": seen, "comment": "x" });
        let refused = world.post(Who::Dba, &path, &body).await;
        assert!(refused.status.is_client_error(), "{seen}: {refused:?}");
    }
    let hold = world.get(Who::Dba, &format!("/v1/holds/{id}")).await.body;
    assert_eq!(hold["state"], "pending");
}
