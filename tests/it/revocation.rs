//! A revoked identity is out, on every node, once the revocation is acknowledged.

use countersign_tests::{
    api::at,
    cluster::Cluster,
    node_log::PEER_LOSS,
    psql, wait,
    wait::{Look, PATIENCE},
};
use serde_json::json;
use std::time::Duration;

/// A serving lease is 5 s; the rest is for a busy machine.
const ONE_LEASE: Duration = Duration::from_secs(8);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_agent_loses_its_sessions_and_its_holds_and_may_not_come_back() {
    let cluster = Cluster::start().await.unwrap();
    let open = cluster.login(2).unwrap().connect().await.unwrap();
    open.client.batch_execute("SELECT id FROM orders").await.unwrap();
    let sql = "DELETE FROM orders WHERE id = 91 RETURNING id";
    let mut waiting = psql::spawn(&cluster.login(1).unwrap(), sql).unwrap();
    waiting.until_told("DETAIL:").await.unwrap();
    let reviewer = cluster.api(3, "CS_REVIEWER_TOKEN").unwrap();
    let hold = reviewer.pending(sql).await.unwrap();

    let admin = cluster.api(3, "CS_ADMIN_TOKEN").unwrap();
    let body = json!({"identity": {"issuer": at(&hold, "/agent/issuer"), "subject": at(&hold, "/agent/subject")}});
    let answer = admin.post("/v1/revocations", &body).await.unwrap();
    assert!(answer.status.is_success(), "{answer}");

    assert_ne!(waiting.finish().await.unwrap().code, Some(0));
    wait::until("the open session to be closed", Duration::from_secs(10), async || {
        Ok(Look::some(open.client.is_closed().then_some(()), "it is open"))
    })
    .await
    .unwrap();
    for node in cluster.every_node() {
        let said =
            psql::run(&cluster.login(node).unwrap(), "SELECT 'revoked' FROM orders").await.unwrap();
        assert_ne!(said.code, Some(0), "node {node}: {said:?}");
    }
    let late = reviewer.decide(&hold, "approve").await.unwrap();
    if late.status.is_success() {
        // The approval of what nobody may claim is worth nothing.
        let said = psql::run(&cluster.login(1).unwrap(), sql).await.unwrap();
        assert_ne!(said.code, Some(0), "{said:?}");
    }
    assert_eq!(cluster.postgres.received("revoked").unwrap(), 0);
    assert_eq!(cluster.postgres.received("WHERE id = 91").unwrap(), 0);
    cluster.check_logs(&[]).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_agent_is_out_within_one_lease_at_a_node_that_cannot_hear_of_it_too() {
    let cluster = Cluster::start().await.unwrap();
    let open = cluster.login(2).unwrap().connect().await.unwrap();
    open.client.batch_execute("SELECT id FROM orders").await.unwrap();
    let admin = cluster.api(3, "CS_ADMIN_TOKEN").unwrap();
    let sessions = admin.get("/v1/sessions").await.unwrap();
    let agent = sessions.items().first().unwrap()["agent"].clone();
    let body =
        json!({"identity": {"issuer": at(&agent, "/issuer"), "subject": at(&agent, "/subject")}});

    cluster.dev(&["partition", "2"]).await.unwrap();
    // If node 2 led, the other two have to agree on another leader first.
    wait::until("the revocation to be acknowledged", PATIENCE, async || {
        let answer = admin.post("/v1/revocations", &body).await?;
        Ok(Look::some(answer.status.is_success().then_some(()), answer.to_string()))
    })
    .await
    .unwrap();
    wait::until("the session at the cut-off node to be closed", ONE_LEASE, async || {
        Ok(Look::some(open.client.is_closed().then_some(()), "it is open"))
    })
    .await
    .unwrap();
    let said = psql::run(&cluster.login(2).unwrap(), "SELECT 'cut off' FROM orders").await.unwrap();
    assert_ne!(said.code, Some(0), "{said:?}");

    cluster.dev(&["heal"]).await.unwrap();
    cluster.until_ready(2).await.unwrap();
    let said = psql::run(&cluster.login(2).unwrap(), "SELECT 'healed' FROM orders").await.unwrap();
    assert_ne!(said.code, Some(0), "{said:?}");
    for text in ["cut off", "healed"] {
        assert_eq!(cluster.postgres.received(text).unwrap(), 0, "{text}");
    }
    cluster.check_logs(PEER_LOSS).unwrap();
}
