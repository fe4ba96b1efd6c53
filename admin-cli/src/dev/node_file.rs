//! The configuration of one node of a development cluster.

use super::{
    directory::Directory,
    state::{Link, Node},
};
use crate::files;
use serde::Serialize;
use std::path::PathBuf;

#[derive(Debug, Serialize)]
struct NodeFile {
    node_id: u64,
    data_dir: PathBuf,
    cluster: Cluster,
    tls: Tls,
    listen: Listen,
    limits: Limits,
}

#[derive(Debug, Serialize)]
struct Cluster {
    name: &'static str,
    listen: String,
    join: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_file: Option<PathBuf>,
    /// Nobody waits to see whether a node on this machine stays.
    steady_ms: u64,
    /// `ID=HOST:PORT`: the links, which can be cut.
    peer_overrides: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Tls {
    #[serde(rename = "cert_file")]
    certificate: PathBuf,
    #[serde(rename = "key_file")]
    key: PathBuf,
    #[serde(rename = "ca_file")]
    authority: PathBuf,
}

#[derive(Debug, Serialize)]
struct Listen {
    api: String,
    postgres: String,
    ssh: String,
    kubernetes: String,
    metrics: String,
}

#[derive(Debug, Serialize)]
struct Limits {
    /// Nothing stands in front of a development cluster that would have to notice.
    balancer_ms: u64,
}

/// How long a node that is stopped still takes agents.
const BALANCER_MS: u64 = 200;

/// How long a node that joins has to have been steady before it votes.
const STEADY_MS: u64 = 500;

/// The cluster's name.
pub(super) const CLUSTER: &str = "dev";

/// How a node gets into the cluster.
#[derive(Debug)]
pub(super) enum Entry {
    /// It is the first.
    First,
    /// It joins by the API of another, with a token.
    Joins {
        /// The other's API.
        url: String,
        /// The token.
        token: String,
    },
}

/// Writes the configuration of `node`, and its join token beside it.
pub(super) fn write(
    directory: &Directory,
    node: &Node,
    links: &[Link],
    entry: Entry,
) -> anyhow::Result<()> {
    let (join, token_file) = match entry {
        Entry::First => (Vec::new(), None),
        Entry::Joins { url, token } => {
            let file = directory.node(node.id).join("join-token");
            files::write_private(&file, token)?;
            (vec![url], Some(file))
        }
    };
    let own = links.iter().filter(|link| link.from == node.id);
    let tls = directory.tls();
    let local = |port: u16| format!("127.0.0.1:{port}");
    let file = NodeFile {
        node_id: node.id,
        data_dir: directory.node_data(node.id),
        cluster: Cluster {
            name: CLUSTER,
            listen: local(node.cluster),
            join,
            token_file,
            steady_ms: STEADY_MS,
            peer_overrides: own.map(|link| format!("{}={}", link.to, local(link.listen))).collect(),
        },
        tls: Tls {
            certificate: tls.join("listener.crt"),
            key: tls.join("listener.key"),
            authority: directory.ca_file(),
        },
        listen: Listen {
            api: local(node.api),
            postgres: local(node.postgres),
            ssh: local(node.ssh),
            kubernetes: local(node.kubernetes),
            metrics: local(node.metrics),
        },
        limits: Limits { balancer_ms: BALANCER_MS },
    };
    files::write_private(&directory.node_file(node.id), toml::to_string(&file)?)
}
