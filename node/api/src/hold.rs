//! Holds and the decisions about them.

use crate::{
    agent::{Agent, Reviewer},
    page::Paging,
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};

/// The longest comment of a decision, in bytes.
pub const MAX_COMMENT: usize = 4096;

/// Where a hold stands.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum HoldState {
    /// Waits for decisions.
    Pending,
    /// Approved by a quorum; waits for its agent to claim it.
    Approved,
    /// Its approval admitted one operation.
    Consumed,
    /// Rejected.
    Rejected,
    /// Withdrawn by its agent or an administrator.
    Withdrawn,
    /// Its time ran out.
    Expired,
    /// What it was judged under has changed.
    Invalidated,
}

impl HoldState {
    /// Every state.
    pub const ALL: &[Self] = &[
        Self::Pending,
        Self::Approved,
        Self::Consumed,
        Self::Rejected,
        Self::Withdrawn,
        Self::Expired,
        Self::Invalidated,
    ];

    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Consumed => "consumed",
            Self::Rejected => "rejected",
            Self::Withdrawn => "withdrawn",
            Self::Expired => "expired",
            Self::Invalidated => "invalidated",
        }
    }

    /// Whether nothing can change any more.
    pub const fn is_settled(self) -> bool {
        match self {
            Self::Pending | Self::Approved => false,
            Self::Consumed
            | Self::Rejected
            | Self::Withdrawn
            | Self::Expired
            | Self::Invalidated => true,
        }
    }
}

/// A hold: an operation that waits for humans, with everything that a decision should rest on.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Hold {
    /// Its id.
    pub id: String,
    /// Where it stands.
    pub state: HoldState,
    /// What changed, when it is invalidated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_reason: Option<String>,
    /// Log time of its making.
    pub created_at: Timestamp,
    /// Log time at which it expires.
    pub expires_at: Timestamp,
    /// Whose operation it is.
    pub agent: Agent,
    /// The session in which it was made.
    pub session_id: String,
    /// The target's name.
    pub target: String,
    /// The adapter's protocol.
    pub protocol: String,
    /// What is asked.
    pub operation: Operation,
    /// SHA-256 over everything that gives the operation its meaning; a decision repeats it.
    pub fingerprint: String,
    /// Four words of the fingerprint, which the agent was shown too.
    pub key: String,
    /// The policy revision it was judged under.
    pub policy_revision: u64,
    /// The rules that hold.
    pub rules: Vec<String>,
    /// Who decides.
    pub reviewers: Reviewers,
    /// Whether a decision needs a comment.
    pub reason_required: bool,
    /// For how long it may be approved at the most, where policy lets it be granted and a grant can cover it; null otherwise.
    #[serde(default)]
    pub grantable_seconds: Option<u64>,
    /// The grant that its approval has made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<String>,
    /// The decisions made.
    pub decisions: Vec<Decision>,
    /// Earlier holds of the same fingerprint, the newest first and ten at the most: what was decided about exactly this before.
    /// Empty in lists and events.
    #[serde(default)]
    pub previous: Vec<PreviousHold>,
    /// What was found out about the operation before it is executed; null while nothing is, or where nobody asks.
    #[serde(default)]
    pub evidence: Option<Evidence>,
    /// Whether a live client waits for the answer.
    pub waiting: bool,
    /// The node the client is attached to, or was last.
    pub node: u64,
    /// The operation that consumed the approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumed_by: Option<String>,
}

/// An earlier hold of the same fingerprint.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct PreviousHold {
    /// Its id.
    pub id: String,
    /// Where it stands.
    pub state: HoldState,
    /// Log time of its making.
    pub created_at: Timestamp,
    /// The policy revision it was judged under.
    pub policy_revision: u64,
    /// The decisions made.
    pub decisions: Vec<Decision>,
}

/// What an agent asks of a target.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Operation {
    /// Its id.
    pub id: String,
    /// The text as it is forwarded. Where its bytes are not UTF-8, each bad one is shown as U+FFFD and `text_base64` has all.
    pub text: String,
    /// Whether only the beginning is shown of text, parameters and resources, as lists and events do: nobody decides by an
    /// excerpt. `GET /v1/holds/{id}` shows all.
    #[serde(default)]
    pub excerpt: bool,
    /// The exact bytes, when they are not UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_base64: Option<String>,
    /// The length of the exact bytes.
    pub text_length: u64,
    /// Said when the hold was settled so long ago that its operation is not kept whole any more: where to find it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_kept: Option<String>,
    /// The text as it is safe to look at, where that is not how it is written: what moves the cursor, turns the writing
    /// direction, takes no space or passes for another letter is shown as `⟨U+XXXX⟩`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_visible: Option<String>,
    /// The bound values.
    pub parameters: Vec<Parameter>,
    /// How many bound values there are, shown or not.
    #[serde(default)]
    pub parameter_count: u64,
    /// One line for people, without values.
    pub summary: String,
    /// The operation without its values: what a grant would cover. Null where no grant can.
    #[serde(default)]
    pub shape: Option<String>,
    /// The actions it needs, ordered.
    pub actions: Vec<String>,
    /// What it acts on, ordered.
    pub resources: Vec<String>,
    /// Facts about the session and the operation, settings that change meaning among them.
    pub context: BTreeMap<String, String>,
}

