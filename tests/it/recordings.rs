//! A recording outlives the node that made it, and its files what can become of files.

use countersign_tests::{
    agent::sqlstate,
    api::{at, field},
    cluster::Cluster,
    node_log::PEER_LOSS,
    wait::{self, Look, PATIENCE},
};
use reqwest::Method;
use serde_json::{Value, json};
use std::{fs, path::PathBuf, time::Duration};
use tokio::time::Instant;

/// What `sessions` says on a node.
async fn sessions(cluster: &Cluster, node: usize, arguments: &[&str]) -> String {
    let token = cluster.environment().get("CS_ADMIN_TOKEN").unwrap();
    let mut command = cluster.control(node, token).unwrap();
    let output = command.arg("sessions").args(arguments).output().await.unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "sessions {arguments:?} on node {node}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// The files of the segments that a node has.
fn segments(cluster: &Cluster, node: usize) -> Vec<PathBuf> {
    let data = cluster.environment().of_node("CS_DATA", node).unwrap();
    let shelves = fs::read_dir(PathBuf::from(data).join("recordings")).unwrap();
    let files = shelves.flat_map(|shelf| fs::read_dir(shelf.unwrap().path()).unwrap());
    files.map(|file| file.unwrap().path()).collect()
}

/// The open session is watched from a node that neither has it nor was handed its segments first.
async fn watched(cluster: &Cluster, done: Instant) {
    let api = cluster.api(3, "CS_ADMIN_TOKEN").unwrap();
    let open = api.get("/v1/sessions").await.unwrap().body;
    let id = at(&open, "/items/0/id").to_owned();
    let (mut seen, mut cursor) = (String::new(), String::new());
    while !seen.contains("division by zero") {
        let page = api.get(&format!("/v1/sessions/{id}/live{cursor}")).await.unwrap();
        assert!(page.status.is_success(), "{page}");
        seen.push_str(&page.body["items"].to_string());
        cursor = format!("?cursor={}", at(&page.body, "/next"));
        assert!(done.elapsed() < PATIENCE, "{seen}");
    }
    // Less than a second on a machine that does nothing else.
    assert!(done.elapsed() < Duration::from_secs(3), "{:?}", done.elapsed());
}

/// From now on, recordings have the rows of answers.
async fn record_rows(cluster: &Cluster) {
    let admin = cluster.api(1, "CS_ADMIN_TOKEN").unwrap();
    let path = "/v1/resources/Target/orders";
    let mut spec = admin.get(path).await.unwrap().body["spec"].clone();
    spec["postgres"]["record_rows"] = json!("masked");
    let put = admin.call(Method::PUT, path, Some(&json!({"spec": spec}))).await.unwrap();
    assert!(put.status.is_success(), "{put}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_is_replayed_on_every_other_node_after_its_own_is_gone() {
    let cluster = Cluster::start().await.unwrap();
    record_rows(&cluster).await;
    let agent = cluster.login(1).unwrap().connect().await.unwrap();
    agent.client.simple_query("SELECT id FROM orders WHERE id = 31").await.unwrap();
    agent.client.simple_query("BEGIN").await.unwrap();
    agent.client.simple_query("SELECT 'x'::int").await.unwrap_err();
    let ignored = agent.client.simple_query("SELECT 1").await.unwrap_err();
    assert_eq!(sqlstate(&ignored), "25P02");
    agent.client.simple_query("ROLLBACK").await.unwrap();
    let error = agent.client.simple_query("SELECT 1 / (id - id) FROM orders").await.unwrap_err();
    assert_eq!(sqlstate(&error), "22012");
    let done = Instant::now();
    let admin = cluster.api(2, "CS_ADMIN_TOKEN").unwrap();
    watched(&cluster, done).await;
    drop(agent);
    let closed = admin.event("session_closed", "recording.state", "whole").await.unwrap();
    let id = field(&closed, "session.id").to_owned();

    let shown = admin.get(&format!("/v1/sessions/{id}")).await.unwrap().body;
    let recording = &shown["recording"];
    assert_eq!(at(recording, "/digest"), field(&closed, "recording.digest"), "{recording}");
    let places: Vec<_> = recording["segments"].as_array().unwrap().iter().collect();
    assert!(places.iter().all(|of| of["places"].as_array().unwrap().len() == 2), "{recording}");

    // Whoever looks is in the audit, wherever the look begins.
    let behind = admin.get(&format!("/v1/sessions/{id}/recording?cursor=1")).await.unwrap();
    assert!(behind.status.is_success(), "{behind}");
    let looks = admin.events_of("cluster_changed").await.unwrap();
    let looked = |event: &Value| event.to_string().contains(&format!("{id} behind segment 1"));
    assert!(looks.iter().any(looked), "{looks:#?}");

    // A file of node 1 that is damaged is read from the other place, and is whole again.
    let file = segments(&cluster, 1).remove(0);
    let whole = fs::read(&file).unwrap();
    let mut damaged = whole.clone();
    damaged[whole.len() / 2] ^= 1;
    fs::write(&file, damaged).unwrap();
    sessions(&cluster, 1, &["replay", &id]).await;
    assert_eq!(fs::read(&file).unwrap(), whole);

    cluster.kill(1).await.unwrap();
    for node in [2, 3] {
        let replayed = wait::until("a replay", PATIENCE, async || {
            let token = cluster.environment().get("CS_ADMIN_TOKEN")?;
            let mut command = cluster.control(node, token)?;
            let output = command.args(["sessions", "replay", &id]).output().await?;
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            let why = String::from_utf8_lossy(&output.stderr).into_owned();
            Ok(Look::some(output.status.success().then_some(said), why))
        });
        let replayed = replayed.await.unwrap();
        for told in [
            "> SELECT id FROM orders WHERE id = 31\n  forwarded\n  | 31\n  completed: SELECT 1 (1 rows",
            "  gateway: ERROR:  current transaction is aborted",
            "> SELECT 1 / (id - id) FROM orders\n  forwarded\n  error: ERROR:  division by zero (22012)",
            "session ended: the agent ended it",
        ] {
            assert!(replayed.contains(told), "node {node}: {told:?} is not in {replayed}");
        }
    }
    let cast = sessions(&cluster, 2, &["export", &id]).await;
    assert!(cast.starts_with(r#"{"version":3,"#) || cast.contains(r#""version":3"#), "{cast}");
    assert!(cast.contains("division by zero"), "{cast}");
    let looked = admin.events_of("cluster_changed").await.unwrap();
    assert!(looked.iter().any(|event| event.to_string().contains(&id)), "who looked is recorded");
    // The two damaged and lost files are what this test is about.
    let expected = [PEER_LOSS, &["segment"]].concat();
    cluster.check_logs(&expected).unwrap();
}
