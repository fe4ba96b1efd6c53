//! The cluster under test: real node processes, started and broken through `countersignctl dev`.
//! Signals go to the processes directly; links are cut where the development cluster keeps them.

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
};
use tokio::{process::Command, sync::Mutex};

/// A development cluster in a directory of its own. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Cluster {
    ctl: PathBuf,
    dir: PathBuf,
    nodes: usize,
    /// One command of `dev` at a time; one that was begun is always finished, even when nobody waits for it any more, so
    /// that [`Self::down`] finds everything that was started.
    turn: Arc<Mutex<()>>,
}

/// What a run needs to know of a cluster: the assignments of `countersignctl dev env`.
#[derive(Debug, Clone)]
pub struct Environment(BTreeMap<String, String>);

impl Cluster {
    /// A cluster of `nodes` nodes that is going to be started in `dir`.
    pub fn new(dir: &Path, nodes: usize) -> Result<Self> {
        let ctl = sibling("countersignctl")?;
        Ok(Self { ctl, dir: dir.to_owned(), nodes, turn: Arc::default() })
    }

    /// Starts it in front of the PostgreSQL at `postgres`. `node_binary` replaces the node's executable.
    pub async fn up(&self, postgres: &str, node_binary: Option<&Path>) -> Result<()> {
        let count = self.nodes.to_string();
        let mut arguments = vec!["up", "--nodes", count.as_str(), "--postgres", postgres];
        let binary = node_binary.map(|path| path.to_string_lossy().into_owned());
        if let Some(binary) = &binary {
            arguments.extend(["--node-binary", binary.as_str()]);
        }
        self.dev(&arguments).await.map(drop)
    }

    /// How many nodes there are.
    pub fn nodes(&self) -> usize {
        self.nodes
    }

    /// Addresses, tokens and process ids, as they are now.
    pub async fn environment(&self) -> Result<Environment> {
        Ok(Environment::read(&self.dev(&["env"]).await?))
    }

    /// A fresh token of an agent.
    pub async fn agent_token(&self, subject: &str, owner: Option<&str>) -> Result<String> {
        let mut arguments = vec!["token", "agent", subject];
        if let Some(owner) = owner {
            arguments.extend(["--owner", owner]);
        }
        Ok(self.dev(&arguments).await?.trim().to_owned())
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

    /// Stops everything and removes it, frozen nodes too, whether it was started in whole, in part or not at all.
    pub async fn down(&self) -> Result<()> {
        if let Ok(environment) = self.environment().await {
            for node in 1..=self.nodes {
                if let Ok(pid) = environment.pid(node) {
                    // It may have ended meanwhile, which is what is wanted.
                    kill_process(pid, Signal::CONT).ok();
                }
            }
        }
        if self.dir.exists() { self.dev(&["down"]).await.map(drop) } else { Ok(()) }
    }

    async fn signal(&self, node: usize, signal: Signal) -> Result<()> {
        kill_process(self.environment().await?.pid(node)?, signal)
            .with_context(|| format!("signal node {node}"))
    }

    async fn dev(&self, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new(&self.ctl);
        command.arg("dev").arg("--dir").arg(&self.dir).args(arguments).stdin(Stdio::null());
        // Ctrl-C at the terminal is this program's to handle: it ends the cluster in order.
        command.process_group(0);
        let turn = Arc::clone(&self.turn);
        let finished = tokio::spawn(async move {
            let _turn = turn.lock_owned().await;
            command.output().await
        });
        let output = finished
            .await
            .context("a command of the development cluster panicked")?
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
    /// Reads the assignments as a POSIX shell would: `NAME='value'`, a quote inside being `'\''`.
    fn read(text: &str) -> Self {
        let assignment = |line: &str| {
            let (name, quoted) = line.strip_prefix("export ").unwrap_or(line).split_once('=')?;
            let value = quoted.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
            Some((name.to_owned(), value.unwrap_or(quoted).replace(r"'\''", "'")))
        };
        Self(text.lines().filter_map(assignment).collect())
    }

    fn pid(&self, node: usize) -> Result<Pid> {
        let pid = self.get(&format!("CS_PID_{node}"))?.parse().ok().and_then(Pid::from_raw);
        pid.with_context(|| format!("node {node} has no process"))
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assignments_are_read_as_a_shell_reads_them() {
        let text = concat!(
            "CS_A='plain'\n",
            r#"export CS_B='it'\''s "quoted"'"#,
            "\nCS_C=bare\nno assignment\n"
        );
        let read = Environment::read(text);
        assert_eq!(read.get("CS_A").unwrap(), "plain");
        assert_eq!(read.get("CS_B").unwrap(), r#"it's "quoted""#);
        assert_eq!(read.get("CS_C").unwrap(), "bare");
        assert!(read.get("CS_D").is_err());
    }
}
