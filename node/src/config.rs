//! The node's configuration: `node.toml`, over which the environment goes, over the defaults.
//!
//! Unknown keys are errors. Every setting with its default, its environment variable and its meaning is in
//! [`SETTINGS`]. `check` reads the files that settings name, so that a node does not find out at two in the morning.

mod check;
mod load;
mod settings;

pub use check::{Problem, check, warnings};
pub use load::{ConfigError, load};
pub use settings::{SETTINGS, Setting};

use crate::bucket::BucketSettings;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

/// The whole configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// See [`SETTINGS`].
    pub node_id: Option<u64>,
    /// See [`SETTINGS`].
    pub data_dir: PathBuf,
    /// The cluster and this node's place in it.
    pub cluster: Cluster,
    /// The certificate of the listeners.
    pub tls: Tls,
    /// Where the node listens.
    pub listen: Listen,
    /// How silent peers are asked whether they are there.
    pub keepalive: Keepalive,
    /// What the node allows at most.
    pub limits: Limits,
    /// How sessions are recorded.
    pub recordings: RecordingSettings,
    /// How the audit is archived.
    pub archive: ArchiveSettings,
    /// What the node says about itself.
    pub telemetry: Telemetry,
}

/// The cluster and this node's place in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cluster {
    /// See [`SETTINGS`].
    pub name: String,
    /// See [`SETTINGS`].
    pub listen: SocketAddr,
    /// See [`SETTINGS`].
    pub advertise: Option<String>,
    /// See [`SETTINGS`].
    pub join: Vec<String>,
    /// See [`SETTINGS`].
    pub token_file: Option<PathBuf>,
    /// See [`SETTINGS`].
    pub peer_overrides: Vec<String>,
    /// See [`SETTINGS`].
    pub heartbeat_ms: u64,
    /// See [`SETTINGS`].
    pub election_min_ms: u64,
    /// See [`SETTINGS`].
    pub election_max_ms: u64,
    /// See [`SETTINGS`].
    pub steady_ms: u64,
}

/// The certificate of the API and protocol listeners. Never the one that nodes use among themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// See [`SETTINGS`].
    pub cert_file: PathBuf,
    /// See [`SETTINGS`].
    pub key_file: PathBuf,
    /// See [`SETTINGS`].
    pub ca_file: Option<PathBuf>,
}

/// Where the node listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "a setting for each listener, as in the file")]
pub struct Listen {
    /// See [`SETTINGS`].
    pub api: SocketAddr,
    /// See [`SETTINGS`].
    pub api_url: Option<String>,
    /// See [`SETTINGS`].
    pub postgres: SocketAddr,
    /// See [`SETTINGS`].
    pub ssh: SocketAddr,
    /// See [`SETTINGS`].
    pub ssh_host_key_file: Option<PathBuf>,
    /// See [`SETTINGS`].
    pub ssh_names: Vec<String>,
    /// See [`SETTINGS`].
    pub kubernetes: SocketAddr,
    /// See [`SETTINGS`].
    pub metrics: SocketAddr,
    /// See [`SETTINGS`].
    pub api_proxy_protocol: bool,
    /// See [`SETTINGS`].
    pub postgres_proxy_protocol: bool,
    /// See [`SETTINGS`].
    pub ssh_proxy_protocol: bool,
    /// See [`SETTINGS`].
    pub kubernetes_proxy_protocol: bool,
    /// See [`SETTINGS`].
    pub balancers: Vec<String>,
}

/// How TCP asks agents and targets that are silent whether they are there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Keepalive {
    /// See [`SETTINGS`].
    pub idle_seconds: u64,
    /// See [`SETTINGS`].
    pub interval_seconds: u64,
    /// See [`SETTINGS`].
    pub probes: u32,
}

/// What the node allows at most.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// See [`SETTINGS`].
    pub sessions: usize,
    /// See [`SETTINGS`].
    pub open_holds_per_agent: u64,
    /// See [`SETTINGS`].
    pub holds_per_agent_per_minute: u64,
    /// See [`SETTINGS`].
    pub credentials_per_agent: u64,
    /// See [`SETTINGS`].
    pub failed_logins_per_minute: u32,
    /// See [`SETTINGS`].
    pub balancer_ms: u64,
    /// See [`SETTINGS`].
    pub api_connections_per_address: usize,
    /// See [`SETTINGS`].
    pub drain_ms: u64,
}

/// How sessions are recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RecordingSettings {
    /// See [`SETTINGS`].
    pub places: RecordingPlaces,
    /// See [`SETTINGS`].
    pub key: Option<String>,
    /// See [`SETTINGS`].
    pub earlier_keys: Vec<String>,
    /// See [`SETTINGS`].
    pub local_mib: u64,
    /// Where they are kept outside of the nodes.
    pub bucket: BucketSettings,
}

