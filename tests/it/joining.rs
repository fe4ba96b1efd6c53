//! A node that wants to come in, and what its configuration says about its id.

use countersign_tests::{cluster::Cluster, postgres, programs, wait};
use serde_json::Value;
use std::process::{Output, Stdio};
use tokio::process::Command;

/// The configuration of a fourth node that wants this id.
fn configuration(cluster: &Cluster, id: u64) -> String {
    let (dev, data) = (cluster.path().join("dev"), cluster.path().join("fourth"));
    let (dev, data) = (dev.display(), data.display());
    let port = || postgres::free_port().unwrap();
    format!(
        r#"
node_id = {id}
data_dir = "{data}"
[cluster]
name = "dev"
listen = "127.0.0.1:{}"
join = ["{}"]
token_file = "{data}.token"
[tls]
cert_file = "{dev}/tls/listener.crt"
key_file = "{dev}/tls/listener.key"
ca_file = "{dev}/tls/ca.crt"
[listen]
api = "127.0.0.1:{}"
postgres = "127.0.0.1:{}"
metrics = "127.0.0.1:{}"
"#,
        port(),
        cluster.environment().of_node("CS_API", 1).unwrap(),
        port(),
        port(),
        port(),
    )
}

fn serve(cluster: &Cluster, id: u64) -> Command {
    let file = cluster.path().join("fourth.toml");
    std::fs::write(&file, configuration(cluster, id)).unwrap();
    let mut command = Command::new(programs::ours("countersign").unwrap());
    command.args(["serve", "--config"]).arg(file).stdin(Stdio::null()).kill_on_drop(true);
    command
}

async fn nodes(cluster: &Cluster) -> Vec<Value> {
    let answer = cluster.api(1, "CS_ADMIN_TOKEN").unwrap().get("/v1/cluster").await.unwrap();
    answer.body.get("nodes").and_then(Value::as_array).unwrap().clone()
}

async fn said(command: &mut Command) -> Output {
    tokio::time::timeout(wait::PATIENCE, command.output()).await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_wants_another_id_leaves_nothing_behind_and_its_token_stays_good() {
    let cluster = Cluster::start().await.unwrap();
    let admin = cluster.environment().get("CS_ADMIN_TOKEN").unwrap();
    let made = said(cluster.control(1, admin).unwrap().args(["cluster", "token", "create"])).await;
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    std::fs::write(cluster.path().join("fourth.token"), &made.stdout).unwrap();

    let refused = said(&mut serve(&cluster, 9)).await;
    assert_eq!(refused.status.code(), Some(1));
    let why = String::from_utf8_lossy(&refused.stderr);
    assert!(why.contains("wants id 9, and the cluster would give it 4"), "{why}");
    assert_eq!(nodes(&cluster).await.len(), 3);

    let _fourth = serve(&cluster, 4).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait::until("node 4 to be in", wait::PATIENCE, async || {
        let nodes = nodes(&cluster).await;
        Ok(wait::Look::some((nodes.len() == 4).then_some(()), format!("{nodes:?}")))
    })
    .await
    .unwrap();
}
