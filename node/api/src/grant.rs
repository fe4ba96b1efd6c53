//! Grants: approvals that cover what is like the operation they were given for, for a time.

use crate::{agent::Reviewer, hold::Decision, time::Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Where a grant stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GrantState {
    /// It covers operations.
    InForce,
    /// Its time ran out.
    Expired,
    /// Somebody has revoked it.
    Revoked,
    /// What it was given under has changed.
    Invalidated,
}

impl GrantState {
    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::InForce => "in-force",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Invalidated => "invalidated",
        }
    }
}

/// A grant.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Grant {
    /// Its id.
    pub id: String,
    /// Where it stands.
    pub state: GrantState,
    /// Why it is over, where there is more to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_reason: Option<String>,
    /// The hold that it was made with.
    pub hold: String,
    /// The agent that it covers, and no other.
    pub agent: Reviewer,
    /// The target.
    pub target: String,
    /// The adapter's protocol.
    pub protocol: String,
    /// What it covers: the operation without its values.
    pub shape: String,
    /// One line: the operation that it was made for.
    pub summary: String,
    /// The digest of what it covers, settings of the session and resources included.
    pub template: String,
    /// The rules that hold what it covers.
    pub rules: Vec<String>,
    /// The policy revision that it was given under. Under another one it covers nothing.
    pub policy_revision: u64,
    /// Who approved.
    pub decisions: Vec<Decision>,
    /// Log time of its making.
    pub granted_at: Timestamp,
    /// Log time at which it ends.
    pub expires_at: Timestamp,
    /// How many operations have gone through on it.
    pub uses: u64,
    /// Log time of the last of them.
    #[serde(default)]
    pub last_used_at: Option<Timestamp>,
}

/// Which grants are listed.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct GrantQuery {
    /// `in-force`, which is what is listed when it is not said, or `any`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// How many items, at most 1000; 100 when it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}
