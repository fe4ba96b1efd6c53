//! Grants over the API: who gives, sees and revokes them.

use super::world::{ApiWorld, Heard, Waits, Who};
use axum::{body::Body, http::StatusCode};
use countersign_core::id::HoldId;
use serde_json::{Value, json};

/// A world whose writes may be granted for at most an hour, and a hold in it.
async fn world() -> (ApiWorld, HoldId, Waits) {
    let world = ApiWorld::new().await;
    let policy = crate::gate::tests::world::POLICY;
    world
        .world
        .policy(&policy.replace("@hold(\"dba\")", "@hold(\"dba\") @grantable(\"1h\")"))
        .await;
    let (id, waits) = world.hold("DELETE FROM orders WHERE id = 7").await;
    (world, id, waits)
}

async fn decide(world: &ApiWorld, id: HoldId, decision: &str, seconds: u64) -> Heard {
    let path = format!("/v1/holds/{id}");
    let hold = world.get(Who::Dba, &path).await.body;
    let body = json!({
        "decision": decision, "fingerprint": hold["fingerprint"], "comment": "ok", "for_seconds": seconds,
    });
    world.post(Who::Dba, &format!("{path}/decision"), &body).await
}

async fn delete(world: &ApiWorld, who: Who, path: &str) -> Heard {
    world.ask(world.request(who, "DELETE", path).body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn an_approval_for_a_time_makes_a_grant_that_is_listed_and_revoked() {
    let (world, id, _waits) = world().await;
    let hold = world.get(Who::Dba, &format!("/v1/holds/{id}")).await.body;
    assert_eq!(hold["grantable_seconds"], 3600);
    assert_eq!(hold["operation"]["shape"], "DELETE FROM orders WHERE id = $1");
    let decided = decide(&world, id, "approve", 1800).await;
    assert_eq!(decided.status, StatusCode::OK, "{decided:?}");
    let grant = decided.body["grant"].as_str().unwrap().to_owned();
    assert_eq!(decided.body["decisions"][0]["for_seconds"], 1800);

    let path = format!("/v1/grants/{grant}");
    for who in [Who::Dba, Who::Reviewer, Who::Auditor, Who::Admin] {
        assert_eq!(world.get(who, "/v1/grants").await.body["items"][0]["id"], grant.as_str());
        assert_eq!(world.get(who, &path).await.body["state"], "in-force");
    }
    assert_eq!(world.get(Who::Stranger, "/v1/grants").await.body["items"], json!([]));
    assert_eq!(world.get(Who::Stranger, &path).await.status, StatusCode::NOT_FOUND);
    for who in [Who::Stranger, Who::Reviewer, Who::Auditor] {
        let refused = delete(&world, who, &path).await;
        assert!(refused.status.is_client_error(), "{who:?}: {refused:?}");
    }
    assert_eq!(world.get(Who::Dba, &path).await.body["state"], "in-force");
    for _again in 0..2 {
        let revoked = delete(&world, Who::Dba, &path).await;
        assert_eq!((revoked.status, &revoked.body["state"]), (StatusCode::OK, &json!("revoked")));
    }
    assert_eq!(world.get(Who::Dba, "/v1/grants").await.body["items"], json!([]));
    let all = world.get(Who::Dba, "/v1/grants?state=any").await.body;
    assert_eq!(all["items"][0]["state"], "revoked");
    let wrong = world.get(Who::Dba, "/v1/grants?state=some").await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn no_longer_than_policy_lets_and_no_rejection_for_a_time() {
    let (world, id, _waits) = world().await;
    for (decision, seconds) in
        [("approve", 3601), ("approve", u64::MAX), ("reject", 60), ("approve", u64::MAX / 1000)]
    {
        let refused = decide(&world, id, decision, seconds).await;
        assert!(refused.status.is_client_error(), "{decision} {seconds}: {refused:?}");
    }
    let hold = world.get(Who::Dba, &format!("/v1/holds/{id}")).await.body;
    assert_eq!((&hold["state"], &hold["decisions"]), (&json!("pending"), &json!([])));
    assert_eq!(hold.get("grant"), None::<&Value>);
}