/// What was found out about a held operation: for whoever decides, and without any effect on what is held. Estimates are
/// the target's, and may be wrong.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Evidence {
    /// Log time of its attaching.
    pub at: Timestamp,
    /// The target's own plan (PostgreSQL: what EXPLAIN says in JSON, without executing anything); null where there is none,
    /// and in lists and events.
    pub plan: Option<serde_json::Value>,
    /// Why there is no plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_plan: Option<String>,
    /// The rows that the target expects to return.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub returned_rows: Option<u64>,
    /// The rows that the target expects to change, all changes together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub affected_rows: Option<u64>,
    /// Each expected change.
    #[serde(default)]
    pub changes: Vec<EstimatedChange>,
    /// The open transaction in which the operation waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<OpenTransaction>,
}

/// One expected change.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct EstimatedChange {
    /// What is done to which relation.
    pub what: String,
    /// To how many rows.
    pub rows: u64,
}

/// An open transaction, as it was when it was looked at.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct OpenTransaction {
    /// The session whose it is: the one that waited for the hold when the evidence was gathered.
    pub session_id: String,
    /// Whether that session waits for the hold still; another one that does may have a transaction of its own.
    pub waiting: bool,
    /// How long it had been open, in milliseconds.
    pub age_ms: u64,
    /// The locks that it held, a line each; null where they could not be seen.
    pub locks: Option<Vec<String>>,
    /// How many more locks it held.
    #[serde(default)]
    pub locks_left_out: u64,
    /// Why its locks could not be seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_locks: Option<String>,
}

/// One bound value.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Parameter {
    /// The value as a reviewer reads it; absent for null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown: Option<String>,
    /// The exact bytes; absent for null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base64: Option<String>,
    /// The wire format (PostgreSQL: 0 text, 1 binary).
    pub format: u16,
    /// The declared type (PostgreSQL: its oid; 0 when the agent left it to the target).
    pub type_oid: u32,
}

/// Who decides: the groups, and how many distinct humans of them must approve altogether.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Reviewers {
    /// The groups whose members may decide, at once or after an escalation, ordered.
    pub groups: Vec<String>,
    /// How many distinct humans must approve at the least; `requirements` says who.
    pub quorum: u32,
    /// How many more must approve at the least. A human in two groups counts once.
    pub missing: u32,
    /// What is asked for, each by other humans, and how far it is.
    pub requirements: Vec<Requirement>,
    /// What a rejection does.
    pub rejection: Rejection,
    /// The group each of whose members may let it through alone in an emergency; null where nobody may.
    #[serde(default)]
    pub break_glass: Option<String>,
}

/// So many times over what an expression of groups asks for, by other humans each time.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Requirement {
    /// A group, or groups joined as in policies: `security or on-call`.
    pub reviewers: String,
    /// How many times over.
    pub quorum: u32,
    /// How many have approved who count here. A human in two groups counts for one of them only when the hold is decided.
    pub approvals: u32,
    /// Who else may decide after some time; null where nobody may.
    #[serde(default)]
    pub escalation: Option<Escalation>,
}

/// From some time on the members of another group may decide too.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Escalation {
    /// The group.
    pub group: String,
    /// Log time from which on they may.
    pub at: Timestamp,
}

/// What the rejection of one who may decide does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Rejection {
    /// It ends the hold.
    Ends,
    /// It is noted; others may still approve.
    Noted,
}

/// Approve, reject, or let it through alone.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// Let exactly this operation go on.
    Approve,
    /// End the hold.
    Reject,
    /// Let it go on alone, in an emergency: for members of `reviewers.break_glass`, with a comment.
    BreakGlass,
}

impl Choice {
    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Reject => "reject",
            Self::BreakGlass => "break_glass",
        }
    }
}

/// A decision as it was made.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Decision {
    /// Who decided.
    pub reviewer: Reviewer,
    /// What.
    pub decision: Choice,
    /// For how long it was approved; 0 is once.
    #[serde(default)]
    pub for_seconds: u64,
    /// Why, in the reviewer's words; may be empty.
    pub comment: String,
    /// Log time.
    pub at: Timestamp,
    /// The node that took it.
    pub node: u64,
}

/// `POST /v1/holds/{id}/decision`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DecisionRequest {
    /// Approve, reject, or let it through alone.
    pub decision: Choice,
    /// Why; some policies require it, and breaking the glass always does. At most 4096 bytes.
    #[serde(default)]
    pub comment: String,
    /// The fingerprint that the reviewer saw. Required.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(required)]
    pub fingerprint: Option<String>,
    /// Approve what is like this for so long, instead of this once (0). Where the hold is not `grantable_seconds`, and for
    /// longer, the decision is refused. A grant is made when everybody who approved has said so; the shortest time counts.
    #[serde(default)]
    pub for_seconds: u64,
}

/// `POST /v1/holds/{id}/withdraw`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WithdrawRequest {
    /// Why. At most 4096 bytes.
    #[serde(default)]
    pub comment: String,
}

/// Which holds are listed.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct HoldQuery {
    /// Only holds in this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(inline)]
    pub state: Option<HoldState>,
    /// Only holds of this target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Only holds of the agent with this name or subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Only holds about which somebody has decided this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(inline)]
    pub decision: Option<Choice>,
    /// `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// How many items, at most 1000; 100 when it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

impl HoldQuery {
    /// The page that is wanted.
    pub fn paging(&self) -> Paging {
        Paging { cursor: self.cursor.clone(), limit: self.limit }
    }
}

/// One of the server-sent events of `GET /v1/holds/events`: event name `hold`, id = log index. Several holds may change at one
/// index, so whoever resumes by `Last-Event-ID` hears of the holds of that index again, never of too few. The first event of a
/// stream is named `begin`: its id is where the stream begins, and its data is `{"index": …}`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct HoldEvent {
    /// The log index of the change.
    pub index: u64,
    /// The hold as it stood when the event was sent: never older than the change, and possibly newer.
    pub hold: Hold,
}
