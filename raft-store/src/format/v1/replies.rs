//! The forms of replies and effects.

use super::{FormatError, Stored, form_enum, form_struct, read, stored, write};
use crate::{
    effect::Effect,
    limits::Limit,
    records::{HoldPhase, HoldRecord, ResourceKind},
    reply::{Answer, CredentialLife, Reply, SessionOpened, StateRefusal},
};
use countersign_core::{
    agent::Identity,
    hold::{Consumption, HoldError},
    id::{GrantId, HoldId, Incarnation, LogIndex, NodeId, Revision, SessionId},
    log_time::LogTime,
    record::Outcome,
};
use std::collections::BTreeSet;

stored!(Reply = "a reply", Effect = "an effect");

form_enum!(AnswerV1 for Answer {
    Done,
    NodeUp(incarnation: Incarnation),
    SessionOpened(opened: SessionOpened),
    Held(hold: Box<HoldRecord>),
    Attached(hold: Box<HoldRecord>),
    Hold(hold: Box<HoldRecord>),
    Claimed { consumption: Consumption, index: LogIndex },
    Intended { index: LogIndex },
    Applied(revision: Revision),
    NodeAdmitted(node: NodeId),
    CredentialIssued(life: CredentialLife),
});
form_struct!(CredentialLifeV1 for CredentialLife { issued_at: LogTime, expires_at: LogTime });
form_struct!(SessionOpenedV1 for SessionOpened { target_revision: Revision, opened_at: LogTime });
form_enum!(StateRefusalV1 for StateRefusal {
    NotInitialised,
    AlreadyInitialised,
    UnknownNode,
    StaleIncarnation,
    NoSuchTarget,
    Revoked,
    IdentityExpired,
    SessionGone,
    StaleRevision { in_force: Revision },
    OverLimit { limit: Limit },
    NoSuchHold,
    NotAttached,
    Hold(error: HoldError),
    OtherFingerprint,
    NeedsClaim,
    IdUsed,
    NoSuchOperation,
    AlreadySettled { outcome: Outcome },
    Conflict { kind: ResourceKind, name: String, found: Option<Revision> },
    BadName { name: String },
    BadJoinToken,
    IntentStands,
    OldCluster { needed: u32 },
    NoSuchCredential,
    NotVerified,
    OutOfOrder { expected: u64 },
    RecordingEnded,
    ProviderChanged,
    RotationUnderWay,
    WrappedAnew,
    KeyNotEverywhere,
    NoSuchGrant,
    GrantGone,
    RejectedLately { hold: HoldId },
    Closed,
    OtherAudience,
});
form_enum!(LimitV1 for Limit {
    HeldText,
    HeldParameters,
    ShortText,
    Comment,
    OpenHoldsPerAgent,
    Decisions,
    Attached,
    ResourceBody,
    Changes,
    JoinTokenLife,
    HoldsAPeriod,
    HeldBytesAPeriod,
    Requirements,
    Quorum,
    Name,
    Names,
    Evidence,
    Segment,
    CredentialsPerAgent,
    Grants,
});
form_enum!(EffectV1 for Effect {
    HoldChanged { hold: HoldId, agent: Identity, phase: HoldPhase },
    SessionEnded { session: SessionId, node: NodeId, reason: String },
    CancelRequested { session: SessionId, node: NodeId },
    ResourcesChanged { revision: Revision, kinds: BTreeSet<ResourceKind> },
    Revoked { identity: Identity },
    NodeUp { node: NodeId, incarnation: Incarnation },
    NodeRemoved { node: NodeId },
    IssuerRevoked { issuer: String },
    GrantChanged { grant: GrantId },
});
