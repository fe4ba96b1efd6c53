//! The main job: an agent's statement is held on one node, approved over another, executed once, and its rows come back.

use countersign_tests::{
    agent::{detail, sqlstate},
    api::{at, field},
    cluster::Cluster,
    postgres::ORDERS,
    psql,
    wait::{self, Look, PATIENCE},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delete_over_node_1_is_approved_over_node_3_and_done_once() {
    let cluster = Cluster::start().await.unwrap();
    let sql = "DELETE FROM orders WHERE id = 7 RETURNING id, note";

    let mut psql = psql::spawn(&cluster.login(1).unwrap(), sql).unwrap();
    let told = psql.until_told("HINT:").await.unwrap();
    assert!(told.contains("held for approval"), "{told}");
    let reviewer = cluster.api(3, "CS_REVIEWER_TOKEN").unwrap();
    let hold = reviewer.pending(sql).await.unwrap();
    let id = at(&hold, "/id").to_owned();
    assert!(told.contains(&id), "the notice names the hold {id}: {told}");
    assert!(told.contains(at(&hold, "/key")), "the notice shows the key: {told}");
    assert_eq!(at(&hold, "/operation/text"), sql);
    assert_eq!(at(&hold, "/agent/name"), "ci-bot");
    assert_eq!(at(&hold, "/target"), "orders");
    assert_eq!(at(&hold, "/protocol"), "postgres");
    assert_eq!(hold["waiting"], true);
    assert_eq!(hold["node"], 1);
    assert_eq!(cluster.postgres.received("DELETE FROM orders").unwrap(), 0, "before the approval");

    reviewer.approve(&hold).await.unwrap();
    let said = psql.finish().await.unwrap();
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stdout.contains("7|order 7"), "{said:?}");
    assert_eq!(cluster.postgres.number("SELECT count(*) FROM orders").await.unwrap(), ORDERS - 1);
    assert_eq!(cluster.postgres.received("DELETE FROM orders").unwrap(), 1);

    let consumed = reviewer.until_state(&id, "consumed").await.unwrap();
    assert_eq!(at(&consumed, "/decisions/0/reviewer/name"), "dana");
    assert_eq!(consumed["decisions"][0]["node"], 3);
    every_node_has_the_same_story(&cluster, &id, at(&consumed, "/consumed_by")).await;
    cluster.check_logs(&[]).unwrap();
}

async fn every_node_has_the_same_story(cluster: &Cluster, hold: &str, operation: &str) {
    for node in cluster.every_node() {
        let auditor = cluster.api(node, "CS_ADMIN_TOKEN").unwrap();
        let outcome = auditor.event("outcome", "operation.id", operation).await.unwrap();
        assert_eq!(field(&outcome, "outcome"), "completed");
        assert_eq!(field(&outcome, "rows"), "1");
        let intent = auditor.event("intent", "operation.id", operation).await.unwrap();
        assert_eq!(field(&intent, "hold.id"), hold);
        assert_eq!(field(&intent, "agent.name"), "ci-bot");
        assert!(intent["sequence"].as_u64() < outcome["sequence"].as_u64());
        let decided = auditor.event("decided", "hold.id", hold).await.unwrap();
        assert_eq!(field(&decided, "decision"), "approve");
    }
    // The session's end may still be on its way: the heads are compared once they stand still.
    let head = wait::until("one head on all nodes", PATIENCE, async || {
        let mut heads = Vec::new();
        for node in cluster.every_node() {
            heads.push(cluster.api(node, "CS_ADMIN_TOKEN")?.head().await?);
        }
        let same = heads.iter().all(|head| Some(head) == heads.first());
        Ok(Look::some(same.then(|| heads.first().cloned()).flatten(), format!("{heads:?}")))
    });
    assert!(head.await.unwrap().0 > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_allowed_read_is_not_held_but_is_on_record() {
    let cluster = Cluster::start().await.unwrap();
    let said = psql::run(&cluster.login(2).unwrap(), "SELECT count(*) FROM orders").await.unwrap();
    assert_eq!((said.code, said.stdout.trim()), (Some(0), "100"), "{said:?}");

    let auditor = cluster.api(1, "CS_ADMIN_TOKEN").unwrap();
    let intent =
        auditor.event("intent", "operation.text", "SELECT count(*) FROM orders").await.unwrap();
    assert_eq!(field(&intent, "hold.id"), "");
    assert_eq!(field(&intent, "verdict"), "allow");
    auditor.event("outcome", "operation.id", field(&intent, "operation.id")).await.unwrap();
    cluster.check_logs(&[]).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rejected_statement_never_reaches_the_target_and_the_session_goes_on() {
    let cluster = Cluster::start().await.unwrap();
    let agent = cluster.login(1).unwrap().connect().await.unwrap();
    let reviewer = cluster.api(2, "CS_REVIEWER_TOKEN").unwrap();

    let statement =
        agent.client.execute("UPDATE orders SET state = 'rejected-one' WHERE id = $1", &[&5_i64]);
    let review = async {
        let hold = reviewer.pending("rejected-one").await.unwrap();
        assert_eq!(at(&hold, "/operation/parameters/0/shown"), "5");
        reviewer.decide(&hold, "reject").await.unwrap()
    };
    let (refused, answer) = tokio::join!(statement, review);
    assert!(answer.status.is_success(), "{answer}");
    let refused = refused.unwrap_err();
    assert_eq!(sqlstate(&refused), "42501", "{refused:?}");
    assert!(format!("{refused:?}").contains("by a test"), "the comment is told: {refused:?}");
    assert_eq!(cluster.postgres.received("rejected-one").unwrap(), 0);

    let row =
        agent.client.query_one("SELECT state FROM orders WHERE id = $1", &[&5_i64]).await.unwrap();
    assert_eq!(row.get::<_, String>(0), "open");
    cluster.check_logs(&[]).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_inside_a_transaction_leaves_it_failed_as_the_target_would() {
    let cluster = Cluster::start().await.unwrap();
    let agent = cluster.login(3).unwrap().connect().await.unwrap();
    let reviewer = cluster.api(1, "CS_REVIEWER_TOKEN").unwrap();

    agent.client.batch_execute("BEGIN").await.unwrap();
    let statement = agent.client.batch_execute("DELETE FROM accounts WHERE id = 3");
    let review = async {
        let hold = reviewer.pending("DELETE FROM accounts").await.unwrap();
        reviewer.decide(&hold, "reject").await.unwrap()
    };
    let (refused, _) = tokio::join!(statement, review);
    assert_eq!(sqlstate(&refused.unwrap_err()), "42501");
    // 25P02: in_failed_sql_transaction.
    let ignored = agent.client.batch_execute("SELECT 1").await.unwrap_err();
    assert_eq!(sqlstate(&ignored), "25P02", "{} {}", ignored, detail(&ignored));
    agent.client.batch_execute("ROLLBACK").await.unwrap();
    agent.client.batch_execute("SELECT id FROM accounts").await.unwrap();
    cluster.check_logs(&[]).unwrap();
}
