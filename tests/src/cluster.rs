//! A throw-away cluster of real node processes, by `countersignctl dev`, in front of a private PostgreSQL.

use crate::{
    agent::Login,
    api::Api,
    api_server::{ApiServer, User},
    environment::Environment,
    folder::Folder,
    node_log,
    postgres::PrivatePostgres,
    process, programs,
    ssh_host::SshHost,
    wait::{self, Look, PATIENCE},
};
use anyhow::{Context as _, bail, ensure};
use reqwest::StatusCode;
use rustix::process::Signal;
use std::{
    path::{Path, PathBuf},
    process::{Command as Blocking, Stdio},
    time::Duration,
};
use tokio::process::Command;

/// How long a command of `dev` may take. `up` measures the disk and waits for the nodes to be ready.
const COMMAND_DEADLINE: Duration = Duration::from_secs(90);

/// The cluster. Dropping it stops everything and removes its folder.
#[derive(Debug)]
pub struct Cluster {
    /// The target.
    pub postgres: PrivatePostgres,
    beside: Beside,
    environment: Environment,
    control: PathBuf,
    nodes: usize,
    /// Last, so that it outlives the processes in it.
    folder: Folder,
}

/// A target beside the database.
#[derive(Debug)]
enum Beside {
    Nothing,
    Ssh(SshHost),
    Kubernetes(ApiServer),
}

impl Beside {
    /// What `dev up` is told of it.
    fn options(&self) -> anyhow::Result<Vec<String>> {
        Ok(match self {
            Self::Nothing => Vec::new(),
            Self::Ssh(host) => host.options(),
            Self::Kubernetes(server) => {
                let file = server.kubeconfig(User::Admin)?;
                vec!["--kubeconfig".to_owned(), file.display().to_string()]
            }
        })
    }
}

impl Cluster {
    /// Three nodes, all ready.
    pub async fn start() -> anyhow::Result<Self> {
        let folder = Folder::new()?;
        Self::before(folder, Beside::Nothing).await
    }

    /// The same, with an SSH target beside the database.
    pub async fn before_an_ssh_host() -> anyhow::Result<Self> {
        let folder = Folder::new()?;
        let host = SshHost::start(&folder).await?;
        Self::before(folder, Beside::Ssh(host)).await
    }

    /// The same, with a Kubernetes target beside the database.
    pub async fn before_an_api_server() -> anyhow::Result<Self> {
        let folder = Folder::new()?;
        let server = ApiServer::start(&folder).await?;
        Self::before(folder, Beside::Kubernetes(server)).await
    }

    /// The Kubernetes target.
    pub fn api_server(&self) -> anyhow::Result<&ApiServer> {
        match &self.beside {
            Beside::Kubernetes(server) => Ok(server),
            Beside::Nothing | Beside::Ssh(_) => bail!("this cluster has no Kubernetes target"),
        }
    }

    async fn before(folder: Folder, beside: Beside) -> anyhow::Result<Self> {
        let postgres = PrivatePostgres::start(&folder).await?;
        let control = programs::ours("countersignctl")?;
        let environment = Environment::parse("");
        let mut cluster = Self { postgres, beside, environment, control, nodes: 3, folder };
        let up = cluster.bring_up().await;
        if up.is_err() {
            node_log::keep(&cluster.dev_folder());
        }
        up.map(|()| cluster)
    }

    async fn bring_up(&mut self) -> anyhow::Result<()> {
        let url = self.postgres.url();
        let beside = self.beside.options()?;
        let mut up = vec!["up", "--nodes", "3", "--postgres", &url];
        up.extend(beside.iter().map(String::as_str));
        self.dev(&up).await?;
        self.read_environment().await?;
        self.nodes = self.environment.get("CS_NODES")?.parse()?;
        for node in self.every_node() {
            self.until_ready(node).await?;
        }
        Ok(())
    }

    /// The numbers of the nodes, from 1.
    pub fn every_node(&self) -> std::ops::RangeInclusive<usize> {
        1..=self.nodes
    }

