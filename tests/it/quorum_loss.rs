//! Two of three nodes are gone: the third admits nothing and says so, and nothing is forgotten when they are back.

use countersign_tests::{agent::sqlstate, api::at, cluster::Cluster, node_log::PEER_LOSS, psql};
use reqwest::StatusCode;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_quorum_everything_is_refused_and_what_was_pending_is_there_afterwards() {
    let mut cluster = Cluster::start().await.unwrap();
    let sql = "DELETE FROM orders WHERE id = 51 RETURNING id";
    let mut waiting = psql::spawn(&cluster.login(1).unwrap(), sql).unwrap();
    waiting.until_told("DETAIL:").await.unwrap();
    let reviewer = cluster.api(1, "CS_REVIEWER_TOKEN").unwrap();
    let hold = reviewer.pending(sql).await.unwrap();
    let agent = cluster.login(1).unwrap().connect().await.unwrap();
    agent.client.batch_execute("SELECT id FROM orders").await.unwrap();

    cluster.kill(2).await.unwrap();
    cluster.kill(3).await.unwrap();
    cluster.until_unready(1).await.unwrap();
    assert_eq!(reviewer.get("/livez").await.unwrap().status, StatusCode::OK);

    let refused = agent.client.batch_execute("SELECT 'alone', id FROM orders").await.unwrap_err();
    assert_eq!(sqlstate(&refused), "57P03", "{refused:?}");
    let refused =
        psql::run(&cluster.login(1).unwrap(), "SELECT 'alone-too' FROM orders").await.unwrap();
    // The session is not opened: psql says "FATAL" without the SQLSTATE and ends with 2, its status of a lost connection.
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(
        refused.stderr.contains("FATAL") && refused.stderr.contains("no quorum"),
        "{refused:?}"
    );
    let refused = cluster.login(1).unwrap().connect().await.unwrap_err();
    let refused = refused.downcast_ref().expect("an error of the protocol");
    assert_eq!(sqlstate(refused), "57P03", "{refused:?}");
    for decision in ["approve", "reject"] {
        let answer = reviewer.decide(&hold, decision).await.unwrap();
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{answer}");
        assert!(answer.text("/type").contains("no-quorum"), "{answer}");
        assert_eq!(answer.content_type, "application/problem+json");
    }
    assert_eq!(cluster.postgres.received("alone").unwrap(), 0);
    assert_eq!(cluster.postgres.received("WHERE id = 51").unwrap(), 0);

    cluster.launch_node(2).await.unwrap();
    cluster.launch_node(3).await.unwrap();
    for node in cluster.every_node() {
        cluster.until_ready(node).await.unwrap();
    }
    let reviewer = cluster.api(3, "CS_REVIEWER_TOKEN").unwrap();
    let kept = reviewer.hold(at(&hold, "/id")).await.unwrap();
    assert_eq!(at(&kept, "/state"), "pending", "{kept}");
    reviewer.approve(&kept).await.unwrap();
    let said = waiting.finish().await.unwrap();
    if said.code != Some(0) {
        let again = psql::run(&cluster.login(2).unwrap(), sql).await.unwrap();
        assert_eq!(again.code, Some(0), "{said:?} {again:?}");
    }
    assert_eq!(cluster.postgres.received("WHERE id = 51").unwrap(), 1);
    cluster.check_logs(PEER_LOSS).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_cut_off_from_its_peers_admits_nothing_while_the_others_go_on() {
    let cluster = Cluster::start().await.unwrap();
    let lone = cluster.leader(1).await.unwrap();
    let other = if lone == 1 { 2 } else { 1 };
    let inside = cluster.login(lone).unwrap().connect().await.unwrap();
    inside.client.batch_execute("SELECT id FROM orders").await.unwrap();

    cluster.dev(&["partition", &lone.to_string()]).await.unwrap();
    cluster.until_unready(lone).await.unwrap();
    let refused = inside.client.batch_execute("SELECT 'cut-off' FROM orders").await.unwrap_err();
    assert_eq!(sqlstate(&refused), "57P03", "{refused:?}");
    cluster.until_ready(other).await.unwrap();
    let said =
        psql::run(&cluster.login(other).unwrap(), "SELECT 'goes-on' FROM accounts").await.unwrap();
    assert_eq!(said.code, Some(0), "{said:?}");

    cluster.dev(&["heal"]).await.unwrap();
    cluster.until_ready(lone).await.unwrap();
    assert_eq!(cluster.postgres.received("cut-off").unwrap(), 0);
    cluster.check_logs(PEER_LOSS).unwrap();
}
