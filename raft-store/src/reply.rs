//! What the replicated state answers: one answer or one refusal a command. Both are the same on every node.

use crate::{
    limits::Limit,
    records::{HoldRecord, ResourceKind},
};
use countersign_core::{
    hold::{Consumption, HoldError},
    id::{HoldId, Incarnation, LogIndex, NodeId, Revision},
    log_time::LogTime,
    record::Outcome,
};

/// The answer to one command.
pub type Reply = Result<Answer, StateRefusal>;

/// What was done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// Done, or done already.
    Done,
    /// To `NodeUp`: the incarnation.
    NodeUp(Incarnation),
    /// To `OpenSession`.
    SessionOpened(SessionOpened),
    /// To `OpenHold`: a new hold.
    Held(Box<HoldRecord>),
    /// To `OpenHold`: the agent's open hold of the same fingerprint, to which the session is now attached.
    Attached(Box<HoldRecord>),
    /// To `Decide`, `WithdrawHold` and `ParkHold`: the hold as it is now.
    Hold(Box<HoldRecord>),
    /// To `ClaimHold`: the approval is consumed and the intent recorded.
    Claimed {
        /// What was consumed.
        consumption: Consumption,
        /// Where the intent stands.
        index: LogIndex,
    },
    /// To `Intent`: recorded.
    Intended {
        /// Where the intent stands.
        index: LogIndex,
    },
    /// To `ApplyResources`: the revision that the changes have made.
    Applied(Revision),
    /// To `UseJoinToken`: the new node's id.
    NodeAdmitted(NodeId),
    /// To `IssueCredential`: from when to when it counts.
    CredentialIssued(CredentialLife),
}

/// When a credential counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CredentialLife {
    /// Log time of its issue.
    pub issued_at: LogTime,
    /// Log time of its end.
    pub expires_at: LogTime,
}

/// A session is in the replicated state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SessionOpened {
    /// The revision of the target's definition.
    pub target_revision: Revision,
    /// Log time.
    pub opened_at: LogTime,
}

/// Why the state did not do what a command asks for. Nothing was changed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum StateRefusal {
    /// There is no cluster yet.
    #[error("the cluster is not initialised")]
    NotInitialised,
    /// There is a cluster already.
    #[error("the cluster is already initialised")]
    AlreadyInitialised,
    /// The node was never admitted, or was removed.
    #[error("the node is not of this cluster")]
    UnknownNode,
    /// The node has been started again since.
    #[error("the node has been started again since")]
    StaleIncarnation,
    /// There is no such target.
    #[error("there is no such target")]
    NoSuchTarget,
    /// The agent, the reviewer or the session was revoked.
    #[error("revoked")]
    Revoked,
    /// The agent's proof of identity is at its end.
    #[error("the proof of identity has expired")]
    IdentityExpired,
    /// There is no such credential, it was issued to somebody else, or its time is over.
    #[error("there is no such credential")]
    NoSuchCredential,
    /// The credential was issued for another target.
    #[error("the credential is for another target")]
    OtherAudience,
    /// The session is closed, or there never was one.
    #[error("the session is closed")]
    SessionGone,
    /// It was judged under a policy that is not in force any more: judge again.
    #[error("the policy in force is revision {in_force}")]
    StaleRevision {
        /// The revision in force.
        in_force: Revision,
    },
    /// Something is longer, or there is more of it, than the state takes.
    #[error("more than the limit {limit}")]
    OverLimit {
        /// Which limit.
        limit: Limit,
    },
    /// There is no such hold.
    #[error("there is no such hold")]
    NoSuchHold,
    /// There is no such grant.
    #[error("there is no such grant")]
    NoSuchGrant,
    /// The grant does not cover the operation, or not any more: judge again.
    #[error("no grant covers it any more")]
    GrantGone,
    /// The same was rejected a short while ago, and nobody is asked again yet.
    #[error("the same was rejected a short while ago")]
    RejectedLately {
        /// The hold that was rejected.
        hold: HoldId,
    },
    /// The session does not wait for this hold.
    #[error("the session does not wait for this hold")]
    NotAttached,
    /// The hold does not take the event.
    #[error("the hold does not allow it")]
    Hold(#[source] HoldError),
    /// The fingerprint is not that of the operation which came with it.
    #[error("the fingerprint does not cover the operation")]
    OtherFingerprint,
    /// The intent of a held operation is recorded by its claim only.
    #[error("the intent of a held operation is recorded by its claim")]
    NeedsClaim,
    /// The id was used before, for something else.
    #[error("the id was used before")]
    IdUsed,
    /// There is no intent of this operation.
    #[error("no intent of this operation is recorded")]
    NoSuchOperation,
    /// The operation has another outcome already; it stays.
    #[error("the operation is already {}", outcome.name())]
    AlreadySettled {
        /// Which.
        outcome: Outcome,
    },
    /// A resource is not what the change expects.
    #[error("{kind} {name} is not at the expected revision")]
    Conflict {
        /// Its kind.
        kind: ResourceKind,
        /// Its name.
        name: String,
        /// Its revision; `None` when there is no such resource.
        found: Option<Revision>,
    },
    /// A text is no name of a resource.
    #[error("`{name}` is no name for a resource")]
    BadName {
        /// The text.
        name: String,
    },
    /// The join token is unknown, expired or used.
    #[error("the join token is not valid")]
    BadJoinToken,
    /// The cluster was recovered, and no administrator has looked yet.
    #[error("the cluster was recovered and takes no agents yet")]
    Closed,
    /// The intent is recorded; but when the call was repeated nothing could be released under it any more.
    #[error("the intent is recorded, and its session is over")]
    IntentStands,
    /// The segment does not follow from what is recorded of its session.
    #[error("segment {expected} of the recording is to come next")]
    OutOfOrder {
        /// What follows.
        expected: u64,
    },
    /// The recording has its last segment.
    #[error("the recording is at its end")]
    RecordingEnded,
    /// Not every node can read it yet: the cluster version in force is an older one. It was not proposed.
    #[error("this needs cluster version {needed}: upgrade every node first")]
    OldCluster {
        /// The version that it needs.
        needed: u32,
    },
    /// The identity provider that vouches for the agent is not defined any more as it was then.
    #[error("its identity provider has been defined anew")]
    ProviderChanged,
    /// The last key of this role is not used yet, or another one has come before.
    #[error("a new key is under way already")]
    RotationUnderWay,
    /// The key of the recording is not wrapped any more by the key that it was taken to be.
    #[error("the key of the recording has been wrapped anew since")]
    WrappedAnew,
    /// A node of the cluster has not said that it opens what this key wraps.
    #[error("not every node opens what this key wraps")]
    KeyNotEverywhere,
    /// A checkpoint or a key of the audit is not signed as this chain asks.
    #[error("it is not signed as this audit chain asks")]
    NotVerified,
}
