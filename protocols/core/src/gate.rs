//! What an adapter asks of the node, as traits: the node implements them, the adapters know nothing else of it.
//!
//! An adapter goes: [`Gate::identify`] → [`Gate::open`] → for each operation [`Gate::judge`] → (held: [`Held::next`] until
//! it is admitted or refused) or [`Gate::admit`] → forward with the [`Permit`] → [`Gate::settle`] → [`Gate::close`].
//! Every method fails closed: whatever cannot be done is a [`Refusal`].

use crate::{
    agent::Agent,
    evidence::Evidence,
    id::{CredentialId, HoldId, OperationId, Revision, SessionId},
    log_time::LogTime,
    mask::{MaskPlan, MaskTally},
    operation::Operation,
    permit::{Cleared, Leased, Permit, Release},
    record::Outcome,
    recording::Recorder,
    refusal::Refusal,
    secret::Secret,
    session::Session,
    target::{Protocol, TargetName},
};
use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

/// A boxed future, so that the gate can be a trait object.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The one place where policy, holds and the record meet.
pub trait Gate: Send + Sync + fmt::Debug {
    /// Checks a proof of identity.
    fn identify(&self, proof: Proof, source: Source) -> BoxFuture<'_, Result<Identified, Refusal>>;

    /// Opens a session; it is in the replicated state when this returns.
    fn open(&self, wish: SessionWish) -> BoxFuture<'_, Result<OpenedSession, Refusal>>;

    /// Judges an operation under the policy in force. A hold is committed when this returns.
    fn judge<'a>(
        &'a self,
        session: &'a Session,
        operation: &'a Arc<Operation>,
    ) -> BoxFuture<'a, Result<Judged, Refusal>>;

    /// Admits what policy allowed: commits the intent, or submits it where the answer may wait for it.
    fn admit<'a>(
        &'a self,
        session: &'a Session,
        operation: &'a Arc<Operation>,
        cleared: Cleared,
    ) -> BoxFuture<'a, Result<Admission, Refusal>>;

    /// Whether this node may act right now. Looked at again immediately before bytes go upstream.
    fn lease(&self) -> Result<Leased, Refusal>;

    /// The same, for the rest of an operation that was admitted under `admitted` and has not been forwarded whole (further
    /// rows of a portal): refused once the policy has changed, so that nothing goes on for ever under an old one.
    fn goes_on(&self, admitted: Revision) -> Result<Leased, Refusal>;

    /// What is masked in what the target says outside of an answer (notices, notifications, errors at the end of a
    /// transaction), as far as this node knows: it is behind the log by no longer than sessions outlive a lost lease. An
    /// answer has the masks of its [`Release`], and no others.
    fn masks(&self, session: &Session) -> MaskPlan;

    /// Records what became of an admitted operation. Returns once the outcome is queued for the log.
    fn settle<'a>(&'a self, session: &'a Session, settlement: Settlement) -> BoxFuture<'a, ()>;

    /// Cancels what the session of this key is doing, on whichever node it is. A wrong key does nothing, and neither does
    /// a source that asks too often.
    fn cancel(&self, key: CancelKey, source: Source) -> BoxFuture<'_, ()>;

    /// Closes a session.
    fn close(&self, session: SessionId, reason: CloseReason) -> BoxFuture<'_, ()>;
}

/// An operation that waits for humans, with its client waiting too. Dropping it parks the hold.
pub trait Held: Send + fmt::Debug {
    /// What the agent is told.
    fn notice(&self) -> HoldNotice;

    /// Waits for the next thing that happens to the hold. Safe to drop and call again.
    fn next(&mut self) -> BoxFuture<'_, HoldProgress>;

    /// The transaction that the operation stands in has waited in vain for so long already, for this or for other operations:
    /// the agent is kept waiting for what is left, so that it cannot keep its locks by asking again and again.
    fn hasten(&mut self, waited: Duration);

    /// Whether the hold has no evidence yet, so that it is worth gathering.
    fn wants_evidence(&self) -> bool;

    /// Attaches what was found out about the operation, for its reviewers. It is on its way when this returns; whatever
    /// becomes of it, the hold is what it was.
    fn attach(&self, evidence: Evidence);

    /// The target has ended the transaction that the operation was to run in: what was approved, or is going to be, cannot
    /// happen any more. Returns once that is recorded, or is going to be.
    fn void(self: Box<Self>) -> BoxFuture<'static, ()>;

    /// The agent took the operation back.
    fn withdraw(self: Box<Self>) -> BoxFuture<'static, Refusal>;
}

/// What a session is told from outside.
pub trait Signals: Send + fmt::Debug {
    /// Waits for the next signal. Safe to drop and call again. After [`Signal::End`] there is none.
    fn next(&mut self) -> BoxFuture<'_, Signal>;
}

