//! The limits of the replicated state, by name. They are part of what `apply` decides: a change of one is a change of
//! the cluster version.

use std::fmt;

/// Bytes of the text of a held operation: a reviewer is shown the whole of it.
pub const MAX_HELD_TEXT: usize = 1024 * 1024;
/// Bytes of all bound values of a held operation, as sent and as shown.
pub const MAX_HELD_PARAMETERS: usize = 1024 * 1024;
/// Bytes of an operation's text in an audit event; its whole length stands beside it.
pub const MAX_AUDIT_TEXT: usize = 64 * 1024;
/// Bytes of any other single text of a command: summaries, comments, reasons, names.
pub const MAX_SHORT_TEXT: usize = 8 * 1024;
/// Bytes of a reviewer's comment.
pub const MAX_COMMENT: usize = 4 * 1024;
/// The most pending and approved holds of one agent that a node can be set to allow.
pub const MAX_OPEN_HOLDS_PER_AGENT: u64 = 100_000;
/// How long a period of an agent's budget of holds is, in milliseconds of log time.
pub const HOLD_PERIOD_MS: u64 = 60 * 1000;
/// The most holds that one agent opens in a period that a node can be set to allow.
pub const MAX_HOLDS_A_PERIOD: u64 = 100_000;
/// Bytes of operations that one agent has held in a period. With [`HELD_OPERATION_KEPT_MS`] it bounds what one agent can
/// make every node keep.
pub const MAX_HELD_BYTES_A_PERIOD: u64 = 8 * 1024 * 1024;
/// Bytes of evidence that are kept of the holds that one agent opens in a period; what is over goes without.
pub const MAX_EVIDENCE_BYTES_A_PERIOD: u64 = 2 * 1024 * 1024;
/// How long the operation of a settled hold is kept whole, in milliseconds of log time. The audit keeps its text.
pub const HELD_OPERATION_KEPT_MS: u64 = 60 * 60 * 1000;
/// How long a settled hold is kept, in milliseconds of log time. The audit keeps what was done.
pub const HOLD_KEPT_MS: u64 = 7 * 24 * 60 * 60 * 1000;
/// How long a grant that is over is kept, in milliseconds of log time. The audit keeps what was done.
pub const GRANT_KEPT_MS: u64 = 7 * 24 * 60 * 60 * 1000;
/// Grants in force.
pub const MAX_GRANTS: usize = 4_096;
/// How long an operation is remembered after its outcome, in milliseconds of log time: longer than any retry.
pub const OPERATION_KEPT_MS: u64 = 60 * 60 * 1000;
/// How long a closed session is kept, in milliseconds of log time. The audit keeps that it was.
pub const SESSION_KEPT_MS: u64 = 7 * 24 * 60 * 60 * 1000;
/// Decisions of one hold, and so the sum of its quorums.
pub const MAX_DECISIONS: usize = 64;
/// Groups that one hold asks for.
pub const MAX_REQUIREMENTS: usize = 16;
/// The greatest quorum of one group, as in policies.
pub const MAX_QUORUM: u32 = 16;
/// Bytes of a name of a human, an agent or a group. It bounds a hold with all its decisions, and so the replies that carry
/// one.
pub const MAX_NAME: usize = 1024;
/// Names that one human is known by.
pub const MAX_NAMES: usize = 48;
/// Sessions that wait for one hold at a time.
pub const MAX_ATTACHED: usize = 16;
/// The longest life of a hold, in milliseconds: one week, as in policies.
pub const MAX_HOLD_LIFE_MS: u64 = 7 * 24 * 60 * 60 * 1000;
/// Bytes of a resource's body.
pub const MAX_RESOURCE_BODY: usize = 256 * 1024;
/// Resources in one change.
pub const MAX_CHANGES: usize = 500;
/// The longest life of a join token, in milliseconds: one day.
pub const MAX_JOIN_TOKEN_LIFE_MS: u64 = 24 * 60 * 60 * 1000;
/// The longest life of an agent's credential, in milliseconds: one hour.
pub const MAX_CREDENTIAL_LIFE_MS: u64 = 60 * 60 * 1000;
/// The most credentials of one agent, of one provider's revision, that a node can be set to allow.
pub const MAX_CREDENTIALS_PER_AGENT: u64 = 10_000;
/// The longest time that a key for SSH is published before it is used, in milliseconds: a quarter of a year.
pub const MAX_SSH_OVERLAP_MS: u64 = 92 * 24 * 60 * 60 * 1000;
/// Bytes of a sealed key.
pub const MAX_SEALED_KEY: usize = 1024;
/// What expires in one tick; the rest expires in the next.
pub const MAX_EXPIRIES_A_TICK: usize = 1_000;
/// What is forgotten in one tick; the rest is forgotten in the next.
pub const MAX_FORGOTTEN_A_TICK: usize = 5_000;
/// Rows of the audit that leave the state in one tick once the archive has them.
pub const MAX_ARCHIVED_ROWS_A_TICK: usize = 1_000;
/// How long the answer to a request id is kept, in milliseconds of log time: longer than any retry.
pub const REQUEST_KEPT_MS: u64 = 10 * 60 * 1000;
/// Rows that one read looks at, found or not; a read that ends before gives a cursor.
pub const MAX_ROWS_A_READ: usize = 1_000;
/// Audit events that one read looks at: each may have a text of [`MAX_AUDIT_TEXT`] bytes.
pub const MAX_EVENTS_A_READ: usize = 100;

