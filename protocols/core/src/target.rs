//! What an agent wants to reach. Only what every protocol shares; the rest of a definition belongs to its adapter.

use crate::id::Revision;
use std::fmt;

/// A protocol that an adapter speaks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Protocol {
    /// PostgreSQL frontend/backend protocol 3.0.
    Postgres,
    /// The SSH connection protocol (RFC 4254).
    Ssh,
    /// The Kubernetes API.
    Kubernetes,
}

impl Protocol {
    /// Every protocol.
    pub const ALL: &[Self] = &[Self::Postgres, Self::Ssh, Self::Kubernetes];

    /// The name used in policies, audit events and configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Ssh => "ssh",
            Self::Kubernetes => "kubernetes",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The name of a target.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TargetName(String);

/// Why a text is no target name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a target name has 1 to {MAX_TARGET_NAME} characters of a-z, 0-9, `-`, `_` and `.`, and begins with a letter or digit"
)]
pub struct TargetNameError;

/// The longest target name, in bytes: it must fit a DNS label and PostgreSQL's 63-byte names.
pub const MAX_TARGET_NAME: usize = 63;

impl TargetName {
    /// Reads a target name.
    pub fn parse(text: &str) -> Result<Self, TargetNameError> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let fits = (1..=MAX_TARGET_NAME).contains(&text.len())
            && text.starts_with(plain)
            && text.chars().all(|c| plain(c) || matches!(c, '-' | '_' | '.'));
        if fits { Ok(Self(text.to_owned())) } else { Err(TargetNameError) }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TargetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A target at one revision of its definition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target {
    /// Its name.
    pub name: TargetName,
    /// The revision of the definition that the session uses.
    pub revision: Revision,
    /// Its protocol.
    pub protocol: Protocol,
}