    /// What `dev env` says of this cluster.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// Where the test may write.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// `countersignctl dev …`: its standard output.
    pub async fn dev(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let mut command = Command::new(&self.control);
        command.arg("dev").arg("--dir").arg(self.dev_folder()).args(arguments);
        let output = tokio::time::timeout(
            COMMAND_DEADLINE,
            command.stdin(Stdio::null()).kill_on_drop(true).output(),
        )
        .await
        .with_context(|| format!("`dev {arguments:?}` did not end in {COMMAND_DEADLINE:?}"))??;
        let stderr = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "`dev {arguments:?}`: {}\n{stderr}", output.status);
        Ok(String::from_utf8(output.stdout)?)
    }

    /// `countersignctl …` as a person with this token, on this node.
    pub fn control(&self, node: usize, token: &str) -> anyhow::Result<Command> {
        let mut command = Command::new(&self.control);
        command
            .env("COUNTERSIGN_SERVER", self.environment.of_node("CS_API", node)?)
            .env("COUNTERSIGN_CA_FILE", self.environment.get("CS_CA")?)
            .env("COUNTERSIGN_TOKEN", token)
            .env("NO_COLOR", "1")
            .env("XDG_CONFIG_HOME", self.path())
            .env("XDG_STATE_HOME", self.path())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        Ok(command)
    }

    /// The HTTP API of a node, for the holder of the token that `dev env` calls by this name, such as
    /// `CS_REVIEWER_TOKEN`.
    pub fn api(&self, node: usize, token_name: &str) -> anyhow::Result<Api> {
        self.api_with(node, self.environment.get(token_name)?)
    }

    /// The HTTP API of a node, for the holder of this token.
    pub fn api_with(&self, node: usize, token: &str) -> anyhow::Result<Api> {
        Api::new(self.environment.of_node("CS_API", node)?, self.environment.get("CS_CA")?, token)
    }

    /// How the agent `ci-bot` logs in at a node.
    pub fn login(&self, node: usize) -> anyhow::Result<Login> {
        self.login_with(node, self.environment.get("CS_AGENT_TOKEN")?)
    }

    /// How the agent with this token logs in at a node.
    pub fn login_with(&self, node: usize, token: &str) -> anyhow::Result<Login> {
        let address = self.environment.of_node("CS_PG", node)?;
        let (host, port) = address.rsplit_once(':').context("not host:port")?;
        Ok(Login {
            host: host.to_owned(),
            port: port.parse()?,
            database: self.environment.get("CS_TARGET_PG")?.to_owned(),
            user: "app".to_owned(),
            token: token.to_owned(),
            ca_file: self.environment.get("CS_CA")?.into(),
            options: None,
            certificate: None,
        })
    }

    /// The process of a node, as last seen.
    pub fn pid(&self, node: usize) -> anyhow::Result<u32> {
        Ok(self.environment.of_node("CS_PID", node)?.parse()?)
    }

    /// SIGKILL.
    pub async fn kill(&self, node: usize) -> anyhow::Result<()> {
        let pid = self.pid(node)?;
        self.dev(&["kill", &node.to_string()]).await?;
        wait::until("the node's process to be gone", PATIENCE, async || {
            Ok(Look::some((!process::is_running(pid)).then_some(()), "it runs"))
        })
        .await
    }

    /// Starts a node that was killed, and waits until it is ready.
    pub async fn start_node(&mut self, node: usize) -> anyhow::Result<()> {
        self.launch_node(node).await?;
        self.until_ready(node).await
    }

    /// Starts a node that was killed. Without a quorum it will not get ready.
    pub async fn launch_node(&mut self, node: usize) -> anyhow::Result<()> {
        self.dev(&["start", &node.to_string()]).await?;
        self.read_environment().await
    }

    /// SIGSTOP: the process is still there and answers nothing.
    pub fn freeze(&self, node: usize) -> anyhow::Result<()> {
        process::signal(self.pid(node)?, Signal::STOP);
        Ok(())
    }

    /// SIGCONT.
    pub fn thaw(&self, node: usize) -> anyhow::Result<()> {
        process::signal(self.pid(node)?, Signal::CONT);
        Ok(())
    }

    /// Waits until the node may take agents.
    pub async fn until_ready(&self, node: usize) -> anyhow::Result<()> {
        self.until_readiness(node, StatusCode::OK).await
    }

    /// Waits until the node says that it may not take agents.
    pub async fn until_unready(&self, node: usize) -> anyhow::Result<()> {
        self.until_readiness(node, StatusCode::SERVICE_UNAVAILABLE).await
    }

    async fn until_readiness(&self, node: usize, wanted: StatusCode) -> anyhow::Result<()> {
        let api = self.api_with(node, "")?;
        wait::until(&format!("/readyz of node {node} to say {wanted}"), PATIENCE, async || {
            let answer = api.get("/readyz?verbose").await?;
            Ok(Look::some((answer.status == wanted).then_some(()), answer.to_string()))
        })
        .await
    }

    /// The node that leads, as a node says.
    pub async fn leader(&self, asked: usize) -> anyhow::Result<usize> {
        let api = self.api(asked, "CS_ADMIN_TOKEN")?;
        wait::until("a leader", PATIENCE, async || {
            let answer = api.get("/v1/cluster").await?;
            let leader = answer.body.get("leader").and_then(serde_json::Value::as_u64);
            Ok(Look::some(leader.and_then(|id| usize::try_from(id).ok()), answer.to_string()))
        })
        .await
    }

    /// Fails if a node logged a warning or an error that is not on the list. Each entry is a part of a line.
    pub fn check_logs(&self, expected: &[&str]) -> anyhow::Result<()> {
        let unlisted = node_log::unlisted(&self.dev_folder(), expected)?;
        if unlisted.is_empty() {
            Ok(())
        } else {
            bail!("the nodes logged:\n{}", unlisted.join("\n"))
        }
    }

    async fn read_environment(&mut self) -> anyhow::Result<()> {
        self.environment = Environment::parse(&self.dev(&["env"]).await?);
        Ok(())
    }

    fn dev_folder(&self) -> PathBuf {
        self.folder.path().join("dev")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for node in self.every_node() {
            // A frozen process would not hear the request to end.
            drop(self.thaw(node));
        }
        if std::thread::panicking() {
            node_log::keep(&self.dev_folder());
        }
        let mut down = Blocking::new(&self.control);
        down.arg("dev").arg("--dir").arg(self.dev_folder()).arg("down");
        drop(down.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status());
        for pid in process::mentioning(&self.dev_folder()) {
            process::signal(pid, Signal::KILL);
        }
    }
}
