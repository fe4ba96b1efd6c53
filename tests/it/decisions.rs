//! Who may decide, about what, and how often. All over real HTTP, each refusal with the hold still undecided after it.

use countersign_tests::{
    api::{Api, at},
    cluster::Cluster,
    identity::Identity,
    psql,
};
use reqwest::StatusCode;
use serde_json::{Value, json};

async fn held(
    cluster: &Cluster,
    login: &countersign_tests::agent::Login,
    sql: &str,
) -> (psql::Running, Value) {
    let mut psql = psql::spawn(login, sql).unwrap();
    psql.until_told("DETAIL:").await.unwrap();
    let hold = cluster.api(1, "CS_REVIEWER_TOKEN").unwrap().pending(sql).await.unwrap();
    (psql, hold)
}

async fn is_refused(reviewer: &Api, hold: &Value, (wanted, kind): (StatusCode, &str)) {
    for decision in ["approve", "reject"] {
        let answer = reviewer.decide(hold, decision).await.unwrap();
        assert_eq!(answer.status, wanted, "{decision}: {answer}");
        assert!(answer.text("/type").ends_with(kind), "{decision}: {answer}");
        assert_eq!(answer.content_type, "application/problem+json", "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_requester_its_owner_and_outsiders_may_not_decide() {
    let cluster = Cluster::start().await.unwrap();
    let token = Identity::agent("mixed").owned_by("dana").token(&cluster).await.unwrap();
    let login = cluster.login_with(1, &token).unwrap();
    let sql = "DELETE FROM orders WHERE id = 61 RETURNING id";
    let (psql, hold) = held(&cluster, &login, sql).await;

    let itself = Identity::reviewer("mixed").in_groups("dba").token(&cluster).await.unwrap();
    let owner = Identity::reviewer("dana").in_groups("dba").token(&cluster).await.unwrap();
    let outsider = Identity::reviewer("eve").in_groups("lunch").token(&cluster).await.unwrap();
    let nobody = Identity::reviewer("eve").in_groups("").token(&cluster).await.unwrap();
    for (refused, kind) in [
        (&itself, ":requester"),
        (&owner, ":owner"),
        (&outsider, ":not-in-group"),
        (&nobody, ":not-in-group"),
    ] {
        let refused = cluster.api_with(2, refused).unwrap();
        is_refused(&refused, &hold, (StatusCode::FORBIDDEN, kind)).await;
    }
    // An agent's token is for targets, and none at all is none at all.
    for nobody in [token.as_str(), "", "nonsense"] {
        let nobody = cluster.api_with(3, nobody).unwrap();
        is_refused(&nobody, &hold, (StatusCode::UNAUTHORIZED, ":not-identified")).await;
    }
    let rui = cluster.api(3, "CS_REVIEWER2_TOKEN").unwrap();
    let still = rui.hold(at(&hold, "/id")).await.unwrap();
    assert_eq!(at(&still, "/state"), "pending");
    assert_eq!(still["decisions"], json!([]));

    // Somebody else with the same groups may: it is the person that was refused above.
    let other = Identity::reviewer("olga").in_groups("dba").token(&cluster).await.unwrap();
    cluster.api_with(3, &other).unwrap().approve(&hold).await.unwrap();
    assert_eq!(psql.finish().await.unwrap().code, Some(0));
    cluster.check_logs(&[]).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_decision_needs_the_fingerprint_that_the_hold_has() {
    let cluster = Cluster::start().await.unwrap();
    let sql = "DELETE FROM orders WHERE id = 62 RETURNING id";
    let (psql, hold) = held(&cluster, &cluster.login(1).unwrap(), sql).await;
    let dana = cluster.api(2, "CS_REVIEWER_TOKEN").unwrap();
    let path = format!("/v1/holds/{}/decision", at(&hold, "/id"));

    let other = "0".repeat(64);
    let answer = dana.decide_seen(&hold, "approve", &other).await.unwrap();
    assert_eq!(answer.status, StatusCode::CONFLICT, "{answer}");
    for body in [
        json!({"decision": "approve"}),
        json!({"decision": "approve", "fingerprint": ""}),
        json!({"decision": "approve", "fingerprint": at(&hold, "/fingerprint").get(..63)}),
        json!({"decision": "allow", "fingerprint": at(&hold, "/fingerprint")}),
        json!({"decision": "approve", "fingerprint": at(&hold, "/fingerprint"), "surprise": 1}),
        json!({"decision": "approve", "fingerprint": at(&hold, "/fingerprint"), "comment": "x".repeat(5000)}),
    ] {
        let answer = dana.post(&path, &body).await.unwrap();
        assert!(answer.status.is_client_error(), "{body}: {answer}");
    }
    assert_eq!(at(&dana.hold(at(&hold, "/id")).await.unwrap(), "/state"), "pending");

    dana.approve(&hold).await.unwrap();
    assert_eq!(psql.finish().await.unwrap().code, Some(0));
    let late = cluster.api(3, "CS_REVIEWER2_TOKEN").unwrap().decide(&hold, "reject").await.unwrap();
    assert_eq!(late.status, StatusCode::CONFLICT, "{late}");
    let body = json!({"decision": "approve", "fingerprint": other});
    let unknown = dana.post("/v1/holds/none-such/decision", &body).await.unwrap();
    assert!(unknown.status.is_client_error(), "{unknown}");
    cluster.check_logs(&[]).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_decisions_that_race_on_two_nodes_one_wins_and_the_other_gets_a_conflict() {
    const RACES: usize = 6;
    let cluster = Cluster::start().await.unwrap();
    let dana = cluster.api(2, "CS_REVIEWER_TOKEN").unwrap();
    let rui = cluster.api(3, "CS_REVIEWER2_TOKEN").unwrap();
    for race in 0..RACES {
        let sql = format!("INSERT INTO written (id) VALUES ('race {race}')");
        let (psql, hold) = held(&cluster, &cluster.login(1).unwrap(), &sql).await;
        let (first, second) =
            tokio::join!(dana.decide(&hold, "approve"), rui.decide(&hold, "reject"));
        let (first, second) = (first.unwrap(), second.unwrap());
        let approved = first.status.is_success();
        assert_ne!(approved, second.status.is_success(), "{first} {second}");
        let loser = if approved { &second } else { &first };
        assert_eq!(loser.status, StatusCode::CONFLICT, "{loser}");

        let said = psql.finish().await.unwrap();
        assert_eq!(said.code == Some(0), approved, "{said:?}");
        let wanted = if approved { "consumed" } else { "rejected" };
        for api in [&dana, &rui] {
            api.until_state(at(&hold, "/id"), wanted).await.unwrap();
        }
        let count = format!("SELECT count(*) FROM written WHERE id = 'race {race}'");
        assert_eq!(cluster.postgres.number(&count).await.unwrap(), i64::from(approved));
    }
    cluster.check_logs(&[]).unwrap();
}
