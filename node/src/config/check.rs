//! What can be wrong with settings that each can be read: `countersign check`, and the first step of `serve`.

use super::{Config, Keepalive};
use crate::{
    arrivals::Told,
    bucket,
    cluster::{self, JoinTokenText},
    recording, telemetry,
    tls::{self, Clients, TlsError},
};
use countersign_raft_store::limits::{
    MAX_CREDENTIALS_PER_AGENT, MAX_HOLDS_A_PERIOD, MAX_OPEN_HOLDS_PER_AGENT,
};
use std::{fmt, path::Path};

/// A problem of the configuration: where, what, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The setting, and where it was set.
    pub place: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}

/// The longest cluster name: it is a label of DNS names in certificates (RFC 1035, section 2.3.4).
const MAX_CLUSTER_NAME: usize = 40;

/// Names of the gateway in a host certificate for SSH: what a balancer may be called.
const MAX_SSH_NAMES: usize = 32;
/// The longest name of a host (RFC 1035, section 2.3.4).
const MAX_SSH_NAME: usize = 255;

/// Every problem of a configuration that could be read.
pub fn check(config: &Config) -> Vec<Problem> {
    [
        names(config),
        timing(config),
        addresses(config),
        balancers(config),
        ssh_names(config),
        files(config),
        limits(config),
        keepalive(config),
        recordings(config),
        archive(config),
        log_level(config),
    ]
    .concat()
}

fn names(config: &Config) -> Vec<Problem> {
    let name = &config.cluster.name;
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let fits = (1..=MAX_CLUSTER_NAME).contains(&name.len())
        && name.starts_with(plain)
        && name.ends_with(plain)
        && name.chars().all(|c| plain(c) || c == '-');
    if fits {
        return Vec::new();
    }
    vec![problem(
        "cluster.name",
        format!("`{name}` cannot be part of a DNS name"),
        format!("use 1 to {MAX_CLUSTER_NAME} characters of a-z, 0-9 and `-`"),
    )]
}

fn timing(config: &Config) -> Vec<Problem> {
    let cluster = &config.cluster;
    let (heartbeat, min, max) =
        (cluster.heartbeat_ms, cluster.election_min_ms, cluster.election_max_ms);
    if heartbeat >= 10 && min >= heartbeat.saturating_mul(3) && max > min {
        return Vec::new();
    }
    vec![problem(
        "cluster.heartbeat_ms, election_min_ms, election_max_ms",
        format!("{heartbeat} / {min} / {max} do not fit together"),
        "heartbeat at least 10, election_min at least three heartbeats, election_max greater than election_min",
    )]
}

fn addresses(config: &Config) -> Vec<Problem> {
    let (cluster, listen) = (&config.cluster, &config.listen);
    let mut problems = Vec::new();
    if cluster.advertise.is_none() && cluster.listen.ip().is_unspecified() {
        problems.push(problem(
            "cluster.advertise",
            format!("other nodes cannot reach this one at {}", cluster.listen),
            "set it to the host:port under which they can",
        ));
    }
    if listen.api_url.is_none() && listen.api.ip().is_unspecified() {
        problems.push(problem(
            "listen.api_url",
            format!("people and nodes cannot reach the API at https://{}", listen.api),
            "set it to the URL under which they can",
        ));
    }
    if listen.api_url.as_deref().is_some_and(|url| !url.starts_with("https://")) {
        problems.push(problem(
            "listen.api_url",
            "the API is served over https only",
            "write https://HOST:PORT",
        ));
    }
    if !cluster.join.iter().all(|url| url.starts_with("https://")) {
        problems.push(problem(
            "cluster.join",
            "a join token goes only over https",
            "write https://HOST:PORT of a node's listen.api",
        ));
    }
    if config.peer_overrides().is_none() {
        problems.push(problem(
            "cluster.peer_overrides",
            "an entry is not NODE=HOST:PORT",
            "write them like \"2=10.0.0.7:7400\"",
        ));
    }
    if !cluster.join.is_empty() && cluster.token_file.is_none() {
        problems.push(problem(
            "cluster.token_file",
            "joining needs a token",
            "`countersignctl cluster token create` makes one",
        ));
    }
    problems
}

