//! What a development cluster consists of, as it is remembered between commands.

use super::{
    directory::Directory,
    process::{Ending, Running},
};
use crate::{
    failure::{Failure, Status},
    files,
};
use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The whole of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) nodes: Vec<Node>,
    pub(super) issuer: Issuer,
    pub(super) links: Vec<Link>,
    pub(super) links_process: Option<Running>,
    /// libpq URL of the PostgreSQL behind the target.
    pub(super) postgres: Option<String>,
    /// Whether there is an SSH target.
    #[serde(default)]
    pub(super) ssh: bool,
    /// Whether there is a Kubernetes target.
    #[serde(default)]
    pub(super) kubernetes: bool,
    /// The program that runs as node; the `countersign` beside this one when it is not said.
    #[serde(default)]
    pub(super) node_binary: Option<PathBuf>,
}

/// One node; its ports stay the same over restarts.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Node {
    pub(super) id: u64,
    pub(super) api: u16,
    pub(super) postgres: u16,
    #[serde(default)]
    pub(super) ssh: u16,
    #[serde(default)]
    pub(super) kubernetes: u16,
    pub(super) cluster: u16,
    pub(super) metrics: u16,
    pub(super) process: Option<Running>,
}

impl Node {
    pub(super) fn api_url(&self) -> String {
        format!("https://127.0.0.1:{}", self.api)
    }
}

/// The identity issuer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Issuer {
    pub(super) port: u16,
    pub(super) process: Option<Running>,
}

impl Issuer {
    pub(super) fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }
}

/// The way by which node `from` reaches node `to`: it dials `listen`, and comes out at the other's cluster port.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Link {
    pub(super) from: u64,
    pub(super) to: u64,
    pub(super) listen: u16,
    pub(super) connect: u16,
}

impl State {
    /// The program that runs as node, by its name or its absolute path.
    pub(super) fn node_program(&self) -> String {
        let said = self.node_binary.as_ref().map(|path| path.to_string_lossy().into_owned());
        said.unwrap_or_else(|| "countersign".to_owned())
    }

    /// The remembered state.
    pub(super) fn load(directory: &Directory) -> Result<Self, Failure> {
        let file = directory.state_file();
        if !file.exists() {
            let message =
                format!("there is no development cluster in {}", directory.path().display());
            return Err(
                Failure::new(Status::NotFound, message).hint("`countersignctl dev up` makes one")
            );
        }
        let text = files::read_text(&file)?;
        let read = serde_json::from_str(&text)
            .with_context(|| format!("cannot read {}", file.display()))?;
        Ok(read)
    }

    /// Remembers it.
    pub(super) fn save(&self, directory: &Directory) -> anyhow::Result<()> {
        files::write_private(&directory.state_file(), serde_json::to_string_pretty(self)?)
    }

    pub(super) fn node_mut(&mut self, id: u64) -> Result<&mut Node, Failure> {
        let count = self.nodes.len();
        self.nodes.iter_mut().find(|node| node.id == id).ok_or_else(|| {
            Failure::new(
                Status::NotFound,
                format!("there is no node {id}: there are nodes 1 to {count}"),
            )
        })
    }

    /// Every process that is remembered.
    pub(super) fn processes(&self) -> impl Iterator<Item = Running> + '_ {
        let nodes = self.nodes.iter().filter_map(|node| node.process);
        nodes.chain(self.links_process).chain(self.issuer.process)
    }

    /// Ends every process, nodes first.
    pub(super) async fn end_all(&mut self) -> anyhow::Result<()> {
        let alive: Vec<_> = self.processes().filter(Running::is_alive).collect();
        for running in alive {
            running.end(Ending::Kill).await?;
        }
        Ok(())
    }
}
