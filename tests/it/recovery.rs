//! The drill: a cluster loses its quorum for good and begins anew on the disk that is left; and a snapshot becomes a node.

use countersign_tests::{
    api::at, cluster::Cluster, node_log::PEER_LOSS, process, programs, psql, wait,
};
use serde_json::json;
use std::process::{Output, Stdio};
use tokio::process::Command;

const PASSPHRASE: &str = "sixteen bytes and more";
/// What is said of a recovery.
const RECOVERED: &[&str] = &["begins a new epoch", "the cluster was recovered"];

async fn ended(command: &mut Command) -> Output {
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output();
    tokio::time::timeout(wait::PATIENCE, output).await.unwrap().unwrap()
}

/// `countersignctl …` as the administrator, on node 1; its standard output.
async fn control(cluster: &Cluster, arguments: &[&str]) -> String {
    let admin = cluster.environment().get("CS_ADMIN_TOKEN").unwrap();
    let output = ended(cluster.control(1, admin).unwrap().args(arguments)).await;
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

async fn countersign(arguments: &[&str]) -> Output {
    ended(Command::new(programs::ours("countersign").unwrap()).args(arguments)).await
}

/// The configuration of a machine that nothing is on.
fn empty_machine(cluster: &Cluster) -> String {
    let text = std::fs::read_to_string(cluster.path().join("dev/node-1/node.toml")).unwrap();
    let mut file: toml::Table = text.parse().unwrap();
    file.remove("node_id");
    let folder = cluster.path().join("restored");
    file.insert("data_dir".to_owned(), folder.to_str().unwrap().into());
    let path = cluster.path().join("restored.toml");
    std::fs::write(&path, file.to_string()).unwrap();
    path.to_str().unwrap().to_owned()
}

const SQL: &str = "DELETE FROM orders WHERE id = 41 RETURNING id";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_was_approved_before_a_recovery_is_let_through_behind_it() {
    let mut cluster = Cluster::start().await.unwrap();
    let id = approved(&cluster).await;
    // A snapshot in which the approval waits to be claimed; then it is claimed.
    let (file, secret) = (cluster.path().join("state.snapshot"), cluster.path().join("secret"));
    std::fs::write(&secret, format!("{PASSPHRASE}\n")).unwrap();
    let (file, secret) = (file.to_str().unwrap(), secret.to_str().unwrap());
    control(&cluster, &["cluster", "snapshot", "save", file, "--passphrase-file", secret]).await;
    control(&cluster, &["cluster", "snapshot", "verify", file, "--passphrase-file", secret]).await;
    let said = psql::run(&cluster.login(2).unwrap(), SQL).await.unwrap();
    assert_eq!(said.code, Some(0), "{said:?}");
    lose_two_and_recover(&mut cluster).await;
    agents_wait_for_an_administrator(&cluster).await;

    // The snapshot becomes a node of its own: what was approved in it, and was claimed behind it, is void.
    cluster.kill(1).await.unwrap();
    let mut node = restored(&cluster, &["--snapshot", file, "--passphrase-file", secret]).await;
    let reviewer = cluster.api(1, "CS_REVIEWER_TOKEN").unwrap();
    assert_eq!(at(&reviewer.hold(&id).await.unwrap(), "/state"), "invalidated");
    let mut psql = psql::spawn(&cluster.login(1).unwrap(), SQL).unwrap();
    let told = psql.until_told("DETAIL:").await.unwrap();
    assert!(!told.contains(&id), "the old approval is offered again: {told}");
    psql.vanish().await.unwrap();
    control(&cluster, &["audit", "verify", "--live"]).await;
    process::signal(node.id().unwrap(), rustix::process::Signal::TERM);
    drop(tokio::time::timeout(wait::PATIENCE, node.wait()).await);
    cluster.check_logs(&[PEER_LOSS, RECOVERED].concat()).unwrap();
}

/// A hold that is approved, and that nobody waits for; its id.
async fn approved(cluster: &Cluster) -> String {
    let mut psql = psql::spawn(&cluster.login(1).unwrap(), SQL).unwrap();
    psql.until_told("DETAIL:").await.unwrap();
    let reviewer = cluster.api(1, "CS_REVIEWER_TOKEN").unwrap();
    let hold = reviewer.pending(SQL).await.unwrap();
    let id = at(&hold, "/id").to_owned();
    psql.vanish().await.unwrap();
    reviewer.approve(&hold).await.unwrap();
    reviewer.until_state(&id, "approved").await.unwrap();
    id
}

/// Two of three are lost for good: nothing goes any more, until the third is made a cluster of its own.
async fn lose_two_and_recover(cluster: &mut Cluster) {
    for node in [2, 3] {
        cluster.kill(node).await.unwrap();
        std::fs::remove_dir_all(cluster.path().join(format!("dev/node-{node}/data"))).ok();
    }
    cluster.until_unready(1).await.unwrap();
    let toml = cluster.path().join("dev/node-1/node.toml");
    let toml = toml.to_str().unwrap();
    let running = countersign(&["recover", "--config", toml, "--confirm", "dev"]).await;
    assert_eq!(running.status.code(), Some(1), "a node that runs was recovered");
    cluster.kill(1).await.unwrap();
    let asked = countersign(&["recover", "--config", toml, "--confirm", "other"]).await;
    let told = String::from_utf8_lossy(&asked.stderr).into_owned();
    assert_eq!(asked.status.code(), Some(2), "{told}");
    assert!(told.contains("--confirm dev"), "{told}");
    let done = countersign(&["recover", "--config", toml, "--confirm", "dev"]).await;
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));

    cluster.launch_node(1).await.unwrap();
}

