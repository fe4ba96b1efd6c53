//! Break-glass over the API: who may, what is refused, and how it is seen afterwards.

use super::world::{ApiWorld, Heard, Waits, Who};
use axum::http::StatusCode;
use countersign_core::id::HoldId;
use serde_json::json;

/// A world whose writes ask for two of `ops`, whom nobody is of, and may be let through alone by one of `dba`.
async fn world() -> (ApiWorld, HoldId, Waits) {
    let world = ApiWorld::new().await;
    let policy = crate::gate::tests::world::POLICY;
    let behind_glass = r#"@hold("ops") @quorum("2") @break_glass("dba")"#;
    world.world.policy(&policy.replace("@hold(\"dba\")", behind_glass)).await;
    let (id, waits) = world.hold("DELETE FROM orders").await;
    (world, id, waits)
}

async fn decide(world: &ApiWorld, who: Who, id: HoldId, (comment, seconds): (&str, u64)) -> Heard {
    let path = format!("/v1/holds/{id}");
    let hold = world.get(Who::Dba, &path).await.body;
    let body = json!({
        "decision": "break_glass", "fingerprint": hold["fingerprint"], "comment": comment,
        "for_seconds": seconds,
    });
    world.post(who, &format!("{path}/decision"), &body).await
}

#[tokio::test]
async fn one_of_the_group_breaks_the_glass_and_it_is_listed_and_audited() {
    let (world, id, _waits) = world().await;
    let hold = world.get(Who::Dba, &format!("/v1/holds/{id}")).await.body;
    assert_eq!(hold["reviewers"]["break_glass"], "dba");
    let none = world.get(Who::Dba, "/v1/holds?decision=break_glass").await.body;
    assert_eq!(none["items"], json!([]));
    let made = decide(&world, Who::Dba, id, ("the site is down", 0)).await;
    assert_eq!((made.status, &made.body["state"]), (StatusCode::OK, &json!("approved")));
    assert_eq!(made.body["decisions"][0]["decision"], "break_glass");
    let listed = world.get(Who::Dba, "/v1/holds?decision=break_glass").await.body;
    assert_eq!(listed["items"][0]["id"], id.to_string());
    let approved = world.get(Who::Dba, "/v1/holds?decision=approve").await.body;
    assert_eq!(approved["items"], json!([]));
    let events = world.get(Who::Auditor, "/v1/audit/events?kind=glass_broken").await.body;
    assert_eq!(events["items"][0]["fields"]["comment"], "the site is down");
    assert_eq!(events["items"][0]["fields"]["reviewer.subject"], "Dba");
}

#[tokio::test]
async fn nobody_breaks_the_glass_without_the_group_a_reason_or_for_a_time() {
    let (world, id, _waits) = world().await;
    for (who, said, problem) in [
        (Who::Dba, ("", 0), "reason-required"),
        (Who::Dba, ("the site is down", 60), "invalid"),
        (Who::Reviewer, ("the site is down", 0), "not-in-group"),
        (Who::Admin, ("the site is down", 0), "not-in-group"),
    ] {
        let refused = decide(&world, who, id, said).await;
        assert_eq!(refused.problem(), problem, "{who:?} {said:?}: {refused:?}");
    }
    let hold = world.get(Who::Dba, &format!("/v1/holds/{id}")).await.body;
    assert_eq!((&hold["state"], &hold["decisions"]), (&json!("pending"), &json!([])));
}
