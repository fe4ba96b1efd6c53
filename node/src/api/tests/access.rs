//! Every route, tried by everybody.

use super::{
    super::{caller::Access, *},
    world::{ApiWorld, Who},
};
use axum::http::{Method, StatusCode};
use serde_json::json;

/// Who may, beside those that a route of its own kind of token lets in.
const fn allowed(access: Access) -> &'static [Who] {
    match access {
        Access::Open => &Who::ALL,
        // Pages are none of the API's routes: their tests are beside.
        Access::OwnToken | Access::TokenInBody | Access::Page | Access::Browser => &[],
        Access::Agent => &[Who::Agent],
        Access::Looking | Access::Identified => {
            &[Who::Stranger, Who::Dba, Who::Reviewer, Who::Auditor, Who::Admin]
        }
        Access::Audit => &[Who::Reviewer, Who::Auditor, Who::Admin],
        Access::Resources => &[Who::Auditor, Who::Admin],
        Access::Admin => &[Who::Admin],
    }
}

#[tokio::test]
async fn every_route_lets_in_whom_it_should_and_nobody_else() {
    let world = ApiWorld::new().await;
    for route in routes::table() {
        let path =
            route.path.replace("{id}", "x").replace("{kind}", "Target").replace("{name}", "x");
        for who in Who::ALL {
            let case = format!("{} {path} by {who:?}", route.method);
            if route.path == "/v1/holds/events" && allowed(route.access).contains(&who) {
                continue; // It would go on for ever; its own tests are beside.
            }
            let heard = if route.method == Method::GET {
                world.get(who, &path).await
            } else {
                let request = world.request(who, route.method.as_str(), &path);
                world.ask(request.body("{}".into()).unwrap()).await
            };
            let unidentified = matches!(who, Who::Nobody | Who::Agent);
            if allowed(route.access).contains(&who) {
                assert_ne!(heard.status, StatusCode::UNAUTHORIZED, "{case}: {heard:?}");
                assert_ne!(heard.status, StatusCode::FORBIDDEN, "{case}: {heard:?}");
            } else if route.access == Access::TokenInBody {
                assert_eq!(heard.status, StatusCode::BAD_REQUEST, "{case}: {heard:?}");
            } else if [Access::OwnToken, Access::Agent].contains(&route.access) {
                let turned_away = [StatusCode::UNAUTHORIZED, StatusCode::CONFLICT];
                assert!(turned_away.contains(&heard.status), "{case}: {heard:?}");
            } else if unidentified {
                assert_eq!(heard.status, StatusCode::UNAUTHORIZED, "{case}: {heard:?}");
            } else {
                assert_eq!(heard.status, StatusCode::FORBIDDEN, "{case}: {heard:?}");
            }
        }
    }
}

#[tokio::test]
async fn being_identified_is_not_enough_to_see_what_agents_say() {
    let world = ApiWorld::new().await;
    let (id, _waits) = world.hold("DELETE FROM orders").await;
    let path = format!("/v1/holds/{id}");
    for who in [Who::Dba, Who::Reviewer, Who::Auditor, Who::Admin] {
        let list = world.get(who, "/v1/holds?state=pending").await;
        assert_eq!(list.body["items"].as_array().unwrap().len(), 1, "{who:?}");
        assert_eq!(world.get(who, &path).await.status, StatusCode::OK, "{who:?}");
    }
    let list = world.get(Who::Stranger, "/v1/holds").await;
    assert_eq!(list.body["items"], json!([]));
    let one = world.get(Who::Stranger, &path).await;
    assert_eq!((one.status, one.problem()), (StatusCode::FORBIDDEN, "not-in-group"));
}

#[tokio::test]
async fn a_query_that_a_route_does_not_know_is_an_error() {
    let world = ApiWorld::new().await;
    for path in [
        "/v1/holds?stat=pending",
        "/v1/holds/x?full=1",
        "/v1/whoami?a",
        "/v1/sessions?state=any&node=1",
        "/v1/audit/events?agnt=x",
        "/v1/audit/head?x=",
        "/v1/resources?kind=Target",
        "/v1/cluster?verbose",
        "/v1/policy/schema?x=1",
        "/v1/holds?min%5Findex=3",
        "/v1/holds?min_index=x",
        "/v1/holds?min_index=1&min_index=2",
    ] {
        let heard = world.get(Who::Admin, path).await;
        assert_eq!(
            (heard.status, heard.problem()),
            (StatusCode::BAD_REQUEST, "bad-request"),
            "{path}"
        );
    }
    for path in
        ["/v1/holds?min_index=1&limit=3", "/v1/cluster?min_index=1", "/v1/whoami?min_index=1"]
    {
        assert_eq!(world.get(Who::Admin, path).await.status, StatusCode::OK, "{path}");
    }
    let heard = world.post(Who::Admin, "/v1/apply?dry_run=true", &json!({})).await;
    assert_eq!(heard.problem(), "bad-request", "an option that is not heard would not be obeyed");
}

#[tokio::test]
async fn who_writes_without_pause_is_slowed_down_and_nobody_else() {
    let world = ApiWorld::new().await;
    let undrain = async |who| world.post(who, "/v1/cluster/undrain", &json!({})).await;
    let mut heard = undrain(Who::Admin).await;
    for _ in 0..2000 {
        if heard.status == StatusCode::TOO_MANY_REQUESTS {
            break;
        }
        heard = undrain(Who::Admin).await;
    }
    assert_eq!(heard.problem(), "too-many-requests");
    assert!(heard.headers.contains_key(axum::http::header::RETRY_AFTER));
    let other = world.post(Who::Reviewer, "/v1/policy/check", &json!({"policies": []})).await;
    assert_eq!(other.status, StatusCode::OK);
}