/// Where segments of recordings must be to be durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordingPlaces {
    /// On the node's own disk.
    Local,
    /// On another node's too.
    Peers,
}

/// How the audit is archived, where there is a bucket or a folder for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ArchiveSettings {
    /// See [`SETTINGS`].
    pub shared_folder: Option<PathBuf>,
    /// See [`SETTINGS`].
    pub after_minutes: u64,
    /// See [`SETTINGS`].
    pub most_events: u64,
}

/// What the node says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Telemetry {
    /// See [`SETTINGS`].
    pub log_format: LogFormat,
    /// See [`SETTINGS`].
    pub log_level: String,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// One JSON object a line, for collectors.
    Json,
    /// For people.
    Text,
}

impl Config {
    /// The address under which other nodes reach this one's cluster listener.
    pub fn advertise(&self) -> String {
        self.cluster.advertise.clone().unwrap_or_else(|| self.cluster.listen.to_string())
    }

    /// The addresses of `cluster.peer_overrides` by node; `None` when an entry cannot be read.
    pub fn peer_overrides(&self) -> Option<BTreeMap<u64, String>> {
        let entry = |entry: &String| {
            let (node, address) = entry.split_once('=')?;
            let (host, port) = address.rsplit_once(':')?;
            port.parse::<u16>().ok().filter(|_| !host.is_empty())?;
            Some((node.parse().ok()?, address.to_owned()))
        };
        self.cluster.peer_overrides.iter().map(entry).collect()
    }

    /// As the sockets are set.
    pub fn tcp_keepalive(&self) -> countersign_edge::Keepalive {
        let Keepalive { idle_seconds, interval_seconds, probes } = self.keepalive;
        countersign_edge::Keepalive {
            idle: Duration::from_secs(idle_seconds),
            interval: Duration::from_secs(interval_seconds),
            probes,
        }
    }

    /// The URL under which people and other nodes reach this node's API, without a slash at the end.
    pub fn api_url(&self) -> String {
        let url =
            self.listen.api_url.clone().unwrap_or_else(|| format!("https://{}", self.listen.api));
        url.trim_end_matches('/').to_owned()
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            node_id: None,
            data_dir: PathBuf::from("/var/lib/countersign"),
            cluster: Cluster::default(),
            tls: Tls::default(),
            listen: Listen::default(),
            keepalive: Keepalive::default(),
            limits: Limits::default(),
            recordings: RecordingSettings::default(),
            archive: ArchiveSettings::default(),
            telemetry: Telemetry::default(),
        }
    }
}

impl Default for Cluster {
    fn default() -> Self {
        Self {
            name: "countersign".to_owned(),
            listen: everywhere(7400),
            advertise: None,
            join: Vec::new(),
            token_file: None,
            peer_overrides: Vec::new(),
            heartbeat_ms: 100,
            election_min_ms: 500,
            election_max_ms: 1000,
            steady_ms: 10_000,
        }
    }
}

impl Default for Tls {
    fn default() -> Self {
        Self {
            cert_file: PathBuf::from("/etc/countersign/tls.crt"),
            key_file: PathBuf::from("/etc/countersign/tls.key"),
            ca_file: None,
        }
    }
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            api: everywhere(7443),
            api_url: None,
            postgres: everywhere(7432),
            ssh: everywhere(7422),
            ssh_host_key_file: None,
            ssh_names: Vec::new(),
            kubernetes: everywhere(7446),
            metrics: SocketAddr::from((Ipv4Addr::LOCALHOST, 7490)),
            api_proxy_protocol: false,
            postgres_proxy_protocol: false,
            ssh_proxy_protocol: false,
            kubernetes_proxy_protocol: false,
            balancers: Vec::new(),
        }
    }
}

impl Default for Keepalive {
    fn default() -> Self {
        Self { idle_seconds: 15, interval_seconds: 15, probes: 4 }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sessions: 10_000,
            open_holds_per_agent: 100,
            holds_per_agent_per_minute: 4000,
            credentials_per_agent: 1000,
            failed_logins_per_minute: 60,
            api_connections_per_address: 512,
            balancer_ms: 5000,
            drain_ms: 10_000,
        }
    }
}

impl Default for RecordingSettings {
    fn default() -> Self {
        Self {
            places: RecordingPlaces::Peers,
            key: None,
            earlier_keys: Vec::new(),
            local_mib: 0,
            bucket: BucketSettings::default(),
        }
    }
}

impl Default for ArchiveSettings {
    fn default() -> Self {
        Self { shared_folder: None, after_minutes: 24 * 60, most_events: 1_000_000 }
    }
}

impl Default for Telemetry {
    fn default() -> Self {
        Self {
            log_format: LogFormat::Text,
            log_level: "info,openraft=error,rustls=error".to_owned(),
        }
    }
}

fn everywhere(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))
}

#[cfg(test)]
mod tests;
