//! What was judged by the gate is judged again as the gate would judge it.

use super::world::{ApiWorld, Who};
use crate::gate::tests::world::{operation, released};
use axum::http::StatusCode;
use countersign_core::{
    gate::{Gate, Judged},
    operation::Action,
    record::EventKind,
    refusal::Refusal,
    session::Session,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const ASKED: [Action; 5] = [
    Action::PostgresRead,
    Action::PostgresWrite,
    Action::PostgresDdl,
    Action::PostgresAdmin,
    Action::PostgresRead,
];

/// Holds reads and allows writes; what was denied stays denied.
const NEW: &str = r#"
@id("look") @hold("dba") @quorum("2") permit(principal in Group::"ci", action == Action::"postgres:read", resource in Target::"orders");
@id("write") permit(principal in Group::"ci", action in [Action::"postgres:write", Action::"postgres:ddl"], resource in Target::"orders");
"#;

/// Sends everything through the gate; what became of each.
async fn through_the_gate(world: &ApiWorld, session: &Session) -> Vec<&'static str> {
    let mut verdicts = Vec::new();
    // Each time others.
    let head = world.world.view().chain_head().unwrap().sequence;
    for (n, action) in ASKED.into_iter().enumerate() {
        let operation = operation(session, action, &format!("statement {n} behind {head}"));
        verdicts.push(match world.world.judge(session, &operation).await {
            Ok(Judged::Cleared(cleared)) => {
                let admitted = world.world.gate.admit(session, &operation, cleared).await.unwrap();
                drop(released(admitted.reply).await.unwrap());
                "allow"
            }
            Ok(Judged::Held(held)) => {
                drop(held);
                "hold"
            }
            Err(Refusal::Denied { .. }) => "deny",
            Err(other) => panic!("{other:?}"),
        });
    }
    verdicts
}

async fn simulate(world: &ApiWorld, request: &Value) -> Value {
    let heard = world.post(Who::Auditor, "/v1/policy/simulate", request).await;
    assert_eq!(heard.status, StatusCode::OK, "{heard:?}");
    heard.body
}

fn counted(pairs: impl IntoIterator<Item = (String, String)>) -> BTreeMap<(String, String), u64> {
    let mut counts = BTreeMap::new();
    for pair in pairs {
        *counts.entry(pair).or_default() += 1;
    }
    counts
}

/// Every page of a simulation: how many were judged, and how many would be judged otherwise.
async fn simulated_in_all(world: &ApiWorld, request: &Value) -> (u64, u64) {
    let (mut request, mut judged, mut changed) = (request.clone(), 0, 0);
    loop {
        let page = simulate(world, &request).await;
        judged += page["judged"].as_u64().unwrap();
        changed += page["changed"].as_u64().unwrap();
        if page["next"].is_null() {
            return (judged, changed);
        }
        request["after"] = page["next"].clone();
        request["until"] = page["last"].clone();
    }
}

#[tokio::test]
async fn what_has_left_the_state_is_judged_again_as_if_it_were_there() {
    let world = ApiWorld::new().await;
    let session = world.world.open().await.session;
    through_the_gate(&world, &session).await;
    world.world.log.advance(1000);
    let since = json!("2027-01-15T08:00:01Z");
    through_the_gate(&world, &session).await;
    let later = world.world.events(EventKind::Held)[1].sequence;
    let whole = json!({"policies": [{"name": "sample", "cedar": NEW}]});
    let part = json!({"policies": [{"name": "sample", "cedar": NEW}], "since": since});
    let about = json!({"event": later});
    let mut before = Vec::new();
    for request in [&whole, &part] {
        before.push(simulated_in_all(&world, request).await);
    }
    assert!(before[0].0 > before[1].0 && before[1].0 > 0, "{before:?}");
    let explained = world.post(Who::Auditor, "/v1/policy/explain", &about).await.body;
    world.world.signed_events().await;
    world.world.archive(&world.world.shared_folder()).await.unwrap();
    through_the_gate(&world, &session).await;
    assert!(world.world.view().first_event().unwrap() > Some(later));
    for (request, (judged, changed)) in [&whole, &part].into_iter().zip(before) {
        let now = simulated_in_all(&world, request).await;
        assert_eq!(now, (judged + 5, changed + 3), "what came since, too");
    }
    let again = world.post(Who::Auditor, "/v1/policy/explain", &about).await;
    assert_eq!(again.status, StatusCode::OK, "{again:?}");
    assert_eq!(again.body, explained);
}

