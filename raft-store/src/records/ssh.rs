//! The cluster's keys for SSH.

use countersign_core::log_time::LogTime;

/// What a key of the cluster's is for. Each has keys of its own: what agents log in with here opens no target, and what opens
/// a target is no agent's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum SshRole {
    /// The host key that the gateway shows to agents, the same on all nodes.
    Host = 1,
    /// Signs certificates of the host key.
    HostAuthority = 2,
    /// Signs agents' certificates.
    AgentAuthority = 3,
    /// Signs a session's certificate towards a target.
    SessionAuthority = 4,
}

impl SshRole {
    /// Every role.
    pub const ALL: &[Self] =
        &[Self::Host, Self::HostAuthority, Self::AgentAuthority, Self::SessionAuthority];

    /// The name in the API and the audit.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::HostAuthority => "host_authority",
            Self::AgentAuthority => "agent_authority",
            Self::SessionAuthority => "session_authority",
        }
    }

    /// The role of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|role| role.name() == name)
    }
}

/// A key, drawn by a node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DrawnSshKey {
    /// What for.
    pub role: SshRole,
    /// Its public half (Ed25519).
    pub public_key: [u8; 32],
    /// Its secret half, sealed under the cluster key.
    pub sealed_key: Vec<u8>,
}

/// A key of the cluster's. It is published before it is used, so that those who pin keys can learn it in time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SshKeyRecord {
    /// The how manyth of its role, from 1.
    pub number: u64,
    /// The key.
    pub key: DrawnSshKey,
    /// Log time from which on it is published.
    pub published_at: LogTime,
    /// Log time from which on it is used, instead of the one before.
    pub used_from: LogTime,
}
