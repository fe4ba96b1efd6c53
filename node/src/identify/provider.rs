//! An identity provider as its resource defines it.

use countersign_core::id::Revision;
use countersign_edge::SecretReference;
use countersign_raft_store::records::Voucher;
use std::{collections::BTreeSet, path::PathBuf};

/// The greatest leeway that a provider may be given for clocks that differ, in seconds.
pub const MAX_LEEWAY_S: u64 = 300;

/// Whose tokens a provider issues. The two never mix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plane {
    /// Automation that connects to targets.
    Agents,
    /// People who use the API.
    Reviewers,
}

impl Plane {
    /// The name in resources and log lines.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Agents => "agents",
            Self::Reviewers => "reviewers",
        }
    }
}

/// A signature algorithm that a provider may be trusted with (RFC 7518, section 3.1). Only asymmetric ones exist here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
}

impl Algorithm {
    /// Every algorithm.
    pub const ALL: &[Self] = &[Self::Rs256, Self::Es256];

    /// The name in tokens and resources.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
        }
    }

    /// The algorithm of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|algorithm| algorithm.name() == name)
    }

    pub(super) const fn of_jwt(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::Rs256 => jsonwebtoken::Algorithm::RS256,
            Self::Es256 => jsonwebtoken::Algorithm::ES256,
        }
    }
}

/// Which claims say what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimNames {
    /// The subject: with the issuer, the identity.
    pub subject: String,
    /// The name shown to people.
    pub name: String,
    /// The groups.
    pub groups: String,
    /// The human for whom an agent acts.
    pub owner: String,
    /// Other names of the same human, compared with an agent's owner.
    pub also_known_as: Vec<String>,
    /// The repository of a job; none where no claim says it.
    pub repository: Option<String>,
    /// Its branch.
    pub branch: Option<String>,
    /// What names it from run to run.
    pub job: Option<String>,
}

impl Default for ClaimNames {
    fn default() -> Self {
        Self {
            subject: "sub".to_owned(),
            name: "preferred_username".to_owned(),
            groups: "groups".to_owned(),
            owner: "owner".to_owned(),
            also_known_as: Vec::new(),
            repository: None,
            branch: None,
            job: None,
        }
    }
}

/// The groups that a provider's tokens may put somebody into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asserts {
    /// Any: nobody else's tokens have the same use.
    Any,
    /// These.
    Only(BTreeSet<String>),
}

impl Asserts {
    /// Of these groups, those that count.
    pub fn of(&self, mut groups: BTreeSet<String>) -> BTreeSet<String> {
        match self {
            Self::Any => {}
            Self::Only(these) => groups.retain(|group| these.contains(group)),
        }
        groups
    }
}

/// A provider that is trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    /// The resource's name.
    pub name: String,
    /// The resource's revision.
    pub revision: Revision,
    /// The issuer, compared exactly.
    pub issuer: String,
    /// The audiences that mean this gateway.
    pub audiences: BTreeSet<String>,
    /// Whose tokens these are.
    pub plane: Plane,
    /// Which claims say what.
    pub claims: ClaimNames,
    /// The groups that count.
    pub asserts: Asserts,
    /// The authority of the provider's TLS certificate; without it, the system's authorities.
    pub ca_file: Option<PathBuf>,
    /// The algorithms it is trusted with.
    pub algorithms: BTreeSet<Algorithm>,
    /// How people sign in at it with their browsers; none where they cannot.
    pub browser: Option<Browser>,
    /// How far clocks may differ, in seconds; at most [`MAX_LEEWAY_S`].
    pub leeway_s: u64,
}

/// The gateway as a client of a provider's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Browser {
    /// The client's id.
    pub client_id: String,
    /// Where its secret is; none for a public client.
    pub client_secret: Option<SecretReference>,
    /// What is asked for.
    pub scopes: Vec<String>,
}

impl Provider {
    /// The provider as the one that vouches for an agent.
    pub(crate) fn voucher(&self) -> Voucher {
        Voucher { provider: self.name.clone(), revision: self.revision }
    }
}
