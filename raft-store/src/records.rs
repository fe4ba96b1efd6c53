//! What the replicated state holds, as plain values. How they are stored is not decided here (`format`), nor where
//! (`state`).

mod archive;
mod credentials;
mod epoch;
mod grants;
mod recordings;
mod revocations;
mod ssh;

pub use archive::ArchiveFile;
pub use credentials::{Audience, CredentialForm, CredentialRecord, CredentialState, Voucher};
pub use epoch::{EpochRecord, Service};
pub use grants::GrantRecord;
pub use recordings::{InBucket, OpenedKeys, Place, RecordingRecord, SegmentRecord, WrappedKey};
pub use revocations::{IssuerRevocation, RevocationRecord};
pub use ssh::{DrawnSshKey, SshKeyRecord, SshRole};

use crate::limits::MAX_AUDIT_TEXT;
use countersign_core::{
    agent::{Agent, Identity, Workload},
    evidence::Evidence,
    gate::CancelKey,
    grant::{Template, Templated},
    hold::{Hold, HoldState},
    id::{CredentialId, Incarnation, LogIndex, NodeId, OperationId, Revision, SessionId},
    log_time::LogTime,
    operation::{Demand, Operation, Parameter},
    permit::Approval,
    policy::recorded,
    record::{KeyIntroduction, Outcome, Signed},
    target::{Protocol, TargetName},
};
use std::{borrow::Cow, collections::BTreeSet, fmt, net::SocketAddr};

/// Sixteen random bytes that name one request.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct RequestId(pub [u8; 16]);

/// Who did an administrative act.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Author {
    /// Issuer and subject.
    pub identity: Identity,
    /// The name shown to people.
    pub name: String,
}

/// The text of an operation as far as the audit keeps it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AuditText {
    /// The first [`MAX_AUDIT_TEXT`] bytes, at a character's edge; what is not UTF-8 is replaced.
    pub text: String,
    /// The length of the whole in bytes.
    pub length: u64,
}

impl AuditText {
    /// Takes what the audit keeps of `text`.
    pub fn of(text: &[u8]) -> Self {
        let kept = text.get(..MAX_AUDIT_TEXT).unwrap_or(text);
        let mut shown = String::from_utf8_lossy(kept).into_owned();
        if kept.len() < text.len() {
            // A character cut in two by the limit is left out instead of being shown as damage.
            if shown.ends_with('\u{fffd}') {
                shown.pop();
            }
        }
        while shown.len() > MAX_AUDIT_TEXT {
            shown.pop();
        }
        Self { text: shown, length: text.len() as u64 }
    }
}

/// What is kept of a text that is only shown: its beginning, at a character's edge, with its whole length behind it where
/// something was cut. The same text is cut alike on every node.
pub fn clipped(text: &str, most: usize) -> Cow<'_, str> {
    if text.len() <= most {
        return Cow::Borrowed(text);
    }
    let mark = format!("… (cut: {} bytes in all)", text.len());
    let room = most.saturating_sub(mark.len());
    let kept = text.get(..text.floor_char_boundary(room)).unwrap_or_default();
    Cow::Owned(format!("{kept}{mark}"))
}

/// A held operation, whole: what the reviewer is shown and what the fingerprint covers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HeldOperation {
    /// The exact bytes.
    pub text: Vec<u8>,
    /// The bound values.
    pub parameters: Vec<Parameter>,
    /// Session settings that change meaning, in the adapter's fixed order.
    pub settings: Vec<(String, String)>,
    /// One line for people.
    pub summary: String,
    /// Every action and resource.
    pub demands: BTreeSet<Demand>,
    /// Facts for the reviewer and the audit.
    pub context: Vec<(String, String)>,
    /// What it asks for, as core writes it (`policy::recorded`); empty where it is too long.
    pub asked: String,
    /// The operation without its values: what a grant would cover. None where no grant can.
    pub shape: Option<String>,
}

