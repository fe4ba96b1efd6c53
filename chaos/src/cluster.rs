//! The cluster under test: real node processes, started and broken through `countersignctl dev`.
//! Signals go to the processes directly; links are cut where the development cluster keeps them.

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Stdio,
};
use tokio::process::Command;

/// A development cluster in a directory of its own.
#[derive(Debug)]
pub struct Cluster {
    ctl: PathBuf,
    dir: PathBuf,
    nodes: usize,
}

/// What a run needs to know of a cluster: the assignments of `countersignctl dev env`.
#[derive(Debug, Clone)]
pub struct Environment(BTreeMap<String, String>);

impl Cluster {
    /// Starts `nodes` nodes in front of the PostgreSQL at `postgres`. `node_binary` replaces the node's executable.
    pub async fn up(
        dir: &Path,
        nodes: usize,
        postgres: &str,
        node_binary: Option<&Path>,
    ) -> Result<Self> {
        let ctl = sibling("countersignctl")?;
        let cluster = Self { ctl, dir: dir.to_owned(), nodes };
        let count = nodes.to_string();
        let mut arguments = vec!["up", "--nodes", count.as_str(), "--postgres", postgres];
        let binary = node_binary.map(|path| path.to_string_lossy().into_owned());
        if let Some(binary) = &binary {
            arguments.extend(["--node-binary", binary.as_str()]);
        }
        cluster.dev(&arguments).await?;
        Ok(cluster)
    }

    /// How many nodes there are.
    pub fn nodes(&self) -> usize {
        self.nodes
    }

    /// Addresses, tokens and process ids, as they are now.
    pub async fn environment(&self) -> Result<Environment> {
        let text = self.dev(&["env"]).await?;
        let assignments =
            text.lines().filter_map(|line| line.trim_start_matches("export ").split_once('='));
        Ok(Environment(
            assignments
                .map(|(name, value)| (name.to_owned(), value.trim_matches(['\'', '"']).to_owned()))
                .collect(),
        ))
    }

    /// SIGKILL.
    pub async fn kill(&self, node: usize) -> Result<()> {
        self.dev(&["kill", &node.to_string()]).await.map(drop)
    }

    /// SIGTERM, and the end of the process awaited.
    pub async fn terminate(&self, node: usize) -> Result<()> {
        self.dev(&["stop", &node.to_string()]).await.map(drop)
    }

    /// Starts a node with the data it has.
    pub async fn start(&self, node: usize) -> Result<()> {
        self.dev(&["start", &node.to_string()]).await.map(drop)
    }

    /// Cuts the links of a node: both ways, or only `in` or `out`.
    pub async fn partition(&self, node: usize, one_way: Option<&str>) -> Result<()> {
        let node = node.to_string();
        let mut arguments = vec!["partition", node.as_str()];
        if let Some(direction) = one_way {
            arguments.extend(["--one-way", direction]);
        }
        self.dev(&arguments).await.map(drop)
    }

    /// Joins all links again.
    pub async fn heal(&self) -> Result<()> {
        self.dev(&["heal"]).await.map(drop)
    }

    /// SIGSTOP.
    pub async fn freeze(&self, node: usize) -> Result<()> {
        self.signal(node, Signal::STOP).await
    }

    /// SIGCONT.
    pub async fn thaw(&self, node: usize) -> Result<()> {
        self.signal(node, Signal::CONT).await
    }

    /// Stops everything and removes it.
    pub async fn down(&self) -> Result<()> {
        self.dev(&["down"]).await.map(drop)
    }

    async fn signal(&self, node: usize, signal: Signal) -> Result<()> {
        let environment = self.environment().await?;
        let pid = environment.get(&format!("CS_PID_{node}"))?.parse().ok().and_then(Pid::from_raw);
        kill_process(pid.with_context(|| format!("node {node} has no process"))?, signal)
            .with_context(|| format!("signal node {node}"))
    }

    async fn dev(&self, arguments: &[&str]) -> Result<String> {
        let output = Command::new(&self.ctl)
            .arg("dev")
            .arg("--dir")
            .arg(&self.dir)
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .await
            .with_context(|| format!("run {}", self.ctl.display()))?;
        if !output.status.success() {
            bail!(
                "countersignctl dev {}: {}",
                arguments.join(" "),
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

impl Environment {
    /// An assignment.
    pub fn get(&self, name: &str) -> Result<&str> {
        self.0
            .get(name)
            .map(String::as_str)
            .with_context(|| format!("the development cluster does not say {name}"))
    }
}

/// An executable that was built beside this one.
pub fn sibling(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe().context("find this executable")?;
    let path = own.parent().context("find this executable's folder")?.join(name);
    if path.exists() {
        return Ok(path);
    }
    bail!("{} is missing: build it with `cargo build --bins`", path.display())
}
