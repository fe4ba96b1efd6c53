//! What a mask rule covers does not come through any node, in either protocol, from the moment that the rule is acknowledged.
//! The many ways to write a covered value are tried in the adapter's own tests; here the rule goes the whole way.

use countersign_tests::{
    agent::sqlstate,
    api::{Api, field},
    cluster::Cluster,
    psql,
    wait::{self, Look, PATIENCE},
};
use serde_json::json;
use tokio_postgres::SimpleQueryMessage;

const SECRET: &str = "hunter2-of-order-71";

/// Ways to ask for the note of one order; with each, what the answer must still contain.
const READS: &[(&str, &str)] = &[
    ("SELECT id, note FROM orders WHERE id = 71", "71"),
    ("SELECT id, note AS id2 FROM orders WHERE id = 71", "71"),
    ("SELECT s.n, s.id FROM (SELECT note AS n, id FROM orders) s WHERE id = 71", "71"),
    ("WITH c AS (SELECT * FROM orders WHERE id = 71) SELECT * FROM c", "71"),
    ("SELECT id, note || '' FROM orders WHERE id = 71", "71"),
    ("SELECT id, upper(note), reverse(note), md5(note) FROM orders WHERE id = 71", "71"),
    ("SELECT o FROM orders o WHERE id = 71", ""),
    ("SELECT string_agg(note, ',') FROM orders WHERE id = 71", ""),
    ("SELECT id, state FROM orders WHERE id = 71", "open"),
    ("SELECT note FROM orders WHERE id = 71 UNION ALL SELECT state FROM orders WHERE id = 71", ""),
];

async fn apply(admin: &Api) {
    let spec = json!({"targets": ["*"], "columns": ["public.orders.note"], "mask": "redact"});
    let documents = json!([{"kind": "MaskRule", "name": "notes", "spec": spec}]);
    let answer = admin.post("/v1/apply", &json!({"documents": documents, "comment": ""})).await;
    let answer = answer.unwrap();
    assert!(answer.status.is_success(), "{answer}");
}

fn tells(said: &str) -> bool {
    let plain = said.to_lowercase();
    let backwards: String = SECRET.chars().rev().collect();
    [SECRET, backwards.as_str()].iter().any(|secret| plain.contains(&secret.to_lowercase()))
}

fn values(messages: &[SimpleQueryMessage]) -> String {
    let mut values = Vec::new();
    for message in messages {
        if let SimpleQueryMessage::Row(row) = message {
            values.extend((0..row.len()).map(|at| row.get(at).unwrap_or("NULL")));
        }
    }
    values.join(" ")
}

/// Reads, again as long as the node says that it judged under an older policy.
async fn read(cluster: &Cluster, node: usize, sql: &str) -> String {
    wait::until(sql, PATIENCE, async || {
        let client = cluster.login(node)?.connect().await?.client;
        let answer = client.simple_query(sql).await;
        let seen = answer.map(|messages| values(&messages));
        Ok(Look::some(seen.as_ref().ok().cloned(), format!("{seen:?}")))
    })
    .await
    .unwrap()
}

/// The same value in binary, by the extended protocol.
async fn read_binary(cluster: &Cluster, node: usize) -> String {
    let client = cluster.login(node).unwrap().connect().await.unwrap().client;
    let id: i64 = 71;
    let row = client.query_one("SELECT note FROM orders WHERE id = $1", &[&id]).await.unwrap();
    row.get(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_mask_rule_covers_comes_through_no_node_once_the_rule_is_acknowledged() {
    let cluster = Cluster::start().await.unwrap();
    let truth = cluster.postgres.truth().await.unwrap();
    let set = format!("UPDATE orders SET note = '{SECRET}' WHERE id = 71");
    truth.batch_execute(&set).await.unwrap();
    let admin = cluster.api(2, "CS_ADMIN_TOKEN").unwrap();
    let before = read(&cluster, 1, "SELECT note FROM orders WHERE id = 71").await;
    assert!(tells(&before), "nothing is covered yet: {before}");

    apply(&admin).await;
    for node in cluster.every_node() {
        for (sql, wanted) in READS {
            let said = read(&cluster, node, sql).await;
            assert!(!tells(&said), "node {node}: {sql}: {said}");
            assert!(said.contains(wanted), "node {node}: {sql}: {said}");
        }
        assert_eq!(read_binary(&cluster, node).await, "[redacted]", "node {node}");
    }

    // An error of the target's that carries the value; it is a read, so nothing is held.
    let client = cluster.login(1).unwrap().connect().await.unwrap().client;
    let error =
        client.simple_query("SELECT note::int FROM orders WHERE id = 71").await.unwrap_err();
    assert_eq!(sqlstate(&error), "22P02", "{error:?}");
    assert!(!tells(&format!("{error:?}")), "{error:?}");

    // What is approved is masked as well.
    let sql = "UPDATE orders SET state = 'seen' WHERE id = 71 RETURNING id, note, note || '!'";
    let held = psql::spawn(&cluster.login(3).unwrap(), sql).unwrap();
    let reviewer = cluster.api(1, "CS_REVIEWER_TOKEN").unwrap();
    let hold = reviewer.pending(sql).await.unwrap();
    reviewer.approve(&hold).await.unwrap();
    let said = held.finish().await.unwrap();
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.stdout.contains("71") && said.stdout.contains("[redacted]"), "{said:?}");
    assert!(!tells(&format!("{said:?}")), "{said:?}");

    // The audit says what was masked, and not what it was.
    let outcomes = admin.events_of("outcome").await.unwrap();
    assert!(
        outcomes.iter().any(|event| field(event, "mask.rules").contains("notes")),
        "{outcomes:?}"
    );
    assert!(outcomes.iter().all(|event| !tells(&event.to_string())));
    cluster.check_logs(&[]).unwrap();
}
