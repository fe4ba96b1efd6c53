//! Target: what agents reach. A PostgreSQL server is described here, an SSH server in `ssh_target`, an API server of
//! Kubernetes in `kubernetes_target`.

use super::{Invalid, KubernetesTarget, SecretReference, SshTarget};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, net::IpAddr, path::PathBuf, str::FromStr};
use utoipa::ToSchema;

/// The longest name of PostgreSQL (`NAMEDATALEN` - 1), in bytes.
const MAX_POSTGRES_NAME: usize = 63;
/// The longest limit of a read, in seconds: a day.
const MAX_READ_LIMIT: u32 = 24 * 60 * 60;
/// The port that an address without one means.
const POSTGRES_PORT: u16 = 5432;

/// The body of a Target: its protocol, and that protocol's settings.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum TargetSpec {
    /// A PostgreSQL server.
    Postgres(PostgresTarget),
    /// An SSH server.
    Ssh(SshTarget),
    /// A Kubernetes API server.
    Kubernetes(KubernetesTarget),
}

/// A PostgreSQL server as agents reach it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PostgresTarget {
    /// `host:port`, or `unix:/directory?port=5432` for the server's socket in that directory.
    pub address: String,
    /// How the connection is secured: verified TLS unless it is said otherwise.
    #[serde(default)]
    pub tls: TargetTls,
    /// The databases that agents may name; the first is the default.
    pub databases: Vec<String>,
    /// The search path of every session.
    #[serde(default = "default_search_path")]
    pub search_path: Vec<String>,
    /// The roles that agents may name, each with the login it means.
    pub roles: BTreeMap<String, PostgresRole>,
    /// Functions that are harmless to call, beyond those that the gateway knows: `name` or `schema.name`.
    #[serde(default)]
    pub allow_functions: Vec<String>,
    /// How long a read that policy allows may run, in seconds; without it, as long as the server lets it. What was approved
    /// is not limited by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_limit_seconds: Option<u32>,
    /// What of the rows of its answers goes into the recordings of sessions.
    #[serde(default)]
    pub record_rows: RecordRows,
}

/// What of the rows of answers goes into recordings.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum RecordRows {
    /// Their number.
    #[default]
    None,
    /// Their values, masked as for the agent.
    Masked,
}

fn default_search_path() -> Vec<String> {
    vec!["public".to_owned()]
}

/// How the connection to a target is secured.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TargetTls {
    /// Whether TLS is used.
    #[serde(default)]
    pub mode: TlsMode,
    /// The certificates to trust (PEM), on every node. `verify-full` needs them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub ca_file: Option<PathBuf>,
    /// The name in the target's certificate; the host of its address when it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
    /// Whether the proof of a password must be bound to the connection.
    #[serde(default)]
    pub channel_binding: BindingMode,
}

/// Channel binding of logins at a target (SCRAM-SHA-256-PLUS).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum BindingMode {
    /// Where the target offers it.
    #[default]
    Prefer,
    /// A target that does not offer it is not used.
    Require,
}

/// Whether TLS is used towards a target.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TlsMode {
    /// The target's certificate and name are verified.
    #[default]
    VerifyFull,
    /// No TLS: only for unix sockets and loopback addresses.
    Disable,
}

/// A role of a target.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PostgresRole {
    /// The user that the gateway logs in as.
    pub user: String,
    /// A reference to its password: `file:/path` or `env:NAME`. None for targets that ask for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// The certificate that the gateway logs in with, beside the password or instead of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<CertificateReferences>,
    /// A role that may only read, taken on for reads that policy allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reader: Option<String>,
    /// Whether an agent that names itself gets this role.
    #[serde(default)]
    pub default: bool,
}

/// References to a certificate of the gateway's own and to its key (PEM): `file:/path` or `env:NAME`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CertificateReferences {
    /// The certificate, and those between it and its authority.
    pub cert: String,
    /// Its private key.
    pub key: String,
}

/// A target's address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PostgresAddress {
    /// A host and a port.
    Tcp {
        /// A name or an IP address.
        host: String,
        /// The port.
        port: u16,
    },
    /// The socket of the server on this port, in this directory.
    Unix {
        /// The directory.
        directory: PathBuf,
        /// The port, which is part of the socket's name.
        port: u16,
    },
}

/// A text that is no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an address is host:port, [ipv6]:port, or unix:/absolute/directory?port=5432")]
pub struct AddressError;

impl FromStr for PostgresAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if let Some(rest) = text.strip_prefix("unix:") {
            let (directory, port) = match rest.split_once("?port=") {
                Some((directory, port)) => (directory, port.parse().map_err(|_| AddressError)?),
                None => (rest, POSTGRES_PORT),
            };
            let directory = PathBuf::from(directory);
            return if directory.is_absolute() {
                Ok(Self::Unix { directory, port })
            } else {
                Err(AddressError)
            };
        }
        let (host, port) = host_and_port(text).ok_or(AddressError)?;
        Ok(Self::Tcp { host, port })
    }
}

/// Reads `host:port` or `[ipv6]:port`.
pub(super) fn host_and_port(text: &str) -> Option<(String, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let port = port.parse().ok().filter(|port| *port != 0)?;
    let host = match host.strip_prefix('[') {
        Some(host) => host.strip_suffix(']')?,
        None if host.contains(':') => return None,
        None => host,
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    (!host.is_empty() && host.chars().all(plain)).then(|| (host.to_owned(), port))
}

impl PostgresAddress {
    /// Whether a connection without TLS cannot leave the machine.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Unix { .. } => true,
            Self::Tcp { host, .. } => host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback()),
        }
    }
}

impl TargetSpec {
    pub(super) fn check(&self, found: &mut Vec<Invalid>) {
        match self {
            Self::Postgres(target) => target.check(found),
            Self::Ssh(target) => target.check(found),
            Self::Kubernetes(target) => target.check(found),
        }
    }
}