/// Bytes of a wrapped data key.
pub const MAX_WRAPPED_KEY: usize = 256;
/// Keys of recordings that one node opens.
pub const MAX_OPENED_KEYS: usize = 64;
/// Places of one segment.
pub const MAX_PLACES: usize = 16;

/// A limit that a command ran into.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Limit {
    /// [`MAX_HELD_TEXT`]
    HeldText,
    /// [`MAX_HELD_PARAMETERS`]
    HeldParameters,
    /// [`MAX_SHORT_TEXT`]
    ShortText,
    /// [`MAX_COMMENT`]
    Comment,
    /// [`MAX_OPEN_HOLDS_PER_AGENT`]
    OpenHoldsPerAgent,
    /// [`MAX_DECISIONS`]
    Decisions,
    /// [`MAX_ATTACHED`]
    Attached,
    /// [`MAX_RESOURCE_BODY`]
    ResourceBody,
    /// [`MAX_CHANGES`]
    Changes,
    /// [`MAX_JOIN_TOKEN_LIFE_MS`]
    JoinTokenLife,
    /// [`MAX_HOLDS_A_PERIOD`]
    HoldsAPeriod,
    /// [`MAX_HELD_BYTES_A_PERIOD`]
    HeldBytesAPeriod,
    /// [`MAX_REQUIREMENTS`]
    Requirements,
    /// [`MAX_QUORUM`], and [`MAX_DECISIONS`] for their sum
    Quorum,
    /// [`MAX_GRANTS`]
    Grants,
    /// [`MAX_NAME`]
    Name,
    /// [`MAX_NAMES`]
    Names,
    /// [`MAX_EVIDENCE`](countersign_core::evidence::MAX_EVIDENCE), and [`MAX_EVIDENCE_BYTES_A_PERIOD`]
    Evidence,
    /// [`MAX_SEGMENT`](countersign_core::recording::segment::MAX_SEGMENT), [`MAX_WRAPPED_KEY`], [`MAX_PLACES`] and
    /// [`MAX_OPENED_KEYS`]
    Segment,
    /// [`MAX_CREDENTIALS_PER_AGENT`]
    CredentialsPerAgent,
}

impl Limit {
    /// Every limit.
    pub const ALL: &[Self] = &[
        Self::HeldText,
        Self::HeldParameters,
        Self::ShortText,
        Self::Comment,
        Self::OpenHoldsPerAgent,
        Self::Decisions,
        Self::Attached,
        Self::ResourceBody,
        Self::Changes,
        Self::JoinTokenLife,
        Self::HoldsAPeriod,
        Self::HeldBytesAPeriod,
        Self::Requirements,
        Self::Quorum,
        Self::Grants,
        Self::Name,
        Self::Names,
        Self::Evidence,
        Self::Segment,
        Self::CredentialsPerAgent,
    ];

    /// Its name in refusals.
    pub const fn name(self) -> &'static str {
        match self {
            Self::HeldText => "held_text",
            Self::HeldParameters => "held_parameters",
            Self::ShortText => "short_text",
            Self::Comment => "comment",
            Self::OpenHoldsPerAgent => "open_holds_per_agent",
            Self::Decisions => "decisions",
            Self::Attached => "attached",
            Self::ResourceBody => "resource_body",
            Self::Changes => "changes",
            Self::JoinTokenLife => "join_token_life",
            Self::HoldsAPeriod => "holds_a_period",
            Self::HeldBytesAPeriod => "held_bytes_a_period",
            Self::Requirements => "requirements",
            Self::Quorum => "quorum",
            Self::Grants => "grants",
            Self::Name => "name",
            Self::Names => "names",
            Self::Evidence => "evidence",
            Self::Segment => "segment",
            Self::CredentialsPerAgent => "credentials_per_agent",
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
