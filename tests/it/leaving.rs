//! A node that is removed: it stops serving, what it held goes on elsewhere, and it does not come back.

use countersign_tests::{
    api::at, cluster::Cluster, node_log::PEER_LOSS, process, programs, psql, wait,
};
use serde_json::Value;
use std::process::{Output, Stdio};
use tokio::process::Command;

/// What is said by a node that was removed, and of it.
const REMOVED: &[&str] =
    &["this node was removed from the cluster", "say that this one was removed"];

async fn control(cluster: &Cluster, arguments: &[&str]) -> Output {
    let admin = cluster.environment().get("CS_ADMIN_TOKEN").unwrap();
    let mut command = cluster.control(1, admin).unwrap();
    tokio::time::timeout(wait::PATIENCE, command.args(arguments).output()).await.unwrap().unwrap()
}

async fn until_away(cluster: &Cluster, node: u64) {
    let api = cluster.api(1, "CS_ADMIN_TOKEN").unwrap();
    wait::until("the node to be seen as away", wait::PATIENCE, async || {
        let answer = api.get("/v1/cluster").await?;
        let nodes = answer.body["nodes"].as_array().cloned().unwrap_or_default();
        let away = |it: &Value| it["id"] == node && it["healthy"] == false;
        Ok(wait::Look::some(nodes.iter().any(away).then_some(()), answer.to_string()))
    })
    .await
    .unwrap();
}

/// The node as a process of the test's own, to the end.
async fn comes_back(cluster: &Cluster, node: u64) -> Output {
    let file = cluster.path().join(format!("dev/node-{node}/node.toml"));
    let mut command = Command::new(programs::ours("countersign").unwrap());
    command.args(["serve", "--config"]).arg(file).stdin(Stdio::null()).kill_on_drop(true);
    tokio::time::timeout(wait::PATIENCE, command.output()).await.unwrap().unwrap()
}

/// A healthy cluster is found so, and the target that this machine reaches past the gateway is not.
async fn the_doctor_looks(cluster: &Cluster) {
    let well = control(cluster, &["doctor"]).await;
    let said = String::from_utf8_lossy(&well.stdout).into_owned();
    assert_eq!(well.status.code(), Some(0), "{said}{}", String::from_utf8_lossy(&well.stderr));
    for check in ["quorum", "certificate", "ready", "disk", "cluster id", "version", "clocks"] {
        assert!(said.contains(check), "{check} was not looked at: {said}");
    }
    let around = control(cluster, &["doctor", "--agents-network"]).await;
    let said = String::from_utf8_lossy(&around.stdout).into_owned();
    assert_eq!((around.status.code(), said.contains("ANSWERS")), (Some(1), true), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_node_stops_and_what_it_held_goes_on_without_it() {
    let cluster = Cluster::start().await.unwrap();
    let sql = "DELETE FROM orders WHERE id = 31 RETURNING id";
    let mut psql = psql::spawn(&cluster.login(3).unwrap(), sql).unwrap();
    psql.until_told("DETAIL:").await.unwrap();
    let reviewer = cluster.api(1, "CS_REVIEWER_TOKEN").unwrap();
    let hold = reviewer.pending(sql).await.unwrap();

    the_doctor_looks(&cluster).await;
    // With node 2 away, node 3 is needed.
    cluster.freeze(2).unwrap();
    until_away(&cluster, 2).await;
    assert_eq!(control(&cluster, &["doctor"]).await.status.code(), Some(1));
    let refused = control(&cluster, &["cluster", "remove", "3"]).await;
    let why = String::from_utf8_lossy(&refused.stderr);
    assert_eq!((refused.status.code(), why.contains("no quorum")), (Some(9), true), "{why}");
    cluster.thaw(2).unwrap();
    cluster.until_ready(2).await.unwrap();

    let pid = cluster.pid(3).unwrap();
    let removed = control(&cluster, &["cluster", "remove", "3"]).await;
    let said = String::from_utf8_lossy(&removed.stderr);
    assert_eq!((removed.status.code(), said.contains("two voters")), (Some(0), true), "{said}");
    assert_ne!(psql.finish().await.unwrap().code, Some(0), "its session goes on");
    wait::until("node 3 to have stopped", wait::PATIENCE, async || {
        Ok(wait::Look::some((!process::is_running(pid)).then_some(()), "it runs"))
    })
    .await
    .unwrap();

    // The hold is open, and the same statement over another node takes it up, once.
    let id = at(&hold, "/id").to_owned();
    reviewer.approve(&hold).await.unwrap();
    let said = psql::run(&cluster.login(2).unwrap(), sql).await.unwrap();
    assert_eq!((said.code, said.stdout.contains("31")), (Some(0), true), "{said:?}");
    reviewer.until_state(&id, "consumed").await.unwrap();

    // With its old disk it is turned away; removing it again is no error.
    let back = comes_back(&cluster, 3).await;
    let log = String::from_utf8_lossy(&back.stderr).into_owned();
    let out = String::from_utf8_lossy(&back.stdout).into_owned();
    assert_eq!(back.status.code(), Some(1), "{log}{out}");
    assert!(format!("{log}{out}").contains("removed from the cluster"), "{log}{out}");
    assert_eq!(control(&cluster, &["cluster", "remove", "3"]).await.status.code(), Some(0));
    cluster.check_logs(&[PEER_LOSS, REMOVED].concat()).unwrap();
}
