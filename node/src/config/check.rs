//! What can be wrong with settings that each can be read: `countersign check`, and the first step of `serve`.

use super::Config;
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

/// Every problem of a configuration that could be read.
pub fn check(config: &Config) -> Vec<Problem> {
    [names(config), timing(config), addresses(config), files(config), limits(config)].concat()
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

fn files(config: &Config) -> Vec<Problem> {
    let needed = [
        ("tls.cert_file", Some(&config.tls.cert_file)),
        ("tls.key_file", Some(&config.tls.key_file)),
        ("tls.ca_file", config.tls.ca_file.as_ref()),
    ];
    needed
        .into_iter()
        .filter_map(|(setting, path)| path.map(|path| (setting, path)))
        .filter_map(|(setting, path)| unreadable(path).map(|why| (setting, path, why)))
        .map(|(setting, path, why)| Problem {
            place: setting.to_owned(),
            message: format!("cannot read {}: {why}", path.display()),
            hint: Some("it must be a PEM file that the node's user may read".to_owned()),
        })
        .collect()
}

fn unreadable(path: &Path) -> Option<std::io::Error> {
    std::fs::File::open(path).err()
}

fn limits(config: &Config) -> Vec<Problem> {
    if config.limits.sessions > 0 {
        return Vec::new();
    }
    vec![problem("limits.sessions", "0 admits nobody", "leave it out for the default")]
}

fn problem(place: &str, message: impl Into<String>, hint: impl Into<String>) -> Problem {
    Problem { place: place.to_owned(), message: message.into(), hint: Some(hint.into()) }
}