/// A proof of identity, not yet checked.
#[derive(Debug, Clone)]
pub enum Proof {
    /// A token: one that an identity provider issued, or a short one of the cluster's own.
    Token(Secret),
    /// A certificate (X.509, DER) whose key the peer was seen to have. Who issued it was not looked at.
    Certificate(Vec<u8>),
    /// An OpenSSH certificate whose key the peer was seen to have. Nothing that it says was looked at.
    SshCertificate {
        /// As it is sent (RFC 4253, section 6.6).
        certificate: Vec<u8>,
        /// The user name that it is to count for, as it was sent.
        user: String,
    },
}

/// Who was identified, and by what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identified {
    /// The agent.
    pub agent: Agent,
    /// The credential of the cluster's own that it was identified by; without one, it was a token of a provider. What is
    /// opened with a credential ends with it.
    pub credential: Option<CredentialId>,
}

/// Where a connection comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The peer's address and port, for the audit and for limits.
    pub address: std::net::SocketAddr,
}

impl Source {
    /// The address as limits count it. Whoever has one address of IPv6 has at least 2^64 of them, which count as one.
    pub fn counted(&self) -> IpAddr {
        match self.address.ip().to_canonical() {
            four @ IpAddr::V4(_) => four,
            IpAddr::V6(six) => {
                let [a, b, c, d, ..] = six.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
        }
    }
}

/// What a session is wanted for.
#[derive(Debug, Clone)]
pub struct SessionWish {
    /// The identified agent.
    pub who: Identified,
    /// The target's name, as the agent wrote it.
    pub target: TargetName,
    /// The revision of the definition that the adapter goes by. No session is opened under another one.
    pub revision: Revision,
    /// The adapter's protocol.
    pub protocol: Protocol,
    /// The role of the target, already looked up in its definition by the adapter.
    pub role: String,
    /// Where the agent connects from.
    pub source: Source,
    /// What the client calls itself, for the audit (PostgreSQL: `application_name`).
    pub client: String,
}

/// An open session.
#[derive(Debug)]
pub struct OpenedSession {
    /// The session.
    pub session: Session,
    /// What it is told from outside.
    pub signals: Box<dyn Signals>,
    /// The key that cancels what it does.
    pub cancel: CancelKey,
    /// Takes what the target says and belongs into the recording. What is asked, decided and done is recorded by the gate.
    pub recorder: Arc<dyn Recorder>,
}

/// A key that cancels what a session does (PostgreSQL: `BackendKeyData`). The first half names the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CancelKey {
    /// The "process id".
    pub process: u32,
    /// The secret half.
    pub secret: u32,
}

/// What a session is told from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signal {
    /// The agent asked, on another connection, to cancel what is being done.
    Cancel,
    /// The session must end now, with this last word.
    End(Refusal),
}

/// What the gate says about an operation.
#[derive(Debug)]
#[must_use = "an operation whose judgement is dropped is not forwarded"]
pub enum Judged {
    /// Policy allows it: admit it.
    Cleared(Cleared),
    /// It waits for humans.
    Held(Box<dyn Held>),
}

/// What happened to a hold.
#[derive(Debug)]
#[must_use = "an admission that is dropped is not forwarded"]
pub enum HoldProgress {
    /// It goes on waiting; this is to be told to the agent.
    Changed(HoldNotice),
    /// It is approved and not claimed yet: see that it can be forwarded, then go on waiting, which claims it. An approval
    /// that is not claimed is not used up.
    Approved,
    /// It was approved and claimed: forward it.
    Admitted(Admission),
    /// It ended without an approval, or is parked.
    Refused(Refusal),
}

/// What the waiting agent is told about its hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldNotice {
    /// The hold.
    pub hold: HoldId,
    /// Who decides, for people: `2 of dba`.
    pub reviewers: String,
    /// How many have approved so far.
    pub approvals: usize,
    /// When it expires.
    pub expires_at: LogTime,
    /// The four-word key of the fingerprint.
    pub key: String,
    /// Where it can be followed.
    pub url: String,
}

/// An admitted operation.
#[derive(Debug)]
#[must_use = "an admission that is dropped is not forwarded"]
pub struct Admission {
    /// Admits the forward.
    pub permit: Permit,
    /// Lets the answer through.
    pub reply: Reply,
}

/// When the answer may be written.
pub enum Reply {
    /// Now.
    Released(Release),
    /// When this future has the receipt. A refusal means: write nothing of the answer, end the session.
    Awaited(BoxFuture<'static, Result<Release, Refusal>>),
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Released(release) => f.debug_tuple("Released").field(release).finish(),
            Self::Awaited(_) => f.write_str("Awaited"),
        }
    }
}

/// What became of an admitted operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// The operation.
    pub operation: OperationId,
    /// What became of it.
    pub outcome: Outcome,
    /// Rows sent or affected, as far as the target said.
    pub rows: u64,
    /// Bytes of the answer.
    pub bytes: u64,
    /// The target's word: a command tag or an error code, never its text.
    pub word: String,
    /// What was masked in the answer: rules, places and counts.
    pub masked: MaskTally,
}

/// Why a session was closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CloseReason {
    /// The agent ended it or went away.
    Agent,
    /// The target ended it or failed.
    Target,
    /// The gateway refused to go on.
    Refused(Refusal),
}
