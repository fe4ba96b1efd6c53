//! kubectl as the agent, at a node.

use crate::{api::Api, cluster::Cluster};
use anyhow::Context as _;
use std::process::Stdio;
use tokio::process::Command;

/// Where clients find the Kubernetes target at a node.
pub fn server(cluster: &Cluster, node: usize) -> anyhow::Result<String> {
    let environment = cluster.environment();
    let address = environment.of_node("CS_K8S", node)?;
    Ok(format!("https://{address}/k8s/{}", environment.get("CS_TARGET_K8S")?))
}

/// kubectl as `ci-bot` at a node.
pub fn client(cluster: &Cluster, node: usize, arguments: &[&str]) -> anyhow::Result<Command> {
    let environment = cluster.environment();
    let mut command = Command::new("kubectl");
    command
        .args(["--kubeconfig", "/dev/null", "--server", &server(cluster, node)?])
        .args(["--certificate-authority", environment.get("CS_CA")?])
        .args(["--token", environment.get("CS_AGENT_TOKEN")?])
        .arg("--cache-dir")
        .arg(cluster.path().join("kubectl"))
        .args(arguments)
        .env("HOME", cluster.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    Ok(command)
}

/// The target's API through a node, as `ci-bot` writes its requests itself.
pub fn api(cluster: &Cluster, node: usize) -> anyhow::Result<Api> {
    let environment = cluster.environment();
    let token = environment.get("CS_AGENT_TOKEN").context("no token")?;
    Api::new(&server(cluster, node)?, environment.get("CS_CA")?, token)
}
