//! What can be proposed to the replicated state, in the words of core. No serde here: the stored form is in `format`.
//!
//! Every command carries an id of its own (of the hold, the operation, the session, the request), so that a proposal that
//! was retried after a lost leader is answered with the first answer and changes nothing a second time.

mod credentials;
mod notes;
mod recordings;
mod recovery;
mod ssh;

pub use credentials::IssueCredential;
pub use notes::{LateOutcome, LostNotes, NotedBasis, NotedOutcome, NotedRead, TakeNotes, Wording};
pub use recordings::{ArchiveRead, OpenKeys, PlaceSegment, RecordSegment, RewrapKey};
pub use recovery::{Recover, Reopen};
pub use ssh::RotateSshKey;

use crate::records::{
    ArchiveFile, AuditText, Author, DrawnSshKey, HeldOperation, JoinFacts, RequestId, ResourceKind,
    Voucher,
};
use countersign_core::{
    agent::{Agent, Identity},
    evidence::Evidence,
    fingerprint::Fingerprint,
    gate::{CancelKey, Settlement},
    grant::Template,
    hold::{Choice, HoldTerms},
    id::{CredentialId, GrantId, HoldId, Incarnation, NodeId, OperationId, Revision, SessionId},
    permit::Basis,
    record::{KeyIntroduction, Signed},
    reviewer::Reviewer,
    target::{Protocol, TargetName},
};
use std::net::SocketAddr;

/// One command of the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// Makes the cluster, once.
    Initialise(Box<Initialise>),
    /// A node has started.
    NodeUp(Box<NodeUp>),
    /// An agent wants a session.
    OpenSession(Box<OpenSession>),
    /// A session was closed by its node.
    CloseSession(CloseSession),
    /// An administrator ends a session.
    EndSession(EndSession),
    /// Somebody with the key wants what the session does cancelled. A wrong key changes nothing.
    Cancel(Cancel),
    /// An operation must wait for humans.
    OpenHold(Box<OpenHold>),
    /// A reviewer decides.
    Decide(Box<Decide>),
    /// An agent or an administrator takes a hold back.
    WithdrawHold(WithdrawHold),
    /// A hold loses a waiting client.
    ParkHold(ParkHold),
    /// An approval is consumed, and the intent recorded with it.
    ClaimHold(ClaimHold, Attempt),
    /// The intent of an operation that policy allowed.
    Intent(Box<Intent>, Attempt),
    /// What became of an intent.
    Outcome(Settlement),
    /// An operation was refused by policy or by a limit.
    Refused(Box<Refused>),
    /// Somebody failed to identify, or was not permitted an administrative act.
    AccessRefused(AccessRefused),
    /// Resources are changed, all or none.
    ApplyResources(ApplyResources),
    /// An identity or a session is revoked.
    Revoke(Revoke),
    /// A one-time token for a joining node.
    CreateJoinToken(CreateJoinToken),
    /// A joining node uses its token.
    UseJoinToken(UseJoinToken),
    /// A node is taken out; its id is never used again.
    RemoveNode(RemoveNode),
    /// Log time moves, and what is due expires.
    Tick,
    /// An administrator does something that changes nothing in the state, and is recorded all the same.
    Administered(Administered),
    /// The log takes what a node has noted on its own disk.
    TakeNotes(Box<TakeNotes>),
    /// An agent is issued a credential.
    IssueCredential(Box<IssueCredential>),
    /// What was found out about a held operation is attached to its hold.
    AttachEvidence(Box<AttachEvidence>),
    /// The cluster gets a new key that it signs its audit chain with.
    IntroduceAuditKey(Box<IntroduceAuditKey>),
    /// The audit chain so far was signed.
    RecordCheckpoint(Box<RecordCheckpoint>),
    /// A person has signed in.
    SignedIn(Box<SignedIn>),
    /// A node leads.
    Leads(Leads),
    /// A segment of a recording is where it is kept.
    RecordSegment(Box<RecordSegment>),
    /// Another node, or the bucket, has a segment of a recording.
    PlaceSegment(PlaceSegment),
    /// The oldest events are in a file of the archive.
    ArchiveEvents(ArchiveFile),
    /// The data key of a recording is wrapped by another key.
    RewrapKey(RewrapKey),
    /// The cluster gets a new key for SSH.
    RotateSshKey(Box<RotateSshKey>),
    /// A node has read a file of the archive where it looks for it.
    ArchiveRead(ArchiveRead),
    /// A node says which keys of recordings it opens.
    OpenKeys(OpenKeys),
    /// The cluster begins anew on what is left of it.
    Recover(Box<Recover>),
    /// What was recovered takes agents again.
    Reopen(Reopen),
}