/// The cluster of one takes agents once an administrator has looked, and its audit is one chain across both epochs.
async fn agents_wait_for_an_administrator(cluster: &Cluster) {
    let api = cluster.api(1, "CS_ADMIN_TOKEN").unwrap();
    let seen = wait::until("the cluster of one", wait::PATIENCE, async || {
        let seen = api.get("/v1/cluster").await;
        let alone = seen.as_ref().is_ok_and(|it| it.body["quorum"] == true);
        let seen = seen.map(|it| it.body).unwrap_or_default();
        Ok(wait::Look::some(alone.then(|| seen.clone()), seen.to_string()))
    })
    .await
    .unwrap();
    assert_eq!(seen["nodes"].as_array().unwrap().len(), 1, "{seen}");
    assert_eq!(seen["epoch"]["number"], 2, "{seen}");
    // No agent before an administrator has looked; `/readyz` says why.
    let ready = cluster.api_with(1, "").unwrap().get("/readyz?verbose").await.unwrap();
    assert_eq!(ready.status.as_u16(), 503, "{ready}");
    assert!(ready.to_string().contains("reopened"), "{ready}");
    let said = psql::run(&cluster.login(1).unwrap(), "SELECT 1").await.unwrap();
    assert_ne!(said.code, Some(0), "{said:?}");
    control(cluster, &["cluster", "reopen"]).await;
    cluster.until_ready(1).await.unwrap();
    let said = psql::run(&cluster.login(1).unwrap(), "SELECT 1").await.unwrap();
    assert_eq!(said.code, Some(0), "{said:?}");

    control(cluster, &["audit", "verify", "--live"]).await;
    let query = ["audit", "search", "kind:cluster_changed", "-o", "json"];
    let events = control(cluster, &query).await;
    assert!(events.contains("the disk of node 1"), "{events}");
}

/// A node that runs on what the snapshot of these arguments is of, reopened.
async fn restored(cluster: &Cluster, from: &[&str]) -> tokio::process::Child {
    let config = empty_machine(cluster);
    let from = [&["--config", &config], from].concat();
    let api = cluster.api(1, "CS_ADMIN_TOKEN").unwrap();
    let asked = countersign(&[&["restore"], from.as_slice()].concat()).await;
    assert_eq!(asked.status.code(), Some(2), "{}", String::from_utf8_lossy(&asked.stderr));
    let done = countersign(&[&["restore"], from.as_slice(), &["--confirm", "dev"]].concat()).await;
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let again = countersign(&[&["restore"], from.as_slice(), &["--confirm", "dev"]].concat()).await;
    assert_eq!(again.status.code(), Some(1), "it was restored over itself");
    let log = cluster.path().join("dev/logs/node-1.log");
    let log = std::fs::File::options().append(true).open(log).unwrap();
    let node = Command::new(programs::ours("countersign").unwrap())
        .args(["serve", "--config", &config])
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    wait::until("the restored cluster", wait::PATIENCE, async || {
        let reopened = api.post("/v1/cluster/reopen", &json!({})).await;
        let done = reopened.as_ref().is_ok_and(|it| it.status.is_success());
        Ok(wait::Look::some(done.then_some(()), format!("{:?}", reopened.map(|it| it.to_string()))))
    })
    .await
    .unwrap();
    cluster.until_ready(1).await.unwrap();
    let restored = api.get("/v1/cluster").await.unwrap().body;
    assert_eq!(
        (restored["node"].as_u64(), restored["epoch"]["number"].as_u64()),
        (Some(4), Some(2))
    );
    node
}
