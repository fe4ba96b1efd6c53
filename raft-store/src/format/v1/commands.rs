//! The forms of commands.

use super::{Bad, Form, FormatError, Stored, form_enum, form_struct, list, read, stored, write};
use crate::{
    command::{
        AccessRefused, Administered, ApplyResources, ArchiveRead, AttachEvidence, Attempt, Cancel,
        CheckpointAsked, ClaimHold, CloseSession, Command, CreateJoinToken, Decide, EndSession,
        Expected, Initialise, Intent, IntroduceAuditKey, IssueCredential, LateOutcome, Leads,
        Leaves, LostNotes, NodeUp, NotedBasis, NotedOutcome, NotedRead, OpenHold, OpenKeys,
        OpenSession, ParkHold, PlaceSegment, RecordCheckpoint, RecordSegment, Recover, Refused,
        RemoveNode, Reopen, ResourceBody, ResourceChange, Revocable, Revoke, RewrapKey,
        RotateSshKey, SignedIn, TakeNotes, UseJoinToken, WithdrawHold, Withdrawer, Wording,
    },
    notes::Noted,
    records::{
        ArchiveFile, Audience, AuditText, Author, CredentialForm, DrawnSshKey, HeldOperation,
        JoinFacts, Place, RequestId, ResourceKind, Voucher, WrappedKey,
    },
};
use countersign_core::{
    agent::{Agent, Identity},
    evidence::Evidence,
    fingerprint::Fingerprint,
    gate::{CancelKey, Settlement},
    grant::Template,
    hold::{Choice, HoldTerms},
    id::{CredentialId, GrantId, HoldId, Incarnation, NodeId, OperationId, Revision, SessionId},
    mask::MaskTally,
    permit::{AuditLevel, Basis},
    record::{KeyIntroduction, Outcome, Signed},
    recording::{Position, SegmentDigest},
    reviewer::Reviewer,
    target::{Protocol, TargetName},
};
use std::{collections::BTreeSet, net::SocketAddr};

stored!(Command = "a command", Noted = "a note");
list!(
    DrawnSshKey,
    ResourceChange,
    SessionId,
    NotedBasis,
    Wording,
    LateOutcome,
    NotedRead,
    LostNotes
);

impl Form for Attempt {
    type Dto = [u8; 16];

    fn dto(&self) -> [u8; 16] {
        self.0
    }

    fn of(dto: [u8; 16]) -> Result<Self, Bad> {
        Ok(Self(dto))
    }
}

