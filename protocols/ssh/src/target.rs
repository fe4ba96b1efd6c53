//! An SSH target as its administrator defined it. Secrets are references here, resolved when the target is dialled.

use countersign_core::{
    id::{Revision, SessionId},
    secret::Secret,
    target::TargetName,
};
use countersign_edge::{Keepalive, SecretReference};
use russh::keys::PublicKey;
use std::{collections::BTreeMap, fmt, sync::Arc};

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
    /// A key of each connection's own, which the [`SessionAuthority`] certifies for the login.
    Certified,
}

/// Certifies what sessions log in to targets with.
pub trait SessionAuthority: Send + Sync + fmt::Debug {
    /// A new key, and a certificate for it as a user's that counts for `user`, and for about as long as a login takes. What
    /// it says of itself has the session's id in it, for the target's log.
    fn pass(&self, user: &str, session: SessionId) -> Result<Pass, NotCertified>;
}

/// A key with its certificate.
#[derive(Clone, Debug)]
pub struct Pass {
    /// The private key, in OpenSSH's format.
    pub key: Secret,
    /// The certificate, a line as in a `.pub` file.
    pub certificate: String,
}

/// There is no certificate.
#[derive(Debug, thiserror::Error)]
#[error("the cluster does not certify the session")]
pub struct NotCertified(#[source] pub Box<dyn std::error::Error + Send + Sync>);

impl SshTarget {
    /// The role that an agent of this name means by `login`: a role of the target, or the default one by its own name.
    pub fn role(&self, login: &str, agent: &str) -> Option<(&str, &TargetRole)> {
        let named = self.roles.get_key_value(login);
        let own = || self.roles.iter().find(|(_, role)| role.is_default && login == agent);
        named.or_else(own).map(|(name, role)| (name.as_str(), role))
    }
}