impl PostgresTarget {
    /// The address, read.
    pub fn address(&self) -> Result<PostgresAddress, AddressError> {
        self.address.parse()
    }

    fn check(&self, found: &mut Vec<Invalid>) {
        self.check_connection(found);
        if self.databases.is_empty() {
            found.push(Invalid::at("/postgres/databases", "name at least one database"));
        }
        check_names("/postgres/databases", &self.databases, found);
        check_names("/postgres/search_path", &self.search_path, found);
        for (place, schema) in self.search_path.iter().enumerate() {
            if let Some(message) = schema_fault(schema) {
                found.push(Invalid::at(format!("/postgres/search_path/{place}"), message));
            }
        }
        if self.read_limit_seconds.is_some_and(|seconds| !(1..=MAX_READ_LIMIT).contains(&seconds)) {
            let message = format!("a limit is from 1 to {MAX_READ_LIMIT} seconds");
            found.push(Invalid::at("/postgres/read_limit_seconds", message));
        }
        for (place, function) in self.allow_functions.iter().enumerate() {
            if function.split('.').count() > 2 || function.split('.').any(str::is_empty) {
                let at = format!("/postgres/allow_functions/{place}");
                found.push(Invalid::at(at, "a function is `name` or `schema.name`"));
            }
        }
        self.check_roles(found);
    }

    fn check_connection(&self, found: &mut Vec<Invalid>) {
        let address = match self.address() {
            Ok(address) => address,
            Err(error) => {
                found.push(Invalid::at("/postgres/address", error.to_string()));
                return;
            }
        };
        match self.tls.mode {
            TlsMode::Disable if !address.is_local() => found.push(Invalid::at(
                "/postgres/tls/mode",
                "`disable` is only for unix sockets and loopback addresses: use verify-full",
            )),
            TlsMode::VerifyFull if matches!(address, PostgresAddress::Unix { .. }) => {
                found.push(Invalid::at(
                    "/postgres/tls/mode",
                    "PostgreSQL speaks no TLS on unix sockets: say `mode: disable`",
                ));
            }
            TlsMode::VerifyFull if self.tls.ca_file.is_none() => found.push(Invalid::at(
                "/postgres/tls/ca_file",
                "verify-full needs the certificates to trust",
            )),
            TlsMode::Disable if self.tls.channel_binding == BindingMode::Require => {
                found.push(Invalid::at(
                    "/postgres/tls/channel_binding",
                    "without TLS there is nothing to bind to",
                ));
            }
            TlsMode::VerifyFull | TlsMode::Disable => {}
        }
        if self.tls.ca_file.as_ref().is_some_and(|file| !file.is_absolute()) {
            found.push(Invalid::at("/postgres/tls/ca_file", "the path is absolute"));
        }
    }

    fn check_roles(&self, found: &mut Vec<Invalid>) {
        if self.roles.is_empty() {
            found.push(Invalid::at("/postgres/roles", "define at least one role"));
        }
        if self.roles.values().filter(|role| role.default).count() > 1 {
            found.push(Invalid::at("/postgres/roles", "only one role can be the default"));
        }
        for (name, role) in &self.roles {
            let at = format!("/postgres/roles/{}", name.replace('~', "~0").replace('/', "~1"));
            let names =
                [("", Some(name)), ("/user", Some(&role.user)), ("/reader", role.reader.as_ref())];
            for (part, value) in names {
                if let Some(message) = value.and_then(|value| name_fault(value)) {
                    found.push(Invalid::at(format!("{at}{part}"), message));
                }
            }
            self.check_proofs(role, &at, found);
        }
    }

    fn check_proofs(&self, role: &PostgresRole, at: &str, found: &mut Vec<Invalid>) {
        let certificate = role.certificate.as_ref();
        let references = [
            ("password", role.password.as_deref()),
            ("certificate/cert", certificate.map(|references| references.cert.as_str())),
            ("certificate/key", certificate.map(|references| references.key.as_str())),
        ];
        for (name, reference) in references {
            if let Some(Err(error)) = reference.map(str::parse::<SecretReference>) {
                found.push(Invalid::at(format!("{at}/{name}"), error.to_string()));
            }
        }
        if certificate.is_some() && self.tls.mode == TlsMode::Disable {
            let message = "a certificate is shown over TLS only";
            found.push(Invalid::at(format!("{at}/certificate"), message));
        }
        if role.password.is_none() && self.tls.channel_binding == BindingMode::Require {
            let message = "channel binding is the password's: without one there is none";
            found.push(Invalid::at(format!("{at}/password"), message));
        }
    }
}

fn check_names(at: &str, names: &[String], found: &mut Vec<Invalid>) {
    for (place, name) in names.iter().enumerate() {
        if let Some(message) = name_fault(name) {
            found.push(Invalid::at(format!("{at}/{place}"), message));
        }
    }
}

/// Why a schema has no place in a search path: it must mean the same for every session, and be no schema of the server's.
fn schema_fault(schema: &str) -> Option<&'static str> {
    if schema == "$user" {
        Some("`$user` is another schema for every role: name the schema")
    } else if schema == "pg_catalog" {
        Some("`pg_catalog` is searched first anyway; named, things would be created in it")
    } else if schema.starts_with("pg_temp") || schema.starts_with("pg_toast") {
        Some("temporary and internal schemas are not for a search path")
    } else {
        None
    }
}

fn name_fault(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        Some("a name is not empty")
    } else if name.len() > MAX_POSTGRES_NAME {
        Some("a name of PostgreSQL has at most 63 bytes")
    } else if name.chars().any(char::is_control) {
        Some("a name has no control characters")
    } else {
        None
    }
}