fn balancers(config: &Config) -> Vec<Problem> {
    let listen = &config.listen;
    let told = Told::of_api(listen)
        .and_then(|_| Told::of_postgres(listen))
        .and_then(|_| Told::of_ssh(listen))
        .and_then(|_| Told::of_kubernetes(listen));
    let Err(error) = told else { return Vec::new() };
    let hint = "list the addresses from which the balancers connect to this node";
    vec![problem("listen.balancers", error.to_string(), hint)]
}

fn files(config: &Config) -> Vec<Problem> {
    let mut problems = Vec::new();
    // The certificate and the key are looked at together, as they are used.
    tls::install_provider();
    if let Err(error) = tls::server_config(&config.tls, &[], Clients::Unasked) {
        problems.push(unusable("tls.cert_file and tls.key_file", &error));
    }
    if let Some(path) = &config.tls.ca_file
        && let Err(error) = tls::certificates(path)
    {
        problems.push(unusable("tls.ca_file", &error));
    }
    // Once the node has joined, its token has done its work and may be gone.
    if let Some(path) = &config.cluster.token_file
        && !cluster::is_member(&config.data_dir)
        && let Some(why) = no_join_token(path)
    {
        let hint = "`countersignctl cluster token create` makes a token; the file holds it alone";
        let message = format!("{}: {why}", path.display());
        problems.push(problem("cluster.token_file", message, hint));
    }
    problems
}

fn unusable(place: &str, error: &TlsError) -> Problem {
    let why = std::error::Error::source(error).map(|why| format!(": {why}")).unwrap_or_default();
    let hint = "they must be PEM files that the node's user may read, and belong together";
    problem(place, format!("{error}{why}"), hint)
}

fn no_join_token(path: &Path) -> Option<String> {
    match std::fs::read_to_string(path) {
        Ok(text) => text.parse::<JoinTokenText>().err().map(|error| error.to_string()),
        Err(error) => Some(format!("cannot read it: {error}")),
    }
}

fn limits(config: &Config) -> Vec<Problem> {
    let limits = &config.limits;
    let wrong = [
        ("limits.sessions", limits.sessions == 0, "0 admits nobody"),
        (
            "limits.open_holds_per_agent",
            !(1..=MAX_OPEN_HOLDS_PER_AGENT).contains(&limits.open_holds_per_agent),
            "it is from 1 to 100000",
        ),
        (
            "limits.holds_per_agent_per_minute",
            !(1..=MAX_HOLDS_A_PERIOD).contains(&limits.holds_per_agent_per_minute),
            "it is from 1 to 100000",
        ),
        (
            "limits.credentials_per_agent",
            !(1..=MAX_CREDENTIALS_PER_AGENT).contains(&limits.credentials_per_agent),
            "it is from 1 to 10000",
        ),
        (
            "limits.failed_logins_per_minute",
            limits.failed_logins_per_minute == 0,
            "0 would leave no refused proof of identity in the audit",
        ),
        (
            "limits.api_connections_per_address",
            limits.api_connections_per_address == 0,
            "0 lets nobody connect to the API",
        ),
    ];
    let wrong = wrong.into_iter().filter(|(_, wrong, _)| *wrong);
    wrong
        .map(|(place, _, message)| problem(place, message, "leave it out for the default"))
        .collect()
}

