//! Agents and reviewers as the API shows them.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use utoipa::ToSchema;

/// The automation that connected.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Agent {
    /// The issuer, exactly as its provider writes it.
    pub issuer: String,
    /// The subject within that issuer.
    pub subject: String,
    /// The name shown to people.
    pub name: String,
    /// The human on whose behalf it acts, who may not decide about its operations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Its groups.
    #[serde(default)]
    pub groups: BTreeSet<String>,
    /// What its token says of the job that it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<Workload>,
}

/// What the token of a CI system says of the job. Empty is what it does not say.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Workload {
    /// The repository.
    pub repository: String,
    /// The branch or tag.
    pub branch: String,
    /// What names the job from run to run.
    pub job: String,
}

/// A human who decides.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Reviewer {
    /// The issuer, exactly as its provider writes it.
    pub issuer: String,
    /// The subject within that issuer.
    pub subject: String,
    /// The name shown to people.
    pub name: String,
}

/// What a caller of the API may do.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Everything that concerns the cluster and its resources.
    Admin,
    /// Reads the audit and the resources.
    Auditor,
    /// Reads the audit.
    Reviewer,
}

/// Whom the node takes the caller for (`GET /v1/whoami`).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Caller {
    /// The human; absent for the bootstrap token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reviewer: Option<Reviewer>,
    /// The groups from the token.
    #[serde(default)]
    pub groups: BTreeSet<String>,
    /// The roles that Bindings give; none still lets an identified human see holds and decide.
    #[serde(default)]
    pub roles: BTreeSet<Role>,
}