impl HeldOperation {
    /// What is kept of an operation.
    pub fn of(operation: &Operation) -> Self {
        let found = operation.classification();
        Self {
            text: found.text.to_vec(),
            parameters: found.parameters.clone(),
            settings: found.settings.to_vec(),
            summary: found.summary.to_string(),
            demands: BTreeSet::clone(&found.demands),
            context: found.context.to_vec(),
            asked: recorded::asked(operation),
            shape: found.shape.as_deref().map(str::to_owned),
        }
    }

    /// What it has in common with others that one grant covers, where a grant can.
    pub fn template(&self, protocol: Protocol, workload: &Workload) -> Option<Template> {
        Some(Template::of(Templated {
            protocol,
            workload,
            settings: &self.settings,
            shape: self.shape.as_deref()?,
            demands: &self.demands,
        }))
    }
}

/// The names of the actions of `demands`, in order, each once.
pub fn action_names(demands: &BTreeSet<Demand>) -> Vec<String> {
    let actions: BTreeSet<_> = demands.iter().map(|demand| demand.action).collect();
    actions.into_iter().map(|action| action.name().to_owned()).collect()
}

/// A hold with what is shown beside it. Its operation is read by its id.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HoldRecord {
    /// Its place in the order of holds; the sequence of the audit event that opened it.
    pub number: u64,
    /// The hold itself.
    pub hold: Hold,
    /// The agent when the hold was opened, with its groups.
    pub agent: Agent,
    /// The session that opened it.
    pub session: SessionId,
    /// The operation that opened it.
    pub operation: OperationId,
    /// The protocol.
    pub protocol: Protocol,
    /// The revision of the target's definition.
    pub target_revision: Revision,
    /// One line for people.
    pub summary: String,
    /// The sessions that wait for it now. None: it is parked.
    pub attached: Vec<Attachment>,
}

/// A session that waits for a hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Attachment {
    /// The session.
    pub session: SessionId,
    /// The node that carries it.
    pub node: NodeId,
    /// Which start of that node.
    pub incarnation: Incarnation,
}

/// Evidence, as it was attached to a hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EvidenceRecord {
    /// What was found out.
    pub evidence: Evidence,
    /// The session that waited then, whose transaction it tells of.
    pub session: SessionId,
    /// Log time of its attaching.
    pub at: LogTime,
}

/// Where a hold stands, without the data of its state.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum HoldPhase {
    /// Waits for decisions.
    Pending,
    /// Approved, not yet claimed.
    Approved,
    /// Claimed.
    Consumed,
    /// Rejected.
    Rejected,
    /// Withdrawn.
    Withdrawn,
    /// Expired.
    Expired,
    /// Invalidated.
    Invalidated,
}

impl HoldPhase {
    /// Every phase.
    pub const ALL: &[Self] = &[
        Self::Pending,
        Self::Approved,
        Self::Consumed,
        Self::Rejected,
        Self::Withdrawn,
        Self::Expired,
        Self::Invalidated,
    ];

    /// The phase of a state.
    pub const fn of(state: &HoldState) -> Self {
        match state {
            HoldState::Pending { .. } => Self::Pending,
            HoldState::Approved { .. } => Self::Approved,
            HoldState::Consumed { .. } => Self::Consumed,
            HoldState::Rejected { .. } => Self::Rejected,
            HoldState::Withdrawn { .. } => Self::Withdrawn,
            HoldState::Expired { .. } => Self::Expired,
            HoldState::Invalidated { .. } => Self::Invalidated,
        }
    }

    /// The name in the API and on the command line.
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

    /// The phase of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|phase| phase.name() == name)
    }
}