/// Sixteen random bytes that tell one call of [`Store::claim`](crate::handle::Store::claim) or
/// [`Store::intend`](crate::handle::Store::intend) from any other. A retry inside the engine carries the same ones; a
/// second call does not and is refused, so one operation can never be given two receipts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Attempt(pub [u8; 16]);

/// Makes the cluster.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Initialise {
    /// Drawn at random; goes into certificates.
    pub cluster_id: [u8; 16],
    /// The cluster's name.
    pub cluster_name: String,
    /// The certificate of the CA of the peer plane, in PEM.
    pub ca_cert_pem: String,
    /// The CA's key, sealed under the cluster key.
    pub sealed_ca_key: Vec<u8>,
    /// The certificate of the CA of agents' credentials, in PEM.
    pub credential_ca_cert_pem: String,
    /// That CA's key, sealed under the cluster key.
    pub sealed_credential_ca_key: Vec<u8>,
    /// The first key of each role for SSH.
    pub ssh_keys: Vec<DrawnSshKey>,
    /// SHA-256 of the token that counts as an administrator's until it expires.
    pub bootstrap_token_sha256: [u8; 32],
    /// How long it does, in milliseconds of log time.
    pub bootstrap_expires_after_ms: u64,
    /// The first node, which gets id 1.
    pub first: JoinFacts,
}

/// A node has started.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeUp {
    /// Which.
    pub node: NodeId,
    /// Drawn at random at each start: the same one is the same start.
    pub boot: [u8; 16],
    /// The incarnation that this start follows. A delayed announcement of an older start follows another one, and does not
    /// take the place of what runs now.
    pub after: Option<Incarnation>,
    /// The version of its program.
    pub version: String,
    /// Where its API is reached.
    pub api_url: String,
}

/// An identified agent wants a session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OpenSession {
    /// Drawn by the node.
    pub id: SessionId,
    /// The agent.
    pub agent: Agent,
    /// The credential that it was identified by, when it was one of the cluster's own.
    pub credential: Option<CredentialId>,
    /// What it wants to reach.
    pub target: TargetName,
    /// Over which protocol.
    pub protocol: Protocol,
    /// As which role of the target.
    pub role: String,
    /// Where it connects from.
    pub source: SocketAddr,
    /// What the client calls itself.
    pub client: String,
    /// The node that will carry it.
    pub node: NodeId,
    /// Which start of that node.
    pub incarnation: Incarnation,
    /// The key that cancels what it does.
    pub cancel: CancelKey,
}

/// A session was closed by its node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CloseSession {
    /// Which.
    pub id: SessionId,
    /// Why, for the audit.
    pub reason: String,
}

/// An administrator ends a session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EndSession {
    /// Which.
    pub id: SessionId,
    /// Why; the agent hears it.
    pub reason: String,
    /// Who.
    pub author: Author,
}

/// Somebody wants what a session does cancelled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cancel {
    /// Drawn by the node: the same one is the same request.
    pub id: RequestId,
    /// The key.
    pub key: CancelKey,
}

/// An operation must wait for humans.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OpenHold {
    /// Drawn by the node.
    pub id: HoldId,
    /// The operation that the waiting client has sent.
    pub operation: OperationId,
    /// Its session.
    pub session: SessionId,
    /// What the reviewer is shown, which is what the fingerprint covers.
    pub held: HeldOperation,
    /// Its fingerprint; computed again from `held` before it is accepted.
    pub fingerprint: Fingerprint,
    /// What policy asks for.
    pub terms: HoldTerms,
    /// The policy revision that it was judged under.
    pub revision: Revision,
    /// How many open holds the node lets the agent have.
    pub most_open: u64,
    /// How many it lets the agent open in a period.
    pub most_a_period: u64,
}

