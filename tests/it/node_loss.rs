//! The node that holds a session dies at the worst moments.

use countersign_tests::{
    agent::Login,
    api::{Api, at, field},
    cluster::Cluster,
    identity::Identity,
    node_log::PEER_LOSS,
    psql, wait,
    wait::{Look, PATIENCE},
};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::sleep;

/// Longer than a serving lease.
const PAST_THE_LEASE: Duration = Duration::from_secs(7);

/// Sends a statement, waits until it is held as one that was not known before, and goes away.
async fn is_held_anew(login: &Login, sql: &str) -> String {
    let mut psql = psql::spawn(login, sql).unwrap();
    let told = psql.until_told("DETAIL:").await.unwrap();
    psql.vanish().await.unwrap();
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_survives_its_node_and_only_the_same_operation_claims_it_elsewhere() {
    let cluster = Cluster::start().await.unwrap();
    let sql = "DELETE FROM orders WHERE id = 11 RETURNING id";
    let mut psql = psql::spawn(&cluster.login(1).unwrap(), sql).unwrap();
    psql.until_told("DETAIL:").await.unwrap();
    let reviewer = cluster.api(2, "CS_REVIEWER_TOKEN").unwrap();
    let hold = reviewer.pending(sql).await.unwrap();
    let id = at(&hold, "/id").to_owned();

    cluster.kill(1).await.unwrap();
    assert_ne!(psql.finish().await.unwrap().code, Some(0));
    reviewer.until_state(&id, "pending").await.unwrap();
    reviewer.approve(&hold).await.unwrap();
    reviewer.until_state(&id, "approved").await.unwrap();

    let third = cluster.login(3).unwrap();
    let other = Identity::agent("other-bot").token(&cluster).await.unwrap();
    let strangers = [
        (third.clone(), "DELETE FROM orders WHERE id = 12 RETURNING id"),
        (third.clone(), "DELETE FROM orders WHERE id = 11  RETURNING id"),
        (third.clone(), "delete FROM orders WHERE id = 11 RETURNING id"),
        (cluster.login_with(3, &other).unwrap(), sql),
    ];
    for (login, stranger) in strangers {
        let told = is_held_anew(&login, stranger).await;
        assert!(!told.contains(&id), "`{stranger}` took up the hold of another: {told}");
        assert_eq!(at(&reviewer.hold(&id).await.unwrap(), "/state"), "approved", "{stranger}");
    }

    let said = psql::run(&third, sql).await.unwrap();
    assert_eq!((said.code, said.stdout.contains("11")), (Some(0), true), "{said:?}");
    reviewer.until_state(&id, "consumed").await.unwrap();
    assert_eq!(cluster.postgres.received("WHERE id = 11").unwrap(), 1);

    // Consumed is consumed: the same statement once more is a new hold.
    let told = is_held_anew(&third, sql).await;
    assert!(!told.contains(&id), "{told}");
    assert_eq!(cluster.postgres.received("WHERE id = 11").unwrap(), 1);
    cluster.check_logs(PEER_LOSS).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_bound_value_does_not_claim_the_approval_and_the_same_does() {
    let cluster = Cluster::start().await.unwrap();
    let sql = "UPDATE orders SET note = 'bound' WHERE id = $1";
    let first = cluster.login(1).unwrap().connect().await.unwrap();
    let waiting = tokio::spawn(async move { first.client.execute(sql, &[&21_i64]).await });
    let reviewer = cluster.api(2, "CS_REVIEWER_TOKEN").unwrap();
    let hold = reviewer.pending(sql).await.unwrap();
    cluster.kill(1).await.unwrap();
    assert!(waiting.await.unwrap().is_err());
    reviewer.approve(&hold).await.unwrap();

    let stranger = cluster.login(3).unwrap().connect().await.unwrap();
    let other = tokio::spawn(async move { stranger.client.execute(sql, &[&22_i64]).await });
    let new = reviewer.pending(sql).await.unwrap();
    assert_ne!(at(&new, "/id"), at(&hold, "/id"));
    assert_ne!(at(&new, "/fingerprint"), at(&hold, "/fingerprint"));
    assert_eq!(at(&new, "/operation/parameters/0/shown"), "22");
    other.abort();

    let again = cluster.login(3).unwrap().connect().await.unwrap();
    assert_eq!(again.client.execute(sql, &[&21_i64]).await.unwrap(), 1);
    reviewer.until_state(at(&hold, "/id"), "consumed").await.unwrap();
    let count = "SELECT count(*) FROM orders WHERE note = 'bound'";
    assert_eq!(cluster.postgres.number(count).await.unwrap(), 1);
    cluster.check_logs(PEER_LOSS).unwrap();
}

/// The target, with a second role and a second database.
async fn offer_more(cluster: &Cluster) {
    let admin = cluster.api(1, "CS_ADMIN_TOKEN").unwrap();
    let path = "/v1/resources/Target/orders";
    let mut spec = admin.get(path).await.unwrap().body["spec"].clone();
    let mut second = spec["postgres"]["roles"]["app"].clone();
    second["default"] = json!(false);
    spec["postgres"]["roles"]["second"] = second;
    spec["postgres"]["databases"] = json!(["orders", "postgres"]);
    let put = admin.call(Method::PUT, path, Some(&json!({"spec": spec}))).await.unwrap();
    assert!(put.status.is_success(), "{put}");
    let index = put.body["revision"].as_u64().unwrap_or_default();
    for node in cluster.every_node() {
        let api = cluster.api(node, "CS_ADMIN_TOKEN").unwrap();
        api.get(&format!("{path}?min_index={index}")).await.unwrap();
    }
}

/// Waits for a pending hold of this text that is none of those, and adds it to them.
async fn another_hold(reviewer: &Api, sql: &str, known: &mut Vec<String>) -> Value {
    let what = format!("another hold of `{sql}`");
    let hold = wait::until(&what, PATIENCE, async || {
        let answer = reviewer.get("/v1/holds?state=pending&limit=1000").await?;
        let found = answer.items().iter().find(|hold| {
            at(hold, "/operation/text") == sql && !known.iter().any(|id| id == at(hold, "/id"))
        });
        Ok(Look::some(found.cloned(), answer.to_string()))
    });
    let hold = hold.await.unwrap();
    known.push(at(&hold, "/id").to_owned());
    hold
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_search_path_transaction_role_or_database_does_not_claim_the_approval() {
    let cluster = Cluster::start().await.unwrap();
    offer_more(&cluster).await;
    let sql = "DELETE FROM orders WHERE id = 31 RETURNING id";
    let login = cluster.login(1).unwrap();
    let mut psql = psql::spawn(&login, sql).unwrap();
    psql.until_told("DETAIL:").await.unwrap();
    let reviewer = cluster.api(2, "CS_REVIEWER_TOKEN").unwrap();
    let hold = reviewer.pending(sql).await.unwrap();
    psql.vanish().await.unwrap();
    reviewer.approve(&hold).await.unwrap();
    let mut known = vec![at(&hold, "/id").to_owned()];

    // A setting that the start-up packet asks for is refused there.
    let asked = cluster.login(3).unwrap().with_options("-c search_path=other").connect().await;
    assert!(asked.is_err(), "a search_path came in with the start-up packet");

    // One that a reviewer approved is part of what the next statement is.
    let moved = cluster.login(3).unwrap().connect().await.unwrap();
    let set = tokio::spawn(async move {
        moved.client.batch_execute("SET search_path TO other").await.map(|()| moved)
    });
    let change = reviewer.pending("SET search_path TO other").await.unwrap();
    reviewer.approve(&change).await.unwrap();
    let moved = set.await.unwrap().unwrap();
    let elsewhere = tokio::spawn(async move { moved.client.batch_execute(sql).await });
    let other = another_hold(&reviewer, sql, &mut known).await;
    assert_ne!(at(&other, "/fingerprint"), at(&hold, "/fingerprint"));
    elsewhere.abort();

    let within = cluster.login(3).unwrap().connect().await.unwrap();
    within.client.batch_execute("BEGIN").await.unwrap();
    let inside = tokio::spawn(async move { within.client.batch_execute(sql).await });
    another_hold(&reviewer, sql, &mut known).await;
    inside.abort();

    for stranger in [
        cluster.login(3).unwrap().as_user("second"),
        cluster.login(3).unwrap().to("orders/postgres"),
    ] {
        let mut psql = psql::spawn(&stranger, sql).unwrap();
        another_hold(&reviewer, sql, &mut known).await;
        psql.until_told("DETAIL:").await.unwrap();
        psql.vanish().await.unwrap();
    }

    assert_eq!(cluster.postgres.received("WHERE id = 31").unwrap(), 0);
    let said = psql::run(&cluster.login(3).unwrap(), sql).await.unwrap();
    assert_eq!((said.code, said.stdout.contains("31")), (Some(0), true), "{said:?}");
    reviewer.until_state(at(&hold, "/id"), "consumed").await.unwrap();
    assert_eq!(cluster.postgres.received("WHERE id = 31").unwrap(), 1);
    cluster.check_logs(&[]).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_killed_between_intent_and_outcome_leaves_the_outcome_unknown_and_nothing_runs_again()
 {
    let mut cluster = Cluster::start().await.unwrap();
    let sql = "INSERT INTO written (id) SELECT 'slow' FROM (SELECT pg_sleep(5)) AS wait";
    let mut psql = psql::spawn(&cluster.login(1).unwrap(), sql).unwrap();
    psql.until_told("DETAIL:").await.unwrap();
    let reviewer = cluster.api(2, "CS_REVIEWER_TOKEN").unwrap();
    let hold = reviewer.pending(sql).await.unwrap();
    let id = at(&hold, "/id").to_owned();
    reviewer.approve(&hold).await.unwrap();
    let running = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep(5)%' \
                   AND pid <> pg_backend_pid()";
    cluster.postgres.until_number(running, 1, Duration::from_secs(20)).await.unwrap();
    let consumed = reviewer.until_state(&id, "consumed").await.unwrap();
    let operation = at(&consumed, "/consumed_by").to_owned();

    cluster.kill(1).await.unwrap();
    assert_ne!(psql.finish().await.unwrap().code, Some(0));
    cluster.start_node(1).await.unwrap();
    let auditor = cluster.api(3, "CS_ADMIN_TOKEN").unwrap();
    let outcome = auditor.event("outcome", "operation.id", &operation).await.unwrap();
    assert_eq!(field(&outcome, "outcome"), "outcome_unknown");

    let told = is_held_anew(&cluster.login(3).unwrap(), sql).await;
    assert!(!told.contains(&id), "{told}");
    cluster.postgres.until_number(running, 0, Duration::from_secs(20)).await.unwrap();
    assert!(cluster.postgres.number("SELECT count(*) FROM written").await.unwrap() <= 1);
    assert_eq!(cluster.postgres.received("pg_sleep(5)) AS wait").unwrap(), 1);
    cluster.check_logs(PEER_LOSS).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_frozen_past_its_lease_does_nothing_on_waking_that_the_log_does_not_know() {
    let cluster = Cluster::start().await.unwrap();
    let sql = "DELETE FROM orders WHERE id = 41 RETURNING id";
    let mut psql = psql::spawn(&cluster.login(1).unwrap(), sql).unwrap();
    psql.until_told("DETAIL:").await.unwrap();
    let reviewer = cluster.api(2, "CS_REVIEWER_TOKEN").unwrap();
    let hold = reviewer.pending(sql).await.unwrap();

    cluster.freeze(1).unwrap();
    reviewer.approve(&hold).await.unwrap();
    sleep(PAST_THE_LEASE).await;
    assert_eq!(
        cluster.postgres.received("WHERE id = 41").unwrap(),
        0,
        "the client is at the frozen node"
    );
    cluster.thaw(1).unwrap();
    cluster.until_ready(1).await.unwrap();

    let said = psql.finish().await.unwrap();
    if said.code != Some(0) {
        // A clear refusal is allowed; then the approval still waits, and is claimed by the retry.
        assert!(said.stderr.contains("ERROR") || said.stderr.contains("FATAL"), "{said:?}");
        let again = psql::run(&cluster.login(3).unwrap(), sql).await.unwrap();
        assert_eq!(again.code, Some(0), "{again:?}");
    }
    reviewer.until_state(at(&hold, "/id"), "consumed").await.unwrap();
    assert_eq!(cluster.postgres.received("WHERE id = 41").unwrap(), 1);
    cluster.check_logs(PEER_LOSS).unwrap();
}
