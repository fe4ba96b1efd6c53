//! kubectl with a kubeconfig that has no token in it: `countersignctl` gets one for it, for one target alone.

use countersign_tests::{api::Api, cluster::Cluster, kubectl};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::{path::Path, process::Output};
use tokio::process::Command;

/// `countersignctl` as the agent.
async fn control(cluster: &Cluster, arguments: &[&str]) -> Output {
    let token = cluster.environment().get("CS_AGENT_TOKEN").unwrap();
    cluster.control(1, token).unwrap().args(arguments).output().await.unwrap()
}

/// kubectl as the kubeconfig says.
async fn run(cluster: &Cluster, config: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new("kubectl");
    command.arg("--kubeconfig").arg(config).arg("--cache-dir").arg(cluster.path().join("cached"));
    command.env("HOME", cluster.path()).env("XDG_CONFIG_HOME", cluster.path());
    command.env("COUNTERSIGN_TOKEN", cluster.environment().get("CS_AGENT_TOKEN").unwrap());
    command.args(arguments).kill_on_drop(true).output().await.unwrap()
}

/// What the plug-in hands out for a target.
async fn credential(cluster: &Cluster, target: &str) -> String {
    let ran = control(cluster, &["credential", "kubernetes", target]).await;
    assert!(ran.status.success(), "{ran:?}");
    let document: Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!(document["kind"], "ExecCredential");
    assert!(document["status"]["expirationTimestamp"].is_string(), "{document}");
    document["status"]["token"].as_str().unwrap().to_owned()
}

async fn version(cluster: &Cluster, token: &str) -> StatusCode {
    let authority = cluster.environment().get("CS_CA").unwrap();
    let api = Api::new(&kubectl::server(cluster, 2).unwrap(), authority, token).unwrap();
    api.call(Method::GET, "/version", None).await.unwrap().status
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_of_the_plug_in_counts_at_its_target_and_nowhere_else() {
    let cluster = Cluster::before_an_api_server().await.unwrap();
    let environment = cluster.environment();
    let target = environment.get("CS_TARGET_K8S").unwrap();
    let gateway = environment.of_node("CS_K8S", 3).unwrap();
    let printed = control(&cluster, &["kubeconfig", target, "--gateway", gateway]).await;
    assert!(printed.status.success(), "{printed:?}");
    let config = cluster.path().join("kubeconfig");
    std::fs::write(&config, &printed.stdout).unwrap();
    let token = environment.get("CS_AGENT_TOKEN").unwrap();
    assert!(!String::from_utf8_lossy(&printed.stdout).contains(token));

    let ran = run(&cluster, &config, &["version", "-o", "json"]).await;
    assert!(ran.status.success(), "{ran:?}");
    assert!(String::from_utf8_lossy(&ran.stdout).contains("v1.20"), "{ran:?}");
    // Questions about oneself are never held.
    let ran = run(&cluster, &config, &["auth", "can-i", "get", "pods", "-n", "dev"]).await;
    assert_eq!(String::from_utf8_lossy(&ran.stdout).trim(), "yes", "{ran:?}");

    let own = credential(&cluster, target).await;
    assert_eq!(version(&cluster, &own).await, StatusCode::OK);
    assert_eq!(version(&cluster, &credential(&cluster, "another").await).await, 401);
    assert_eq!(version(&cluster, "cs-token.wrong").await, 401);
    // It is no password of a database.
    cluster.login_with(1, &own).unwrap().connect().await.unwrap_err();
    let admin = cluster.api(1, "CS_ADMIN_TOKEN").unwrap();
    let issued = admin.get("/v1/credentials").await.unwrap();
    let id = own.split('.').nth(1).unwrap();
    assert!(issued.items().iter().any(|one| one["id"] == id && one["target"] == target));
    let revoked = json!({"credential": {"id": id}});
    let revoked = admin.post("/v1/revocations", &revoked).await.unwrap();
    assert_eq!(revoked.status, StatusCode::OK, "{revoked}");
    assert_eq!(version(&cluster, &own).await, 401);
}
