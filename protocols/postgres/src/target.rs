//! A PostgreSQL target as its administrator defined it. Secrets are references here, resolved when the target is dialled.

use countersign_core::{id::Revision, target::TargetName};
use countersign_edge::{Keepalive, SecretReference};
use std::{collections::BTreeMap, fmt, path::PathBuf, sync::Arc, time::Duration};

/// Where the adapter finds the definitions of targets.
pub trait Targets: Send + Sync + fmt::Debug {
    /// The target of this name as it is defined now, with the revision of just this definition; `None` when there is none
    /// or it is of another protocol.
    fn postgres(&self, name: &TargetName) -> Option<(Revision, Arc<PostgresTarget>)>;
}

/// A PostgreSQL target.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PostgresTarget {
    /// Its name.
    pub name: TargetName,
    /// Where it listens.
    pub address: TargetAddress,
    /// How its connection is protected.
    pub tls: TargetTls,
    /// The databases that agents may name; the first is the default.
    pub databases: Vec<String>,
    /// The schemas that unqualified names are looked up in, after `pg_catalog`.
    pub search_path: Vec<String>,
    /// The roles that agents may name.
    pub roles: BTreeMap<String, TargetRole>,
    /// How long a read that policy allows may run there, if it is to be limited.
    pub read_limit: Option<Duration>,
    /// What of the rows of its answers goes into recordings.
    pub record_rows: RecordedRows,
    /// Functions, as `name` or `schema.name`, that the administrator declares harmless.
    pub allow_functions: Vec<String>,
    /// How it is asked whether it is there.
    pub keepalive: Keepalive,
}

/// What of the rows of a target's answers goes into recordings.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum RecordedRows {
    /// Their number.
    #[default]
    None,
    /// Their values, as the agent sees them.
    Masked,
}

/// Where a target listens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TargetAddress {
    /// Over TCP.
    Tcp {
        /// A host name or address.
        host: String,
        /// The port.
        port: u16,
    },
    /// Over a Unix socket.
    Unix {
        /// The folder with the socket `.s.PGSQL.<port>`.
        directory: PathBuf,
        /// The port in the socket's name.
        port: u16,
    },
}

/// How the connection to a target is protected.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TargetTls {
    /// TLS with a certificate of one of these authorities, for the target's name. There is no fall-back from it.
    VerifyFull {
        /// The certificates of the authorities, PEM.
        ca_file: PathBuf,
        /// The name in the certificate, when it is not the host's.
        server_name: Option<String>,
        /// Whether logins must be bound to the connection.
        channel_binding: ChannelBinding,
    },
    /// None: a Unix socket, or loopback where the administrator says so.
    Disabled,
}

/// Whether the proof of a password must be bound to the TLS connection that it is given over (SCRAM-SHA-256-PLUS).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ChannelBinding {
    /// Where the target offers it.
    Preferred,
    /// Always: a target that does not offer it is not used.
    Required,
}

/// A role of a target: whom the gateway is at the target.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TargetRole {
    /// The user at the target.
    pub user: String,
    /// Its password; without one the target must not ask for any.
    pub password: Option<SecretReference>,
    /// The certificate that the gateway shows, which the target must then ask for.
    pub certificate: Option<ClientCertificate>,
    /// A role that may only read, taken for reads that policy allows.
    pub reader: Option<String>,
    /// Whether agents that give their own name use this role.
    pub is_default: bool,
}

/// A certificate of the gateway's own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClientCertificate {
    /// The certificate, and those between it and the authority, PEM.
    pub chain: SecretReference,
    /// Its private key, PEM.
    pub key: SecretReference,
}

impl PostgresTarget {
    /// The role that an agent of this name means by `user`: a role of the target, or the default one by its own name.
    pub fn role(&self, user: &str, agent: &str) -> Option<(&str, &TargetRole)> {
        let named = self.roles.get_key_value(user);
        let own = || self.roles.iter().find(|(_, role)| role.is_default && user == agent);
        named.or_else(own).map(|(name, role)| (name.as_str(), role))
    }

    /// The database that is meant: the first one, or one of the list.
    pub fn database(&self, wanted: Option<&str>) -> Option<&str> {
        let mut databases = self.databases.iter().map(String::as_str);
        match wanted {
            None => databases.next(),
            Some(wanted) => databases.find(|database| *database == wanted),
        }
    }
}