form_enum!(CommandV1 for Command {
    Initialise(command: Box<Initialise>),
    NodeUp(command: Box<NodeUp>),
    OpenSession(command: Box<OpenSession>),
    CloseSession(command: CloseSession),
    EndSession(command: EndSession),
    Cancel(command: Cancel),
    OpenHold(command: Box<OpenHold>),
    Decide(command: Box<Decide>),
    WithdrawHold(command: WithdrawHold),
    ParkHold(command: ParkHold),
    ClaimHold(command: ClaimHold, attempt: Attempt),
    Intent(command: Box<Intent>, attempt: Attempt),
    Outcome(settlement: Settlement),
    Refused(command: Box<Refused>),
    AccessRefused(command: AccessRefused),
    ApplyResources(command: ApplyResources),
    Revoke(command: Revoke),
    CreateJoinToken(command: CreateJoinToken),
    UseJoinToken(command: UseJoinToken),
    RemoveNode(command: RemoveNode),
    Tick,
    Administered(command: Administered),
    TakeNotes(command: Box<TakeNotes>),
    IssueCredential(command: Box<IssueCredential>),
    AttachEvidence(command: Box<AttachEvidence>),
    IntroduceAuditKey(command: Box<IntroduceAuditKey>),
    RecordCheckpoint(command: Box<RecordCheckpoint>),
    SignedIn(command: Box<SignedIn>),
    Leads(command: Leads),
    RecordSegment(command: Box<RecordSegment>),
    PlaceSegment(command: PlaceSegment),
    ArchiveEvents(file: ArchiveFile),
    RewrapKey(command: RewrapKey),
    RotateSshKey(command: Box<RotateSshKey>),
    ArchiveRead(command: ArchiveRead),
    OpenKeys(command: OpenKeys),
    Recover(command: Box<Recover>),
    Reopen(command: Reopen),
});
form_struct!(RecoverV1 for Recover {
    epoch: [u8; 16],
    node: NodeId,
    facts: JoinFacts,
    ca_cert_pem: String,
    sealed_ca_key: Vec<u8>,
    source: String,
    author: Author,
});
form_struct!(ReopenV1 for Reopen { author: Author });
form_struct!(OpenKeysV1 for OpenKeys { node: NodeId, names: BTreeSet<[u8; 16]> });
form_struct!(ArchiveReadV1 for ArchiveRead { node: NodeId, number: u64, digest: [u8; 32] });
form_struct!(RotateSshKeyV1 for RotateSshKey {
    number: u64,
    key: DrawnSshKey,
    overlap_ms: u64,
    author: Author,
});
form_struct!(InitialiseV1 for Initialise {
    cluster_id: [u8; 16],
    cluster_name: String,
    ca_cert_pem: String,
    sealed_ca_key: Vec<u8>,
    credential_ca_cert_pem: String,
    sealed_credential_ca_key: Vec<u8>,
    ssh_keys: Vec<DrawnSshKey>,
    bootstrap_token_sha256: [u8; 32],
    bootstrap_expires_after_ms: u64,
    first: JoinFacts,
});
form_struct!(NodeUpV1 for NodeUp {
    node: NodeId,
    boot: [u8; 16],
    after: Option<Incarnation>,
    version: String,
    api_url: String,
});
form_struct!(OpenSessionV1 for OpenSession {
    id: SessionId,
    agent: Agent,
    credential: Option<CredentialId>,
    target: TargetName,
    protocol: Protocol,
    role: String,
    source: SocketAddr,
    client: String,
    node: NodeId,
    incarnation: Incarnation,
    cancel: CancelKey,
});
form_struct!(CloseSessionV1 for CloseSession { id: SessionId, reason: String });
form_struct!(EndSessionV1 for EndSession { id: SessionId, reason: String, author: Author });
form_struct!(CancelV1 for Cancel { id: RequestId, key: CancelKey });
form_struct!(OpenHoldV1 for OpenHold {
    id: HoldId,
    operation: OperationId,
    session: SessionId,
    held: HeldOperation,
    fingerprint: Fingerprint,
    terms: HoldTerms,
    revision: Revision,
    most_open: u64,
    most_a_period: u64,
});
form_struct!(DecideV1 for Decide {
    hold: HoldId,
    reviewer: Reviewer,
    choice: Choice,
    grant_ms: u64,
    comment: String,
    seen: Fingerprint,
    node: NodeId,
});
form_struct!(WithdrawHoldV1 for WithdrawHold { hold: HoldId, by: Withdrawer, comment: String });
form_enum!(WithdrawerV1 for Withdrawer { Agent(session: SessionId), Author(author: Author) });
form_struct!(ParkHoldV1 for ParkHold { hold: HoldId, session: SessionId, leaves: Leaves });
form_enum!(LeavesV1 for Leaves { Parked, Void });
form_struct!(AttachEvidenceV1 for AttachEvidence {
    hold: HoldId,
    session: SessionId,
    evidence: Evidence,
});
form_struct!(RecordSegmentV1 for RecordSegment {
    session: SessionId,
    node: NodeId,
    sequence: u64,
    position: Position,
    digest: SegmentDigest,
    previous: SegmentDigest,
    size: u64,
    places: BTreeSet<NodeId>,
    key: WrappedKey,
});
form_struct!(PlaceSegmentV1 for PlaceSegment {
    session: SessionId,
    sequence: u64,
    digest: SegmentDigest,
    place: Place,
});
form_struct!(RewrapKeyV1 for RewrapKey { session: SessionId, before: [u8; 16], key: WrappedKey });
form_struct!(ClaimHoldV1 for ClaimHold {
    hold: HoldId,
    operation: OperationId,
    session: SessionId,
    fingerprint: Fingerprint,
    revision: Revision,
});
form_struct!(IntentV1 for Intent {
    session: SessionId,
    basis: Basis,
    template: Option<Template>,
    summary: String,
    text: AuditText,
    actions: Vec<String>,
    asked: String,
});
form_enum!(NotedV1 for Noted { Intent(intent: Box<Intent>), Outcome(settlement: Settlement) });
form_struct!(TakeNotesV1 for TakeNotes {
    node: NodeId,
    book: [u8; 16],
    sessions: Vec<SessionId>,
    bases: Vec<NotedBasis>,
    wordings: Vec<Wording>,
    outcomes: Vec<LateOutcome>,
    reads: Vec<NotedRead>,
    lost: Vec<LostNotes>,
});
form_struct!(NotedBasisV1 for NotedBasis {
    audit: AuditLevel,
    revision: Revision,
    rules: Vec<String>,
    actions: Vec<String>,
    asked: String,
});
form_struct!(WordingV1 for Wording { summary: String, text: AuditText });
form_struct!(NotedReadV1 for NotedRead {
    sequence: u64,
    operation: OperationId,
    fingerprint: Fingerprint,
    session: u32,
    basis: u32,
    wording: u32,
    outcome: Option<NotedOutcome>,
});
form_struct!(NotedOutcomeV1 for NotedOutcome {
    sequence: u64,
    outcome: Outcome,
    rows: u64,
    bytes: u64,
    word: String,
    masked: MaskTally,
});
form_struct!(LateOutcomeV1 for LateOutcome { sequence: u64, settlement: Settlement });
form_struct!(LostNotesV1 for LostNotes { first: u64, last: Option<u64>, bytes: u64 });
form_struct!(RefusedV1 for Refused {
    operation: OperationId,
    session: SessionId,
    fingerprint: Fingerprint,
    revision: Revision,
    rules: Vec<String>,
    message: String,
    summary: String,
    text: AuditText,
    actions: Vec<String>,
    asked: String,
});
form_struct!(AccessRefusedV1 for AccessRefused {
    id: RequestId,
    node: NodeId,
    source: String,
    who: Option<Identity>,
    what: String,
    reason: String,
});
form_struct!(AdministeredV1 for Administered {
    id: RequestId,
    node: NodeId,
    what: String,
    author: Author,
});
form_struct!(ApplyResourcesV1 for ApplyResources {
    id: RequestId,
    content: [u8; 32],
    answer: String,
    changes: Vec<ResourceChange>,
    author: Author,
    comment: String,
});
form_struct!(ResourceChangeV1 for ResourceChange {
    kind: ResourceKind,
    name: String,
    expected: Expected,
    to: ResourceBody,
});
form_enum!(ResourceBodyV1 for ResourceBody { Put(body: String), Delete });
form_enum!(ExpectedV1 for Expected { Anything, Absent, At(revision: Revision) });
form_struct!(RevokeV1 for Revoke { what: Revocable, reason: String, author: Author });
form_enum!(RevocableV1 for Revocable {
    Identity(identity: Identity),
    Session(session: SessionId),
    Credential(credential: CredentialId),
    Provider { provider: Voucher, issuer: String },
    Grant(grant: GrantId),
});
form_struct!(IssueCredentialV1 for IssueCredential {
    id: CredentialId,
    agent: Agent,
    voucher: Voucher,
    form: CredentialForm,
    audience: Audience,
    proof_sha256: [u8; 32],
    source: SocketAddr,
    node: NodeId,
    most_live: u64,
});
form_struct!(IntroduceAuditKeyV1 for IntroduceAuditKey {
    introduction: KeyIntroduction,
    sealed_key: Vec<u8>,
    author: Option<Author>,
});
form_struct!(RecordCheckpointV1 for RecordCheckpoint {
    signed: Signed,
    asked: Option<CheckpointAsked>,
});
form_struct!(SignedInV1 for SignedIn {
    id: RequestId,
    node: NodeId,
    source: String,
    author: Author,
    provider: String,
    roles: String,
});
form_struct!(LeadsV1 for Leads { node: NodeId, term: u64 });
form_struct!(CheckpointAskedV1 for CheckpointAsked { id: RequestId, author: Author, reason: String });
form_struct!(CreateJoinTokenV1 for CreateJoinToken {
    sha256: [u8; 32],
    expires_after_ms: u64,
    author: Author,
});
form_struct!(UseJoinTokenV1 for UseJoinToken { sha256: [u8; 32], facts: JoinFacts });
form_struct!(RemoveNodeV1 for RemoveNode { node: NodeId, author: Author });
