//! An SSH target as its administrator defined it. Secrets are references here, resolved when the target is dialled.

use crate::line::Keepalive;
use countersign_core::{id::Revision, secret::Secret, target::TargetName};
use russh::keys::PublicKey;
use std::{collections::BTreeMap, fmt, io, path::PathBuf, sync::Arc};

/// The longest secret in a file or variable, in bytes.
const MAX_SECRET: u64 = 64 * 1024;

/// Where the adapter finds the definitions of targets.
pub trait Targets: Send + Sync + fmt::Debug {
    /// The target of this name as it is defined now, with the revision of just this definition; `None` when there is none
    /// or it is of another protocol.
    fn ssh(&self, name: &TargetName) -> Option<(Revision, Arc<SshTarget>)>;
}

/// An SSH target.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SshTarget {
    /// Its name.
    pub name: TargetName,
    /// A host name or address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// By what it is known.
    pub trust: HostTrust,
    /// The roles that agents may name.
    pub roles: BTreeMap<String, TargetRole>,
    /// How it is asked whether it is there.
    pub keepalive: Keepalive,
}

/// By what a host is known. A host that is not known by any of it is not talked to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct HostTrust {
    keys: Vec<PublicKey>,
    authorities: Vec<PublicKey>,
    name: String,
}

/// A line that is no public key.
#[derive(Debug, thiserror::Error)]
#[error("a host key is a line as in `ssh_host_ed25519_key.pub`")]
pub struct HostKeyError(#[source] russh::keys::ssh_key::Error);

impl HostTrust {
    /// Trusts these host keys, and those that one of the authorities certified for `name`: lines as in a `.pub` file.
    pub fn new(
        keys: &[String],
        authorities: &[String],
        name: String,
    ) -> Result<Self, HostKeyError> {
        let read = |lines: &[String]| {
            let key = |line: &String| PublicKey::from_openssh(line).map_err(HostKeyError);
            lines.iter().map(key).collect::<Result<Vec<_>, _>>()
        };
        Ok(Self { keys: read(keys)?, authorities: read(authorities)?, name })
    }

    /// The pinned keys.
    pub(crate) fn keys(&self) -> &[PublicKey] {
        &self.keys
    }

    /// Who certifies host keys.
    pub(crate) fn authorities(&self) -> &[PublicKey] {
        &self.authorities
    }

    /// The name that a certificate is for.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

/// A role of a target: whom the gateway is at the target.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TargetRole {
    /// The login at the target.
    pub user: String,
    /// What proves that the gateway is it.
    pub proof: RoleProof,
    /// Whether agents that give their own name use this role.
    pub is_default: bool,
}

/// What the gateway logs in with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RoleProof {
    /// A private key, in OpenSSH's format.
    Key(SecretReference),
    /// A private key, and a certificate for it of an authority that the target trusts.
    Certificate {
        /// The key.
        key: SecretReference,
        /// The certificate.
        certificate: SecretReference,
    },
}

/// Where a secret is to be found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SecretReference {
    /// In a file.
    File(PathBuf),
    /// In an environment variable of the node.
    Environment(String),
}

/// A secret reference that cannot be read or resolved.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The text is no reference.
    #[error("a secret is `file:PATH` or `env:NAME`")]
    Reference,
    /// The file cannot be read.
    #[error("the secret's file cannot be read")]
    File(#[source] io::Error),
    /// The file is longer than a secret can be.
    #[error("the secret's file is too long")]
    TooLong,
    /// The variable is not set.
    #[error("the secret's environment variable is not set")]
    Environment,
}

impl SecretReference {
    /// Reads `file:PATH` or `env:NAME`.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        match text.split_once(':') {
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(path.into())),
            Some(("env", name)) if !name.is_empty() => Ok(Self::Environment(name.to_owned())),
            Some(_) | None => Err(SecretError::Reference),
        }
    }

    /// The secret as it is now.
    pub(crate) async fn resolve(&self) -> Result<Secret, SecretError> {
        match self {
            Self::Environment(name) => {
                std::env::var(name).map(Secret::new).map_err(|_| SecretError::Environment)
            }
            Self::File(path) => {
                let length = tokio::fs::metadata(path).await.map_err(SecretError::File)?.len();
                if length > MAX_SECRET {
                    return Err(SecretError::TooLong);
                }
                tokio::fs::read(path).await.map(Secret::new).map_err(SecretError::File)
            }
        }
    }
}

impl SshTarget {
    /// The role that an agent of this name means by `login`: a role of the target, or the default one by its own name.
    pub fn role(&self, login: &str, agent: &str) -> Option<(&str, &TargetRole)> {
        let named = self.roles.get_key_value(login);
        let own = || self.roles.iter().find(|(_, role)| role.is_default && login == agent);
        named.or_else(own).map(|(name, role)| (name.as_str(), role))
    }
}
