//! Holds inside open transactions, and what reviewers are shown of them: evidence on every node, policies that say how long,
//! and a target that does not wait.

use countersign_tests::{
    agent::{detail, sqlstate},
    api::{Api, at, field},
    cluster::Cluster,
    wait::{self, Look, PATIENCE},
};
use serde_json::{Value, json};
use tokio_postgres::Client;

/// The name and the Cedar text of the sample policy.
async fn policy(admin: &Api) -> (String, String) {
    let answer = admin.get("/v1/resources/Policy").await.unwrap();
    let first = &answer.items().first().unwrap_or_else(|| panic!("no policy: {answer}"));
    (at(first, "/name").to_owned(), at(first, "/spec/cedar").to_owned())
}

/// Has the rule that holds say this, too.
async fn rule_says(admin: &Api, (name, cedar): &(String, String), annotation: &str) {
    let rule = "@id(\"everything-else\")";
    assert!(cedar.contains(rule), "{cedar}");
    let cedar = cedar.replace(rule, &format!("{rule} {annotation}"));
    let body = json!({"documents": [{"kind": "Policy", "name": name, "spec": {"cedar": cedar}}]});
    let answer = admin.post("/v1/apply", &body).await.unwrap();
    assert!(answer.status.is_success(), "{answer}");
}

/// A client in a transaction. A node that hears of a new policy only now refuses what it judged by the old one.
async fn begun(cluster: &Cluster) -> Client {
    wait::until("a transaction", PATIENCE, async || {
        let client = cluster.login(1)?.connect().await?.client;
        let begun = client.batch_execute("BEGIN").await;
        let seen = format!("{begun:?}");
        Ok(Look::some(begun.is_ok().then_some(client), seen))
    })
    .await
    .unwrap()
}

/// A client whose statement is held in a transaction that has changed something.
async fn held_within(
    cluster: &Cluster,
    id: i64,
) -> (Value, tokio::task::JoinHandle<(tokio_postgres::Error, Client)>) {
    let client = begun(cluster).await;
    let reviewer = cluster.api(2, "CS_REVIEWER_TOKEN").unwrap();
    let first = format!("UPDATE orders SET note = 'first' WHERE id = {id}");
    let approving = async { reviewer.approve(&reviewer.pending(&first).await.unwrap()).await };
    let (done, approved) = tokio::join!(client.batch_execute(&first), approving);
    approved.unwrap();
    done.unwrap();
    let second = format!("DELETE FROM orders WHERE id = {id}");
    let text = second.clone();
    let waiting =
        tokio::spawn(async move { (client.batch_execute(&text).await.unwrap_err(), client) });
    (reviewer.pending(&second).await.unwrap(), waiting)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reviewers_see_plan_and_locks_and_nothing_outlives_the_transaction_it_was_about() {
    let cluster = Cluster::start().await.unwrap();
    let target = cluster.postgres.truth().await.unwrap();
    target.batch_execute("ANALYZE orders").await.unwrap();
    let (reviewer, auditor) =
        (cluster.api(3, "CS_REVIEWER_TOKEN").unwrap(), cluster.api(2, "CS_ADMIN_TOKEN").unwrap());

    // The target's own time-out ends the transaction while its operation waits.
    target
        .batch_execute("ALTER ROLE orders_app SET idle_in_transaction_session_timeout TO '8s'")
        .await
        .unwrap();
    let (hold, waiting) = held_within(&cluster, 61).await;
    let id = at(&hold, "/id");
    auditor.event("evidence_attached", "hold.id", id).await.unwrap();
    let seen = reviewer.hold(id).await.unwrap();
    let evidence = &seen["evidence"];
    assert_eq!(evidence["affected_rows"], 1, "{seen}");
    assert_eq!(evidence["plan"][0]["Plan"]["Operation"], "Delete", "{seen}");
    let locks = evidence["transaction"]["locks"].to_string();
    assert!(locks.contains("RowExclusiveLock on public.orders"), "{seen}");
    assert_eq!(cluster.postgres.received("DELETE FROM orders").unwrap(), 0);
    let ended = reviewer.until_state(id, "invalidated").await.unwrap();
    assert!(at(&ended, "/state_reason").contains("transaction"), "{ended}");
    let (error, _client) = waiting.await.unwrap();
    assert_eq!((sqlstate(&error), detail(&error).contains("is void")), ("25P03", true), "{error}");
    let late = reviewer.decide(&seen, "approve").await.unwrap();
    assert_eq!(late.status.as_u16(), 409, "{late}");
    target
        .batch_execute("ALTER ROLE orders_app RESET idle_in_transaction_session_timeout")
        .await
        .unwrap();

    // Policy says how long a hold may keep a transaction open: then it is parked, and the transaction has failed.
    let admin = cluster.api(1, "CS_ADMIN_TOKEN").unwrap();
    let sample = policy(&admin).await;
    rule_says(&admin, &sample, "@in_transaction(\"1s\")").await;
    let client = begun(&cluster).await;
    let parked = client.batch_execute("DELETE FROM orders WHERE id = 62").await.unwrap_err();
    assert_eq!(sqlstate(&parked), "57014", "{parked}");
    let hold = reviewer.pending("DELETE FROM orders WHERE id = 62").await.unwrap();
    assert!(detail(&parked).contains(at(&hold, "/id")), "{parked}");
    let failed = client.batch_execute("SELECT 1").await.unwrap_err();
    assert_eq!(sqlstate(&failed), "25P02", "{failed}");
    client.batch_execute("ROLLBACK").await.unwrap();

    // Or that there is none at all.
    rule_says(&admin, &sample, "@in_transaction(\"refuse\")").await;
    let client = begun(&cluster).await;
    let refused = client.batch_execute("DELETE FROM orders WHERE id = 63").await.unwrap_err();
    assert_eq!(sqlstate(&refused), "42501", "{refused}");
    let told = format!("{refused:?}");
    assert!(told.contains("everything-else") && told.contains("open transaction"), "{told}");
    client.batch_execute("ROLLBACK").await.unwrap();
    let event = auditor.event("refused", "operation.text", "DELETE FROM orders WHERE id = 63");
    assert!(field(&event.await.unwrap(), "policy.rules").contains("everything-else"));
    let untouched = "SELECT count(*) FROM orders WHERE note LIKE 'order %'";
    assert_eq!(cluster.postgres.number(untouched).await.unwrap(), 100);
    cluster.check_logs(&[]).unwrap();
}
