//! Who connects: automation, identified by an issuer and a subject. How the proof is checked is not decided here.

use crate::log_time::LogTime;
use std::{collections::BTreeSet, fmt};

/// A principal as its identity provider names it. Two issuers may use the same subject: only the pair identifies.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Identity {
    /// The issuer, exactly as the provider writes it (OpenID Connect Core 1.0, section 2, `iss`).
    pub issuer: String,
    /// The subject within that issuer (`sub`, or the claim the provider is configured with).
    pub subject: String,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.issuer, self.subject)
    }
}

/// An identified agent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Agent {
    /// Issuer and subject.
    pub identity: Identity,
    /// The name shown to people; not used to decide.
    pub name: String,
    /// The human on whose behalf the agent acts, who may not decide about its operations.
    pub owner: Option<String>,
    /// Groups, from the claims; a missing claim means none.
    pub groups: BTreeSet<String>,
    /// What its token says of the job that it is.
    pub workload: Workload,
    /// When the proof of identity ends; the session ends with it.
    pub expires_at: LogTime,
}

/// What the token of a job says of it, as far as its provider's definition names the claims; empty is what it does not say. It
/// is part of the fingerprint: what was approved for one branch is not approved for another.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Workload {
    /// The repository.
    pub repository: String,
    /// The branch or tag, as the provider writes it.
    pub branch: String,
    /// The job, or the workflow: what stays the same from run to run.
    pub job: String,
}

impl Workload {
    /// Each part with its name.
    pub fn parts(&self) -> [(&'static str, &str); 3] {
        let Self { repository, branch, job } = self;
        [("repository", repository), ("branch", branch), ("job", job)]
    }
}