/// A reviewer decides.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decide {
    /// The hold.
    pub hold: HoldId,
    /// Who, with the groups of this moment.
    pub reviewer: Reviewer,
    /// What.
    pub choice: Choice,
    /// For how long the same may be done again, in milliseconds; 0 is this once.
    pub grant_ms: u64,
    /// Why.
    pub comment: String,
    /// The fingerprint that the reviewer saw.
    pub seen: Fingerprint,
    /// The node that took the decision.
    pub node: NodeId,
}

/// A hold is taken back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WithdrawHold {
    /// Which.
    pub hold: HoldId,
    /// Who.
    pub by: Withdrawer,
    /// Why, in an administrator's words; may be empty.
    pub comment: String,
}

/// Who takes a hold back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Withdrawer {
    /// The agent, in a session of its own.
    Agent(SessionId),
    /// An administrator.
    Author(Author),
}

/// A waiting client has gone, is not kept waiting any longer, or has nothing left to wait in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ParkHold {
    /// The hold.
    pub hold: HoldId,
    /// The session that no longer waits for it.
    pub session: SessionId,
    /// What becomes of the hold when nobody else waits for it.
    pub leaves: Leaves,
}

/// What a session that stops waiting leaves behind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Leaves {
    /// The hold stays open: the same operation takes it up again.
    Parked,
    /// The target has ended the transaction that the operation was to run in: what was approved cannot happen any more.
    Void,
}

/// What was found out about a held operation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AttachEvidence {
    /// The hold, which must be pending.
    pub hold: HoldId,
    /// The session that waits for it, whose node has found this out.
    pub session: SessionId,
    /// What.
    pub evidence: Evidence,
}

/// The agent takes up an approval.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClaimHold {
    /// The hold.
    pub hold: HoldId,
    /// The operation that is going to be forwarded.
    pub operation: OperationId,
    /// Its session, which must be attached to the hold.
    pub session: SessionId,
    /// Its fingerprint.
    pub fingerprint: Fingerprint,
    /// The policy revision that the node knows.
    pub revision: Revision,
}

/// The intent of an operation that policy allowed, or that a grant covers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Intent {
    /// The session.
    pub session: SessionId,
    /// What was decided. With the approval of a hold in it the intent is refused: a claim records its own.
    pub basis: Basis,
    /// What the operation is like, where it goes through on a grant.
    pub template: Option<Template>,
    /// One line for people.
    pub summary: String,
    /// The text, as far as the audit keeps it.
    pub text: AuditText,
    /// The names of its actions, in order.
    pub actions: Vec<String>,
    /// What it asks for, as core writes it (`policy::recorded`), so that it can be judged again; empty where it is too long.
    pub asked: String,
}

/// An operation was refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refused {
    /// The operation.
    pub operation: OperationId,
    /// Its session.
    pub session: SessionId,
    /// Its fingerprint.
    pub fingerprint: Fingerprint,
    /// The policy revision it was judged under.
    pub revision: Revision,
    /// The rules that deny.
    pub rules: Vec<String>,
    /// What the agent was told.
    pub message: String,
    /// One line for people.
    pub summary: String,
    /// The text, as far as the audit keeps it.
    pub text: AuditText,
    /// The names of its actions, in order.
    pub actions: Vec<String>,
    /// What it asks for, as core writes it (`policy::recorded`), so that it can be judged again; empty where it is too long.
    pub asked: String,
}

/// Somebody failed to identify, or was not permitted an administrative act.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AccessRefused {
    /// Drawn by the node.
    pub id: RequestId,
    /// The node.
    pub node: NodeId,
    /// Where it came from, as address and port.
    pub source: String,
    /// Who it was, as far as is known.
    pub who: Option<Identity>,
    /// What was tried, such as `open a session` or `POST /v1/apply`.
    pub what: String,
    /// Why it was refused, in words that hold no secret.
    pub reason: String,
}

