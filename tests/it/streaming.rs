//! Results of any size go through in constant memory, and a client that does not read stops the target, not the node.

use countersign_tests::{cluster::Cluster, process};
use futures::{StreamExt as _, pin_mut};
use tokio_postgres::SimpleQueryMessage;

const MIB: u64 = 1024 * 1024;
/// What a node may need on top while a result of any size goes through.
const MOST_GROWTH: u64 = 48 * MIB;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_megabytes_stream_through_a_node_in_bounded_memory() {
    let cluster = Cluster::start().await.unwrap();
    let truth = cluster.postgres.truth().await.unwrap();
    truth.batch_execute("UPDATE orders SET note = repeat('x', 2000000)").await.unwrap();
    let agent = cluster.login(1).unwrap().connect().await.unwrap();
    agent.client.batch_execute("SELECT id FROM orders").await.unwrap();
    let pid = cluster.pid(1).unwrap();
    let before = process::resident_bytes(pid).unwrap();
    process::reset_peak(pid).unwrap();

    let rows = agent.client.simple_query_raw("SELECT note FROM orders").await.unwrap();
    pin_mut!(rows);
    let mut bytes = 0;
    while let Some(message) = rows.next().await {
        if let SimpleQueryMessage::Row(row) = message.unwrap() {
            bytes += row.get(0).unwrap().len();
        }
    }
    assert_eq!(bytes, 200_000_000);
    let grown = process::peak_resident_bytes(pid).unwrap().saturating_sub(before);
    assert!(grown < MOST_GROWTH, "the node grew by {} MiB", grown / MIB);
    cluster.check_logs(&[]).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_statement_of_ten_megabytes_is_held_whole_or_refused_clearly() {
    let cluster = Cluster::start().await.unwrap();
    let agent = cluster.login(1).unwrap().connect().await.unwrap();
    let sql = format!("UPDATE orders SET note = '{}' WHERE id = 1", "y".repeat(10 * 1024 * 1024));
    let refused = agent.client.batch_execute(&sql).await.unwrap_err();
    assert!(
        refused.as_db_error().is_some(),
        "an error of the protocol, not a lost connection: {refused:?}"
    );
    let other = cluster.login(1).unwrap().connect().await.unwrap();
    other.client.batch_execute("SELECT id FROM orders").await.unwrap();
    assert_eq!(cluster.postgres.received("yyyyyyyyyy").unwrap(), 0);
    cluster.check_logs(&[]).unwrap();
}