/// A session, open or closed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SessionRecord {
    /// Its place in the order of sessions; the sequence of the audit event that opened it.
    pub number: u64,
    /// Its id.
    pub id: SessionId,
    /// The agent.
    pub agent: Agent,
    /// The credential that it was opened with, when it was one of the cluster's own.
    pub credential: Option<CredentialId>,
    /// The target.
    pub target: TargetName,
    /// The revision of the target's definition.
    pub target_revision: Revision,
    /// The protocol.
    pub protocol: Protocol,
    /// The role of the target.
    pub role: String,
    /// Where the agent connects from.
    pub source: SocketAddr,
    /// What the client calls itself.
    pub client: String,
    /// The node that carries it.
    pub node: NodeId,
    /// Which start of that node.
    pub incarnation: Incarnation,
    /// The key that cancels what it does.
    pub cancel: CancelKey,
    /// Log time of its opening.
    pub opened_at: LogTime,
    /// Whether it is over.
    pub state: SessionState,
}

impl SessionRecord {
    /// What rules can ask about whoever has the session.
    pub(crate) fn judged(&self) -> (&Agent, Protocol, &str) {
        (&self.agent, self.protocol, &self.role)
    }
}

/// Whether a session is over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SessionState {
    /// It is not.
    Open,
    /// It is.
    Closed {
        /// Log time.
        at: LogTime,
        /// Why.
        reason: String,
    },
}

/// A node of the cluster.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeRecord {
    /// Its id.
    pub id: NodeId,
    /// What it joined with.
    pub facts: JoinFacts,
    /// Log time at which it was admitted.
    pub admitted_at: LogTime,
    /// Where it stands.
    pub state: NodeState,
}

/// Where a node stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NodeState {
    /// Admitted, never started.
    Admitted,
    /// Started at least once.
    Started(Start),
    /// Removed. The record stays, so that the id is not used again.
    Removed {
        /// Log time.
        at: LogTime,
    },
}

/// One start of a node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Start {
    /// Its incarnation.
    pub incarnation: Incarnation,
    /// What was drawn at this start.
    pub boot: [u8; 16],
    /// The version of its program.
    pub version: String,
    /// Where its API is reached.
    pub api_url: String,
    /// Log time.
    pub at: LogTime,
}

/// What a node joins with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct JoinFacts {
    /// SHA-256 of the public key in its certificate request.
    pub key_sha256: [u8; 32],
    /// Where its peers reach it, as `host:port`.
    pub address: String,
    /// Where its API is reached.
    pub api_url: String,
    /// Names its data directory (drawn by the engine).
    pub storage: [u8; 16],
}

/// The cluster as a whole.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClusterRecord {
    /// Drawn when it was initialised.
    pub id: [u8; 16],
    /// Its name.
    pub name: String,
    /// The certificate of the CA of the peer plane, in PEM.
    pub ca_cert_pem: String,
    /// The CA's key, sealed under the cluster key.
    pub sealed_ca_key: Vec<u8>,
    /// The certificate of the CA of agents' credentials, in PEM.
    pub credential_ca_cert_pem: String,
    /// That CA's key, sealed under the cluster key.
    pub sealed_credential_ca_key: Vec<u8>,
    /// SHA-256 of the bootstrap token.
    pub bootstrap_token_sha256: [u8; 32],
    /// Log time until which the bootstrap token counts.
    pub bootstrap_expires_at: LogTime,
    /// Which commands and stored forms may be used.
    pub version: u32,
    /// Log time.
    pub initialised_at: LogTime,
}

/// A key that the cluster signs its audit chain with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AuditKeyRecord {
    /// The key, as it was made known.
    pub introduction: KeyIntroduction,
    /// Its secret half, sealed under the cluster key.
    pub sealed_key: Vec<u8>,
    /// Log time.
    pub at: LogTime,
    /// The sequence of its audit event.
    pub sequence: u64,
}

/// The last checkpoint of the audit chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CheckpointRecord {
    /// What was signed.
    pub signed: Signed,
    /// The sequence of its audit event.
    pub sequence: u64,
}