#[tokio::test]
async fn an_archive_that_cannot_be_read_is_never_left_out_in_silence() {
    let world = ApiWorld::new().await;
    let session = world.world.open().await.session;
    through_the_gate(&world, &session).await;
    let held = world.world.events(EventKind::Held)[0].sequence;
    world.world.signed_events().await;
    let folder = world.world.folder().join("archive");
    world.world.archive(&world.world.shared_folder()).await.unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    for (path, request) in [
        ("/v1/policy/simulate", json!({"policies": []})),
        ("/v1/policy/simulate", json!({"policies": [], "since": "2027-01-15T08:00:00Z"})),
        ("/v1/policy/explain", json!({"event": held})),
    ] {
        let heard = world.post(Who::Auditor, path, &request).await;
        assert!(heard.status.is_server_error(), "{path}: {heard:?}");
    }
}

#[tokio::test]
async fn a_simulation_says_what_the_gate_would_have_said() {
    let world = ApiWorld::new().await;
    let session = world.world.open().await.session;
    let was = through_the_gate(&world, &session).await;
    assert_eq!(was, ["allow", "hold", "allow", "deny", "allow"]);
    let same = simulate(&world, &json!({"policies": []})).await;
    assert_eq!((same["judged"].as_u64(), same["changed"].as_u64()), (Some(5), Some(0)), "{same}");
    let new = json!({"policies": [{"name": "sample", "cedar": NEW}]});
    let simulated = simulate(&world, &new).await;
    assert_eq!(simulated["unjudged"], 0);
    world.world.policy(NEW).await;
    let would_be = through_the_gate(&world, &session).await;
    let pairs = was.iter().zip(&would_be);
    let expected = counted(pairs.map(|(was, is)| ((*was).to_owned(), (*is).to_owned())));
    let found: BTreeMap<(String, String), u64> = simulated["verdicts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|count| {
            let text = |name: &str| count[name].as_str().unwrap().to_owned();
            ((text("was"), text("would_be")), count["operations"].as_u64().unwrap())
        })
        .collect();
    assert_eq!(found, expected, "{simulated}");
    let changes = simulated["changes"].as_array().unwrap();
    assert_eq!(changes[0]["operations"], 2, "{simulated}");
    assert_eq!(changes[0]["would_be"]["decides"], "2 of dba", "{simulated}");
}

#[tokio::test]
async fn a_recorded_and_a_given_operation_are_explained_rule_by_rule() {
    let world = ApiWorld::new().await;
    let session = world.world.open().await.session;
    through_the_gate(&world, &session).await;
    let event = world.world.events(EventKind::Held)[0].sequence;
    let told = world.post(Who::Auditor, "/v1/policy/explain", &json!({"event": event})).await;
    assert_eq!(told.status, StatusCode::OK, "{told:?}");
    assert_eq!(told.body["verdict"]["verdict"], "hold");
    assert_eq!(told.body["recorded"]["rules"], "writes");
    assert_eq!(
        told.body["words"][0],
        "postgres:write on orders/public.orders: rule writes permits it once 1 of dba approve"
    );
    let given = json!({"given": {
        "agent": {"subject": "bot", "groups": ["ci"]}, "target": "orders",
        "asks": [{"action": "postgres:admin"}],
    }});
    let told = world.post(Who::Auditor, "/v1/policy/explain", &given).await;
    assert_eq!(told.body["words"][0], "postgres:admin on orders: no rule reaches it", "{told:?}");
    for wrong in [json!({}), json!({"event": event, "hold": "x"}), json!({"event": 1})] {
        let told = world.post(Who::Auditor, "/v1/policy/explain", &wrong).await;
        assert!(!told.status.is_success(), "{told:?}");
    }
}

#[tokio::test]
async fn cases_beside_policies_are_run_by_a_node() {
    let world = ApiWorld::new().await;
    let case = |expect: &str| {
        json!({"name": expect, "expect": expect, "given": {
            "agent": {"subject": "bot", "groups": ["ci"]}, "target": "orders",
            "asks": [{"action": "postgres:read", "relation": "public.orders"}],
        }})
    };
    let request = json!({"cases": [case("allow"), case("hold")]});
    let tested = world.post(Who::Auditor, "/v1/policy/test", &request).await.body;
    assert_eq!(tested["ok"], false, "{tested}");
    assert_eq!(tested["cases"][0]["passed"], true, "{tested}");
    assert_eq!(tested["cases"][1]["problem"], "expected hold, found allow (by reads)", "{tested}");
}
