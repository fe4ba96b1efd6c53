//! The forms of what the state holds.

use super::{Bad, Form, FormatError, Stored, form_enum, form_struct, list, read, stored, write};
use crate::audit_row::{AuditRow, EventRun, RunEvent, RunTemplate, RunValue};
use crate::records::{
    AppliedRequest, ArchiveFile, Attachment, Audience, AuditKeyRecord, AuditText, Author,
    BookTaken, CheckpointRecord, ClusterRecord, CredentialForm, CredentialRecord, CredentialState,
    DrawnSshKey, EpochRecord, EvidenceRecord, GrantRecord, HeldOperation, HoldBudget, HoldPhase,
    HoldRecord, InBucket, IssuerRevocation, JoinFacts, JoinTokenRecord, NodeRecord, NodeState,
    NotesTaken, OpenedKeys, OperationRecord, OperationState, Place, RecordingRecord, RequestId,
    RequestRecord, ResourceKind, ResourceRecord, RevocationRecord, SegmentRecord, Service,
    SessionRecord, SessionState, SshKeyRecord, SshRole, Start, Voucher, WrappedKey,
};
use countersign_core::{
    agent::{Agent, Identity},
    evidence::Evidence,
    gate::CancelKey,
    grant::Grant,
    hold::{Decision, Hold},
    id::{CredentialId, HoldId, Incarnation, LogIndex, NodeId, OperationId, Revision, SessionId},
    log_time::LogTime,
    operation::{Demand, Parameter},
    permit::Approval,
    record::{AuditEvent, ChainHash, ChainHead, EventKind, KeyIntroduction, Outcome, Signed},
    recording::{DataKeyId, Position, SegmentDigest},
    target::{Protocol, TargetName},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
};

stored!(
    HoldRecord = "a hold",
    GrantRecord = "a grant",
    HeldOperation = "a held operation",
    EvidenceRecord = "evidence",
    SessionRecord = "a session",
    NodeRecord = "a node",
    ClusterRecord = "the cluster",
    EpochRecord = "the epoch",
    ResourceRecord = "a resource",
    OperationRecord = "an operation",
    RevocationRecord = "a revocation",
    IssuerRevocation = "a revocation of an issuer",
    JoinTokenRecord = "a join token",
    CredentialRecord = "a credential",
    SshKeyRecord = "a key for SSH",
    RequestRecord = "a request",
    HoldBudget = "a budget of holds",
    NotesTaken = "the notes taken from a node",
    RecordingRecord = "a recording",
    SegmentRecord = "a segment of a recording",
    AuditRow = "a row of the audit",
    ChainHead = "the chain head",
    AuditKeyRecord = "an audit key",
    CheckpointRecord = "a checkpoint",
    ArchiveFile = "a file of the archive",
    OpenedKeys = "the keys of recordings that a node opens",
);
list!(Attachment, BookTaken, RunTemplate, RunEvent, RunValue);

impl Form for RequestId {
    type Dto = [u8; 16];

    fn dto(&self) -> [u8; 16] {
        self.0
    }

    fn of(dto: [u8; 16]) -> Result<Self, Bad> {
        Ok(Self(dto))
    }
}

impl Form for (NodeId, Incarnation) {
    type Dto = (u64, u64);

    fn dto(&self) -> (u64, u64) {
        (self.0.0, self.1.0)
    }

    fn of(dto: (u64, u64)) -> Result<Self, Bad> {
        Ok((NodeId(dto.0), Incarnation(dto.1)))
    }
}

