//! Sessions: connections of agents to targets.

use crate::{agent::Agent, recording::RecordingIndex, time::Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// A session.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Session {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub agent: Agent,
    /// The target's name.
    pub target: String,
    /// The revision of the target's definition that it uses.
    pub target_revision: u64,
    /// The adapter's protocol.
    pub protocol: String,
    /// The role of the target that it uses.
    pub role: String,
    /// Where the agent connects from.
    pub source: String,
    /// What the client calls itself.
    pub client: String,
    /// The node it is on.
    pub node: u64,
    /// Log time of the opening.
    pub opened_at: Timestamp,
    /// Whether it is open.
    pub open: bool,
    /// Log time of its closing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<Timestamp>,
    /// Why it was closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub close_reason: Option<String>,
    /// Its recording: only where one session is shown, and there is any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recording: Option<RecordingIndex>,
}

/// Which sessions are listed.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SessionQuery {
    /// `open` (what is listed when it is not said) or `any`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Only sessions to this target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Only sessions of the agent with this name or subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// How many items, at most 1000; 100 when it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// `POST /v1/sessions/{id}/end`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EndRequest {
    /// Why; told to the agent. At most 4096 bytes.
    #[serde(default)]
    pub reason: String,
}
