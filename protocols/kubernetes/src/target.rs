//! A Kubernetes target as its administrator defined it. Secrets are references here, resolved when the target is dialled.

use countersign_core::{id::Revision, target::TargetName};
use countersign_edge::{Keepalive, SecretReference};
use std::{fmt, path::PathBuf, sync::Arc};

/// Where the adapter finds the definitions of targets.
pub trait Targets: Send + Sync + fmt::Debug {
    /// The target of this name as it is defined now, with the revision of just this definition; `None` when there is none
    /// or it is of another protocol.
    fn kubernetes(&self, name: &TargetName) -> Option<(Revision, Arc<KubernetesTarget>)>;
}

/// An API server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KubernetesTarget {
    /// Its name.
    pub name: TargetName,
    /// A host name or address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// By what it is known.
    pub tls: TargetTls,
    /// What the gateway logs in with.
    pub credential: Credential,
    /// Whether the gateway acts as the agent there.
    pub impersonation: Option<Impersonation>,
    /// How it is asked whether it is there.
    pub keepalive: Keepalive,
}

/// TLS with a certificate of one of these authorities, for the target's name. There is no other way to a target.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TargetTls {
    /// The certificates of the authorities, PEM.
    pub ca_file: PathBuf,
    /// The name in the certificate, when it is not the host's.
    pub server_name: Option<String>,
}

/// What the gateway logs in with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Credential {
    /// A bearer token.
    Token(SecretReference),
    /// A certificate, which the target must ask for.
    Certificate(ClientCertificate),
}

/// A certificate of the gateway's own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClientCertificate {
    /// The certificate, and those between it and the authority, PEM.
    pub chain: SecretReference,
    /// Its private key, PEM.
    pub key: SecretReference,
}

/// How agents are called at the target.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Impersonation {
    prefix: String,
}

/// A prefix that agents' names must not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the prefix of impersonated names has 1 to {MAX_PREFIX} characters of a-z, A-Z, 0-9 and -._:/@#, and does not begin with `system:`"
)]
pub struct PrefixError;

/// The longest prefix, in bytes.
const MAX_PREFIX: usize = 63;
/// What the API's own users and groups begin with. Nobody's name is to be read as one of them.
const RESERVED: &str = "system:";

impl Impersonation {
    /// Agents are called by their identity, and their groups by their names, behind this prefix.
    pub fn with_prefix(prefix: &str) -> Result<Self, PrefixError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._:/@#".contains(c);
        let fits = (1..=MAX_PREFIX).contains(&prefix.len())
            && prefix.chars().all(plain)
            && !prefix.to_ascii_lowercase().starts_with(RESERVED)
            && !RESERVED.starts_with(&prefix.to_ascii_lowercase());
        if fits { Ok(Self { prefix: prefix.to_owned() }) } else { Err(PrefixError) }
    }

    /// What stands before every name.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_prefix_makes_an_agent_one_of_the_apis_own_users_or_groups() {
        for good in ["countersign:", "agents/", "x", "systems:"] {
            assert_eq!(Impersonation::with_prefix(good).unwrap().prefix(), good);
        }
        // `sys` before a group `tem:masters` would be what it must not be.
        for bad in ["", "system:", "System:x", "system:node:", "sys", "s", "a b", "a\r\nb", "ä"] {
            assert_eq!(Impersonation::with_prefix(bad), Err(PrefixError), "{bad:?}");
        }
        assert_eq!(Impersonation::with_prefix(&"x".repeat(MAX_PREFIX + 1)), Err(PrefixError));
    }
}