form_struct!(AuthorV1 for Author { identity: Identity, name: String });
form_struct!(AuditTextV1 for AuditText { text: String, length: u64 });
form_struct!(HeldOperationV1 for HeldOperation {
    text: Vec<u8>,
    parameters: Vec<Parameter>,
    settings: Vec<(String, String)>,
    summary: String,
    demands: BTreeSet<Demand>,
    context: Vec<(String, String)>,
    asked: String,
    shape: Option<String>,
});
form_struct!(GrantRecordV1 for GrantRecord {
    number: u64,
    grant: Grant,
    hold: HoldId,
    agent_name: String,
    protocol: Protocol,
    shape: String,
    summary: String,
    decisions: Vec<Decision>,
    granted_at: LogTime,
    uses: u64,
    last_used_at: Option<LogTime>,
});
form_struct!(EvidenceRecordV1 for EvidenceRecord {
    evidence: Evidence,
    session: SessionId,
    at: LogTime,
});
form_struct!(AttachmentV1 for Attachment {
    session: SessionId,
    node: NodeId,
    incarnation: Incarnation,
});
form_struct!(HoldRecordV1 for HoldRecord {
    number: u64,
    hold: Hold,
    agent: Agent,
    session: SessionId,
    operation: OperationId,
    protocol: Protocol,
    target_revision: Revision,
    summary: String,
    attached: Vec<Attachment>,
});
form_enum!(HoldPhaseV1 for HoldPhase {
    Pending,
    Approved,
    Consumed,
    Rejected,
    Withdrawn,
    Expired,
    Invalidated,
});
form_struct!(SessionRecordV1 for SessionRecord {
    number: u64,
    id: SessionId,
    agent: Agent,
    credential: Option<CredentialId>,
    target: TargetName,
    target_revision: Revision,
    protocol: Protocol,
    role: String,
    source: SocketAddr,
    client: String,
    node: NodeId,
    incarnation: Incarnation,
    cancel: CancelKey,
    opened_at: LogTime,
    state: SessionState,
});
form_enum!(SessionStateV1 for SessionState { Open, Closed { at: LogTime, reason: String } });
form_struct!(NodeRecordV1 for NodeRecord {
    id: NodeId,
    facts: JoinFacts,
    admitted_at: LogTime,
    state: NodeState,
});
form_enum!(NodeStateV1 for NodeState { Admitted, Started(start: Start), Removed { at: LogTime } });
form_struct!(StartV1 for Start {
    incarnation: Incarnation,
    boot: [u8; 16],
    version: String,
    api_url: String,
    at: LogTime,
});
form_struct!(JoinFactsV1 for JoinFacts {
    key_sha256: [u8; 32],
    address: String,
    api_url: String,
    storage: [u8; 16],
});
form_struct!(ClusterRecordV1 for ClusterRecord {
    id: [u8; 16],
    name: String,
    ca_cert_pem: String,
    sealed_ca_key: Vec<u8>,
    credential_ca_cert_pem: String,
    sealed_credential_ca_key: Vec<u8>,
    bootstrap_token_sha256: [u8; 32],
    bootstrap_expires_at: LogTime,
    version: u32,
    initialised_at: LogTime,
});
form_struct!(EpochRecordV1 for EpochRecord {
    number: u64,
    id: [u8; 16],
    began_at: LogTime,
    known: ChainHead,
    source: String,
    service: Service,
});
form_enum!(ServiceV1 for Service { Open, Closed });
form_enum!(ResourceKindV1 for ResourceKind {
    Target,
    IdentityProvider,
    Binding,
    Policy,
    MaskRule,
});
form_struct!(ResourceRecordV1 for ResourceRecord {
    kind: ResourceKind,
    name: String,
    body: String,
    revision: Revision,
    author: Author,
    at: LogTime,
});
form_struct!(NotesTakenV1 for NotesTaken { books: Vec<BookTaken> });
form_struct!(BookTakenV1 for BookTaken { book: [u8; 16], last: u64 });
form_struct!(OperationRecordV1 for OperationRecord {
    id: OperationId,
    session: SessionId,
    approval: Option<Approval>,
    sequence: u64,
    index: LogIndex,
    attempt: [u8; 16],
    carrier: (NodeId, Incarnation),
    state: OperationState,
});
form_enum!(OperationStateV1 for OperationState { Intended, Settled(outcome: Outcome), Denied, Withheld });
form_enum!(RequestRecordV1 for RequestRecord {
    AccessRefused,
    Applied(applied: Box<AppliedRequest>),
    Cancelled,
    ClosedUnopened,
    Administered,
    Checkpointed,
    SignedIn,
});
form_struct!(WrappedKeyV1 for WrappedKey { id: DataKeyId, by: [u8; 16], sealed: Vec<u8> });
form_struct!(RecordingRecordV1 for RecordingRecord {
    session: SessionId,
    segments: u64,
    bytes: u64,
    last: SegmentDigest,
    position: Position,
    key: WrappedKey,
});
form_enum!(InBucketV1 for InBucket { No, Yes });
form_enum!(PlaceV1 for Place { Node(node: NodeId), Bucket, NotInBucket });
form_struct!(SegmentRecordV1 for SegmentRecord {
    session: SessionId,
    sequence: u64,
    digest: SegmentDigest,
    size: u64,
    places: BTreeSet<NodeId>,
    bucket: InBucket,
    at: LogTime,
});
form_struct!(HoldBudgetV1 for HoldBudget { since: LogTime, holds: u64, bytes: u64, evidence: u64 });
form_struct!(RevocationRecordV1 for RevocationRecord {
    identity: Identity,
    reason: String,
    author: Author,
    at: LogTime,
    index: LogIndex,
});
form_struct!(IssuerRevocationV1 for IssuerRevocation {
    issuer: String,
    providers: BTreeSet<String>,
    reason: String,
    author: Author,
    at: LogTime,
    index: LogIndex,
});
form_struct!(AppliedRequestV1 for AppliedRequest {
    revision: Revision,
    content: [u8; 32],
    answer: String,
});
form_struct!(JoinTokenRecordV1 for JoinTokenRecord {
    sha256: [u8; 32],
    expires_at: LogTime,
    author: Author,
    used_by: Option<NodeId>,
});
form_struct!(CredentialRecordV1 for CredentialRecord {
    id: CredentialId,
    agent: Agent,
    voucher: Voucher,
    form: CredentialForm,
    audience: Audience,
    proof_sha256: [u8; 32],
    issued_at: LogTime,
    state: CredentialState,
});
form_enum!(SshRoleV1 for SshRole { Host, HostAuthority, AgentAuthority, SessionAuthority });
form_struct!(DrawnSshKeyV1 for DrawnSshKey {
    role: SshRole,
    public_key: [u8; 32],
    sealed_key: Vec<u8>,
});
form_struct!(SshKeyRecordV1 for SshKeyRecord {
    number: u64,
    key: DrawnSshKey,
    published_at: LogTime,
    used_from: LogTime,
});
form_struct!(VoucherV1 for Voucher { provider: String, revision: Revision });
form_enum!(CredentialFormV1 for CredentialForm { ClientCertificate, SshCertificate, Token });
form_enum!(AudienceV1 for Audience { Cluster, Kubernetes(target: TargetName) });
form_enum!(CredentialStateV1 for CredentialState { Valid, Revoked });
form_struct!(AuditEventV1 for AuditEvent {
    sequence: u64,
    at: LogTime,
    index: LogIndex,
    kind: EventKind,
    fields: BTreeMap<String, String>,
    previous: ChainHash,
});
form_enum!(AuditRowV1 for AuditRow { One(event: Box<AuditEvent>), Run(run: Box<EventRun>) });
form_struct!(EventRunV1 for EventRun {
    first: u64,
    at: LogTime,
    index: LogIndex,
    previous: ChainHash,
    texts: Vec<String>,
    templates: Vec<RunTemplate>,
    events: Vec<RunEvent>,
});
form_struct!(RunTemplateV1 for RunTemplate {
    kind: EventKind,
    fixed: Vec<(String, String)>,
    open: Vec<String>,
});
form_struct!(RunEventV1 for RunEvent { template: u32, values: Vec<RunValue> });
form_enum!(RunValueV1 for RunValue { Own(text: String), Shared(place: u32) });
form_struct!(AuditKeyRecordV1 for AuditKeyRecord {
    introduction: KeyIntroduction,
    sealed_key: Vec<u8>,
    at: LogTime,
    sequence: u64,
});
form_struct!(CheckpointRecordV1 for CheckpointRecord { signed: Signed, sequence: u64 });
form_struct!(OpenedKeysV1 for OpenedKeys { names: BTreeSet<[u8; 16]> });
form_struct!(ArchiveFileV1 for ArchiveFile {
    number: u64,
    after: u64,
    last: ChainHead,
    from: LogTime,
    to: LogTime,
    digest: [u8; 32],
    size: u64,
});
form_struct!(ChainHeadV1 for ChainHead { sequence: u64, hash: ChainHash });
