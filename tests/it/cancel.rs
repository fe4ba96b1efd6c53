//! A `CancelRequest` reaches the session through any node: it withdraws what is held and cancels what runs.

use countersign_tests::{
    agent::{Login, sqlstate},
    api::at,
    cluster::Cluster,
};
use std::time::Duration;
use tokio::{net::TcpStream, time::timeout};
use tokio_postgres::{CancelToken, tls::MakeTlsConnect};

/// Sends the cancel through another node, over TLS as the session itself: the driver would not do it in clear.
async fn cancel(key: &CancelToken, through: &Login) {
    let stream = TcpStream::connect((through.host.as_str(), through.port)).await.unwrap();
    let mut tls = through.tls().unwrap();
    let tls = MakeTlsConnect::<TcpStream>::make_tls_connect(&mut tls, &through.host).unwrap();
    key.cancel_query_raw(stream, tls).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_at_another_node_withdraws_the_hold() {
    let cluster = Cluster::start().await.unwrap();
    let agent = cluster.login(1).unwrap().connect().await.unwrap();
    let key = agent.client.cancel_token();
    let client = agent.client;
    let waiting = tokio::spawn(async move {
        (client.batch_execute("DELETE FROM orders WHERE id = 71").await, client)
    });
    let reviewer = cluster.api(2, "CS_REVIEWER_TOKEN").unwrap();
    let hold = reviewer.pending("WHERE id = 71").await.unwrap();

    let third = cluster.login(3).unwrap();
    cancel(&key, &third).await;
    let (refused, client) = timeout(Duration::from_secs(10), waiting).await.unwrap().unwrap();
    // 57014: query_canceled, as the target says it.
    assert_eq!(sqlstate(&refused.unwrap_err()), "57014");
    reviewer.until_state(at(&hold, "/id"), "withdrawn").await.unwrap();
    let late = reviewer.decide(&hold, "approve").await.unwrap();
    assert_eq!(late.status.as_u16(), 409, "{late}");
    client.batch_execute("SELECT id FROM orders").await.unwrap();
    assert_eq!(cluster.postgres.received("WHERE id = 71").unwrap(), 0);
    cluster.check_logs(&[]).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_at_another_node_ends_what_runs_at_the_target() {
    let cluster = Cluster::start().await.unwrap();
    let agent = cluster.login(2).unwrap().connect().await.unwrap();
    let key = agent.client.cancel_token();
    let waiting =
        tokio::spawn(async move { agent.client.batch_execute("SELECT pg_sleep(50)").await });
    let reviewer = cluster.api(1, "CS_REVIEWER_TOKEN").unwrap();
    let hold = reviewer.pending("pg_sleep(50)").await.unwrap();
    reviewer.approve(&hold).await.unwrap();
    let running = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query = 'SELECT pg_sleep(50)'";
    cluster.postgres.until_number(running, 1, Duration::from_secs(20)).await.unwrap();

    let first = cluster.login(1).unwrap();
    cancel(&key, &first).await;
    let refused = timeout(Duration::from_secs(20), waiting).await.unwrap().unwrap().unwrap_err();
    assert_eq!(sqlstate(&refused), "57014", "{refused:?}");
    cluster.postgres.until_number(running, 0, Duration::from_secs(20)).await.unwrap();
    cluster.check_logs(&[]).unwrap();
}