/// The kinds of resources.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ResourceKind {
    /// Something agents reach.
    Target,
    /// Who says who somebody is.
    IdentityProvider,
    /// What groups may do in the API.
    Binding,
    /// Rules.
    Policy,
    /// What of answers agents do not see.
    MaskRule,
}

impl ResourceKind {
    /// Every kind.
    pub const ALL: &[Self] =
        &[Self::Target, Self::IdentityProvider, Self::Binding, Self::Policy, Self::MaskRule];

    /// The name in documents and the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Target => "Target",
            Self::IdentityProvider => "IdentityProvider",
            Self::Binding => "Binding",
            Self::Policy => "Policy",
            Self::MaskRule => "MaskRule",
        }
    }

    /// The kind of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }
}

impl fmt::Display for ResourceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A resource.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ResourceRecord {
    /// Its kind.
    pub kind: ResourceKind,
    /// Its name.
    pub name: String,
    /// Its body, a JSON document.
    pub body: String,
    /// Its revision.
    pub revision: Revision,
    /// Who changed it last.
    pub author: Author,
    /// Log time of that change.
    pub at: LogTime,
}

/// An operation whose intent is recorded, or that was refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OperationRecord {
    /// Its id.
    pub id: OperationId,
    /// Its session.
    pub session: SessionId,
    /// The approval that it went through on, if one was needed.
    pub approval: Option<Approval>,
    /// The sequence of its audit event.
    pub sequence: u64,
    /// The log entry of its audit event.
    pub index: LogIndex,
    /// What tells its call from others.
    pub attempt: [u8; 16],
    /// The node and the start of it that forward it.
    pub carrier: (NodeId, Incarnation),
    /// Where it stands.
    pub state: OperationState,
}

/// How far the log has taken what a node has noted on its own disk: the last books of it, the newest at the end. A carrying
/// that is late belongs to one of these.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NotesTaken {
    /// The books.
    pub books: Vec<BookTaken>,
}

/// How far the log has taken one book of a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BookTaken {
    /// The book.
    pub book: [u8; 16],
    /// The sequence of the last note that was taken from it.
    pub last: u64,
}

/// Where an operation stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OperationState {
    /// The intent is recorded, the outcome is not.
    Intended,
    /// The outcome is recorded. It never changes.
    Settled(Outcome),
    /// It was refused before it could be intended.
    Denied,
    /// It was forwarded ahead of an intent that was then refused: its answer is withheld, its outcome is to come.
    Withheld,
}

/// What is remembered of a request, so that its repetition is answered alike. An id serves one kind of request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RequestRecord {
    /// A refused access is recorded.
    AccessRefused,
    /// Resources are changed.
    Applied(Box<AppliedRequest>),
    /// A cancel was passed on.
    Cancelled,
    /// A session was closed that was not open yet; its opening comes too late.
    ClosedUnopened,
    /// An administrator's act is recorded.
    Administered,
    /// A checkpoint that was asked for is recorded.
    Checkpointed,
    /// It is recorded that somebody has signed in.
    SignedIn,
}

/// A change of resources that was made, kept for a repetition of the request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AppliedRequest {
    /// The revision that it made.
    pub revision: Revision,
    /// SHA-256 of the request.
    pub content: [u8; 32],
    /// What the caller was told; a document that only the node reads.
    pub answer: String,
}

/// What an agent has had held in the present period of its budget.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HoldBudget {
    /// Log time at which the period began.
    pub since: LogTime,
    /// Holds opened.
    pub holds: u64,
    /// Bytes of their operations.
    pub bytes: u64,
    /// Bytes of evidence attached to holds.
    pub evidence: u64,
}

/// A join token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct JoinTokenRecord {
    /// SHA-256 of the token.
    pub sha256: [u8; 32],
    /// Log time at which it expires.
    pub expires_at: LogTime,
    /// Who made it.
    pub author: Author,
    /// The node that has used it.
    pub used_by: Option<NodeId>,
}