/// An administrator's act on a node, or on the engine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Administered {
    /// Drawn by the node.
    pub id: RequestId,
    /// The node that does it.
    pub node: NodeId,
    /// What, such as `drain`.
    pub what: String,
    /// Who.
    pub author: Author,
}

/// Resources are changed, all or none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ApplyResources {
    /// Drawn by the node, or made of the caller and the caller's own key: the same one is the same request.
    pub id: RequestId,
    /// SHA-256 of the request. The same id with another content is refused.
    pub content: [u8; 32],
    /// What the caller is told, kept for a repetition; a document that only the node reads.
    pub answer: String,
    /// The changes, in order; at most one a resource.
    pub changes: Vec<ResourceChange>,
    /// Who.
    pub author: Author,
    /// Why.
    pub comment: String,
}

/// A change of one resource.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ResourceChange {
    /// Its kind.
    pub kind: ResourceKind,
    /// Its name.
    pub name: String,
    /// What it must be before.
    pub expected: Expected,
    /// What it is to become.
    pub to: ResourceBody,
}

/// What a resource is to become.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ResourceBody {
    /// This body, a JSON document that the node has checked.
    Put(String),
    /// Nothing.
    Delete,
}

/// What a resource must be before a change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expected {
    /// Whatever it is.
    Anything,
    /// There is none.
    Absent,
    /// It is at this revision.
    At(Revision),
}

/// An identity, a session, a credential or an identity provider is revoked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Revoke {
    /// What.
    pub what: Revocable,
    /// Why; the agent hears it.
    pub reason: String,
    /// Who.
    pub author: Author,
}

/// What can be revoked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Revocable {
    /// An agent's or a reviewer's identity: its sessions end, its holds and its decisions are void.
    Identity(Identity),
    /// One session.
    Session(SessionId),
    /// One credential, and the sessions that were opened with it.
    Credential(CredentialId),
    /// Everybody of an identity provider's issuer, until the provider is defined otherwise.
    Provider {
        /// The provider, as it is defined.
        provider: Voucher,
        /// The issuer that it stands for. The node that proposes has read it there: the state does not look into bodies.
        issuer: String,
    },
    /// One grant.
    Grant(GrantId),
}

/// The cluster gets a new key that it signs its audit chain with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IntroduceAuditKey {
    /// The key, with its own signature and that of the key before.
    pub introduction: KeyIntroduction,
    /// Its secret half, sealed under the cluster key.
    pub sealed_key: Vec<u8>,
    /// Who asked for it; nobody for the first one.
    pub author: Option<Author>,
}

/// The audit chain so far was signed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordCheckpoint {
    /// What was signed.
    pub signed: Signed,
    /// Who asked for it, and what for. Nobody did where it was due; then one about an older event than the last is nothing
    /// new.
    pub asked: Option<CheckpointAsked>,
}

/// A person has signed in: a token of theirs was taken for the first time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SignedIn {
    /// Drawn by the node.
    pub id: RequestId,
    /// The node.
    pub node: NodeId,
    /// Where the request came from, as address and port.
    pub source: String,
    /// Who.
    pub author: Author,
    /// The name of the provider.
    pub provider: String,
    /// The names of the roles, in order.
    pub roles: String,
}

/// A node leads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Leads {
    /// Which.
    pub node: NodeId,
    /// In which term. Each is recorded once.
    pub term: u64,
}

/// Somebody asks for a checkpoint.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CheckpointAsked {
    /// Drawn by the node: the same one is the same request.
    pub id: RequestId,
    /// Who.
    pub author: Author,
    /// What for.
    pub reason: String,
}

/// A one-time token for a joining node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CreateJoinToken {
    /// SHA-256 of the token.
    pub sha256: [u8; 32],
    /// How long it can be used, in milliseconds of log time.
    pub expires_after_ms: u64,
    /// Who.
    pub author: Author,
}

/// A joining node uses its token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UseJoinToken {
    /// SHA-256 of the token.
    pub sha256: [u8; 32],
    /// The node.
    pub facts: JoinFacts,
}

/// A node is taken out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RemoveNode {
    /// Which.
    pub node: NodeId,
    /// Who.
    pub author: Author,
}
