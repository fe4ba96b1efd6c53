//! A node that is asked to end: it leaves in order, and at once when it is asked a second time.

use countersign_tests::{
    api::at, cluster::Cluster, node_log::PEER_LOSS, process, programs, psql, wait,
};
use rustix::process::Signal;
use serde_json::json;
use std::{
    process::{ExitStatus, Stdio},
    time::Duration,
};
use tokio::{
    process::{Child, Command},
    time::Instant,
};

/// What a node says that is asked twice: records that it does not write are settled by its next start.
const AT_ONCE: &[&str] = &["asked a second time", "recorded"];

/// How long an open session may go on (`limits.drain_ms`): a node that stops at once does not take it.
const DRAIN: Duration = Duration::from_secs(10);

/// Runs node 1 as a child of the test, so that its exit status can be seen.
async fn node_1(cluster: &Cluster) -> Child {
    let file = cluster.path().join("dev/node-1/node.toml");
    let log = std::fs::File::options()
        .append(true)
        .open(cluster.path().join("dev/logs/node-1.log"))
        .unwrap();
    let child = Command::new(programs::ours("countersign").unwrap())
        .args(["serve", "--config"])
        .arg(file)
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    cluster.until_ready(1).await.unwrap();
    child
}

/// Makes node 1 the leader.
async fn lead(cluster: &Cluster) {
    wait::until("node 1 to lead", wait::PATIENCE, async || {
        let leader = cluster.leader(2).await?;
        if leader != 1 {
            let admin = cluster.api(leader, "CS_ADMIN_TOKEN")?;
            admin.post("/v1/cluster/transfer-leader", &json!({ "to": 1 })).await?;
        }
        Ok(wait::Look::some((leader == 1).then_some(()), format!("node {leader} leads")))
    })
    .await
    .unwrap();
}

fn ask(child: &Child) {
    process::signal(child.id().unwrap(), Signal::TERM);
}

async fn ended(mut child: Child) -> ExitStatus {
    tokio::time::timeout(Duration::from_mins(1), child.wait()).await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_asked_to_end_loses_nothing_and_parks_who_waits() {
    let cluster = Cluster::start().await.unwrap();
    cluster.kill(1).await.unwrap();
    let node = node_1(&cluster).await;
    lead(&cluster).await;
    let sql = "DELETE FROM orders WHERE id = 21 RETURNING id";
    let mut psql = psql::spawn(&cluster.login(1).unwrap(), sql).unwrap();
    psql.until_told("DETAIL:").await.unwrap();
    let reviewer = cluster.api(2, "CS_REVIEWER_TOKEN").unwrap();
    let hold = reviewer.pending(sql).await.unwrap();
    let id = at(&hold, "/id").to_owned();

    ask(&node);
    // It says so while its session goes on, and another node leads before that session ends.
    cluster.until_unready(1).await.unwrap();
    wait::until("another leader", wait::PATIENCE, async || {
        let leader = cluster.leader(2).await?;
        Ok(wait::Look::some((leader != 1).then_some(()), "node 1 leads"))
    })
    .await
    .unwrap();
    let waits = reviewer.hold(&id).await.unwrap();
    assert_eq!(waits.pointer("/waiting"), Some(&json!(true)), "{waits}");
    let refused = psql::run(&cluster.login(1).unwrap(), "SELECT 1").await.unwrap();
    assert_ne!(refused.code, Some(0), "a node that drains opens no session: {refused:?}");

    let said = psql.finish().await.unwrap();
    assert_ne!(said.code, Some(0));
    assert!(said.stderr.contains(&format!("Hold {id} stays open")), "{}", said.stderr);
    assert_eq!(ended(node).await.code(), Some(0));
    let parked = reviewer.hold(&id).await.unwrap();
    assert_eq!(at(&parked, "/state"), "pending", "{parked}");
    assert_eq!(parked.pointer("/waiting"), Some(&json!(false)), "{parked}");

    reviewer.approve(&hold).await.unwrap();
    let said = psql::run(&cluster.login(3).unwrap(), sql).await.unwrap();
    assert_eq!((said.code, said.stdout.contains("21")), (Some(0), true), "{said:?}");
    reviewer.until_state(&id, "consumed").await.unwrap();
    assert_eq!(cluster.postgres.received("WHERE id = 21").unwrap(), 1);
    cluster.check_logs(PEER_LOSS).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_asked_twice_ends_at_once() {
    let cluster = Cluster::start().await.unwrap();
    cluster.kill(1).await.unwrap();
    let node = node_1(&cluster).await;
    let sql = "DELETE FROM orders WHERE id = 22 RETURNING id";
    let mut psql = psql::spawn(&cluster.login(1).unwrap(), sql).unwrap();
    psql.until_told("DETAIL:").await.unwrap();
    ask(&node);
    cluster.until_unready(1).await.unwrap();
    let begun = Instant::now();
    ask(&node);
    assert_eq!(ended(node).await.code(), Some(0));
    assert!(begun.elapsed() < DRAIN / 2, "it took {:?}", begun.elapsed());
    assert_ne!(psql.finish().await.unwrap().code, Some(0));
    let reviewer = cluster.api(2, "CS_REVIEWER_TOKEN").unwrap();
    assert_eq!(at(&reviewer.pending(sql).await.unwrap(), "/state"), "pending");
    cluster.check_logs(&[PEER_LOSS, AT_ONCE].concat()).unwrap();
}
