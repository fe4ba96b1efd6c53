//! The cluster's keys for SSH, as far as they are public, and their rotation.

use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a key is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SshKeyRole {
    /// The host key that the gateway shows to agents, the same on all nodes.
    Host,
    /// Signs certificates of the host key: a `@cert-authority` of agents.
    HostAuthority,
    /// Signs agents' certificates. No target should trust it.
    AgentAuthority,
    /// Signs sessions' certificates towards targets: their `TrustedUserCAKeys`.
    SessionAuthority,
}

impl SshKeyRole {
    /// The name in documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::HostAuthority => "host_authority",
            Self::AgentAuthority => "agent_authority",
            Self::SessionAuthority => "session_authority",
        }
    }
}

/// A key: its public half.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct SshKey {
    /// What for.
    pub role: SshKeyRole,
    /// The how manyth of its role.
    pub number: u64,
    /// The key, as a line of a `.pub` file.
    pub public_key: String,
    /// Its fingerprint, as `ssh-keygen -l` shows it.
    pub fingerprint: String,
    /// Log time from which on it is published.
    pub published_at: Timestamp,
    /// From when on it is used, instead of the one before.
    pub used_from: Timestamp,
}

/// `GET /v1/ssh/keys`: of each role the key that is used, the one before it, and the next.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct SshKeys {
    /// The keys, by role and number.
    pub keys: Vec<SshKey>,
}

/// `POST /v1/ssh/keys`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateRequest {
    /// Which key.
    pub role: SshKeyRole,
    /// How long the new key is published before it is used, in seconds: at most 92 days.
    pub overlap_seconds: u64,
}