/// What the operating system takes (Linux: `MAX_TCP_KEEPIDLE`, `MAX_TCP_KEEPINTVL`, `MAX_TCP_KEEPCNT`).
fn keepalive(config: &Config) -> Vec<Problem> {
    let Keepalive { idle_seconds, interval_seconds, probes } = config.keepalive;
    let seconds = 1..=32_767;
    if seconds.contains(&idle_seconds)
        && seconds.contains(&interval_seconds)
        && (1..=127).contains(&probes)
    {
        return Vec::new();
    }
    vec![problem(
        "keepalive.idle_seconds, interval_seconds, probes",
        format!("{idle_seconds} / {interval_seconds} / {probes} is not what TCP takes"),
        "1 to 32767 seconds each, 1 to 127 probes",
    )]
}

fn recordings(config: &Config) -> Vec<Problem> {
    let settings = &config.recordings;
    let keys = settings.key.iter().map(|key| ("recordings.key", key));
    let earlier = settings.earlier_keys.iter().map(|key| ("recordings.earlier_keys", key));
    let hint = "write file:PATH, env:NAME or command:PROGRAM; `openssl rand -hex 32` makes a key";
    let keys = keys.chain(earlier).filter_map(|(place, key)| {
        let error = recording::check_key(key).err()?;
        Some(problem(place, error.to_string(), hint))
    });
    let hint = "`countersign settings` says what each setting of the bucket means";
    let bucket = bucket::check(&settings.bucket).into_iter();
    keys.chain(bucket.map(|(place, why)| problem(place, why, hint))).collect()
}

/// The folder of the archive is never made: one that is missing is one that nobody has mounted.
fn archive(config: &Config) -> Vec<Problem> {
    let Some(folder) = &config.archive.shared_folder else { return Vec::new() };
    let why = match std::fs::metadata(folder) {
        Ok(found) if found.is_dir() => return Vec::new(),
        Ok(_) => "it is no folder".to_owned(),
        Err(error) => error.to_string(),
    };
    let hint = "mount or make the folder, the same one on every node, before the node starts";
    vec![problem("archive.shared_folder", format!("{}: {why}", folder.display()), hint)]
}

fn ssh_names(config: &Config) -> Vec<Problem> {
    let names = &config.listen.ssh_names;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
    let is_name = |name: &&String| !name.is_empty() && name.chars().all(plain);
    let odd = names.iter().find(|name| !is_name(name) || name.len() > MAX_SSH_NAME);
    let hint = "names and addresses as clients write them, without ports and patterns";
    let found = if names.len() > MAX_SSH_NAMES {
        Some(format!("{} names; {MAX_SSH_NAMES} at most", names.len()))
    } else {
        odd.map(|name| format!("`{name}` is no name of a host"))
    };
    found.map(|message| problem("listen.ssh_names", message, hint)).into_iter().collect()
}

fn log_level(config: &Config) -> Vec<Problem> {
    let level = &config.telemetry.log_level;
    let Err(error) = telemetry::filter(level) else { return Vec::new() };
    let hint = "error, warn, info, debug, trace, or directives such as info,countersign_node=debug";
    vec![problem("telemetry.log_level", format!("`{level}`: {error}"), hint)]
}

/// What can be meant and probably is not.
pub fn warnings(config: &Config) -> Vec<Problem> {
    let (listen, mut found) = (&config.listen, Vec::new());
    if !listen.metrics.ip().is_loopback() {
        found.push(problem(
            "listen.metrics",
            format!("metrics are served at {} without encryption, to whoever asks", listen.metrics),
            "listen on loopback, or see to it that only the collector reaches it",
        ));
    }
    let heard = [
        listen.api_proxy_protocol,
        listen.postgres_proxy_protocol,
        listen.ssh_proxy_protocol,
        listen.kubernetes_proxy_protocol,
    ];
    if !listen.balancers.is_empty() && !heard.contains(&true) {
        found.push(problem(
            "listen.balancers",
            "balancers are listed, and no listener hears their PROXY headers",
            "set listen.postgres_proxy_protocol, or that of another listener",
        ));
    }
    found
}

fn problem(place: &str, message: impl Into<String>, hint: impl Into<String>) -> Problem {
    Problem { place: place.to_owned(), message: message.into(), hint: Some(hint.into()) }
}
