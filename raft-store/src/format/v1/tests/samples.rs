//! One value of everything that is stored or sent.

use crate::{
    audit_row::{AuditRow, EventRun, RunEvent, RunTemplate, RunValue},
    effect::Effect,
    records::*,
};
use countersign_core::{
    agent::{Agent, Identity, Workload},
    evidence::{EstimatedChange, Estimates, Evidence, Locks, OpenTransaction, Plan},
    fingerprint::Fingerprint,
    gate::CancelKey,
    hold::{
        Choice, Decision, Escalation, Hold, HoldState, HoldTerms, ReasonRule, RejectionRule,
        Requirement, Reviewers,
    },
    id::*,
    log_time::LogTime,
    operation::{Action, Demand, Parameter, Resource},
    permit::Approval,
    record::{
        AuditEvent, AuditKey, ChainHash, ChainHead, Claim, ClusterId, Endorsement, EventKind,
        KeyIntroduction, Outcome, Signature, Signed, Statement,
    },
    recording::{DataKeyId, Position, SegmentDigest},
    reviewer::Reviewer,
    target::{Protocol, TargetName},
};
use std::collections::{BTreeMap, BTreeSet};

mod commands;
mod grants;
mod replies;

pub(super) use commands::{commands, noted};
pub(super) use grants::grants;
pub(super) use replies::replies;

fn t(text: &str) -> String {
    text.to_owned()
}

/// The name of a sample that there is one of for each value of a list.
fn of_all(what: &str, name: &str) -> &'static str {
    Box::leak(format!("{what}-{name}").into_boxed_str())
}

fn identity() -> Identity {
    Identity { issuer: t("iss"), subject: t("sub") }
}

fn agent() -> Agent {
    Agent {
        identity: identity(),
        name: t("bot"),
        owner: Some(t("olga")),
        groups: BTreeSet::from([t("ci"), t("qa")]),
        workload: Workload { repository: t("shop"), branch: t("main"), job: t("migrate") },
        expires_at: LogTime(9_000),
    }
}

fn reviewer() -> Reviewer {
    Reviewer {
        identity: identity(),
        name: t("dana"),
        also_known_as: BTreeSet::from([t("dana@x")]),
        groups: BTreeSet::from([t("dba")]),
    }
}

fn author() -> Author {
    Author { identity: identity(), name: t("ada") }
}

fn facts() -> JoinFacts {
    JoinFacts { key_sha256: [1; 32], address: t("h:1"), api_url: t("https://h"), storage: [2; 16] }
}

fn terms() -> HoldTerms {
    HoldTerms {
        requirements: vec![Requirement {
            reviewers: Reviewers::parse("dba or 'on call'").unwrap(),
            quorum: 2,
            escalation: Some(Escalation { group: t("leads"), after_ms: 900_000 }),
        }],
        expires_after_ms: 1_000,
        wait_ms: 500,
        reason: ReasonRule::Required,
        rejection: RejectionRule::Ends,
        again_after_ms: 600_000,
        grantable_ms: Some(3_600_000),
        rules: vec![t("writes")],
        break_glass: Some(t("incident")),
    }
}

fn decisions() -> Vec<Decision> {
    [Choice::Approve, Choice::Reject, Choice::BreakGlass]
        .map(|choice| Decision {
            reviewer: reviewer(),
            choice,
            grant_ms: 1_800_000,
            comment: t("ok"),
            at: LogTime(7),
            node: NodeId(3),
        })
        .to_vec()
}

fn target() -> TargetName {
    TargetName::parse("orders").unwrap()
}

fn fingerprint() -> Fingerprint {
    Fingerprint::from_bytes([0xab; 32])
}

fn hold_id() -> HoldId {
    HoldId::from_bytes([3; 16])
}

fn op() -> OperationId {
    OperationId::from_bytes([4; 16])
}

fn ses() -> SessionId {
    SessionId::from_bytes([5; 16])
}

fn voucher() -> Voucher {
    Voucher { provider: t("ci"), revision: Revision(9) }
}

fn credential_id() -> CredentialId {
    CredentialId::from_bytes([6; 16])
}

pub(super) fn held_operation() -> HeldOperation {
    HeldOperation {
        text: b"delete".to_vec(),
        parameters: vec![
            Parameter { format: 1, type_oid: 23, value: Some(vec![0, 7]), shown: t("7") },
            Parameter { format: 0, type_oid: 25, value: None, shown: t("null") },
        ],
        settings: vec![(t("role"), t("app"))],
        summary: t("DELETE"),
        demands: Action::ALL
            .iter()
            .map(|action| Demand { action: *action, resource: Resource::Target })
            .chain([
                Demand {
                    action: Action::PostgresWrite,
                    resource: Resource::Relation { schema: t("public"), name: t("a") },
                },
                Demand {
                    action: Action::SshRead,
                    resource: Resource::Path { path: t("/var/log/syslog") },
                },
                Demand {
                    action: Action::SshExec,
                    resource: Resource::Program { name: t("systemctl") },
                },
                Demand {
                    action: Action::KubernetesScale,
                    resource: Resource::ApiObject {
                        namespace: t("shop"),
                        group: t("apps"),
                        version: t("v1"),
                        resource: t("deployments"),
                        name: t("web"),
                        subresource: t("scale"),
                    },
                },
                Demand {
                    action: Action::KubernetesUrl,
                    resource: Resource::Url { path: t("/metrics") },
                },
            ])
            .collect(),
        context: vec![(t("client"), t("psql"))],
        asked: t("asks-1"),
        shape: Some(t("delete from a where b = $1")),
    }
}

pub(super) fn evidence() -> Vec<(&'static str, EvidenceRecord)> {
    let change = EstimatedChange { what: t("Delete on a"), rows: 300 };
    let seen = Evidence {
        plan: Plan::Known(t("[]")),
        estimates: Some(Estimates { returned: 1, changed: vec![change] }),
        transaction: Some(OpenTransaction {
            age_ms: 2_000,
            locks: Locks::Known { lines: vec![t("RowExclusiveLock on public.a")], left_out: 3 },
        }),
    };
    let unseen = Evidence {
        plan: Plan::Absent(t("why")),
        estimates: None,
        transaction: Some(OpenTransaction { age_ms: 1, locks: Locks::Unknown(t("why not")) }),
    };
    let none = Evidence { plan: Plan::Absent(t("why")), estimates: None, transaction: None };
    [("evidence-seen", seen), ("evidence-unseen", unseen), ("evidence-none", none)]
        .map(|(name, evidence)| {
            (name, EvidenceRecord { evidence, session: ses(), at: LogTime(70_000) })
        })
        .to_vec()
}

fn hold_in(state: HoldState) -> HoldRecord {
    HoldRecord {
        number: 300,
        hold: Hold {
            id: hold_id(),
            fingerprint: fingerprint(),
            requester: identity(),
            requester_name: t("bot"),
            owner: None,
            target: target(),
            terms: terms(),
            revision: Revision(6),
            opened_at: LogTime(69_000),
            expires_at: LogTime(70_000),
            state,
        },
        agent: agent(),
        session: ses(),
        operation: op(),
        protocol: Protocol::Postgres,
        target_revision: Revision(5),
        summary: t("DELETE"),
        attached: vec![Attachment {
            session: ses(),
            node: NodeId(1),
            incarnation: Incarnation(12),
        }],
    }
}

pub(super) fn hold() -> HoldRecord {
    hold_in(HoldState::Pending { decisions: decisions() })
}

pub(super) fn holds_in_every_state() -> Vec<(&'static str, HoldRecord)> {
    let none = Vec::new;
    vec![
        ("hold-pending", hold_in(HoldState::Pending { decisions: none() })),
        ("hold-approved", hold_in(HoldState::Approved { decisions: none() })),
        ("hold-consumed", hold_in(HoldState::Consumed { decisions: none(), operation: op() })),
        ("hold-rejected", hold_in(HoldState::Rejected { decisions: none() })),
        ("hold-withdrawn", hold_in(HoldState::Withdrawn { decisions: none() })),
        ("hold-expired", hold_in(HoldState::Expired { decisions: none() })),
        (
            "hold-invalidated",
            hold_in(HoldState::Invalidated { decisions: none(), reason: t("why") }),
        ),
    ]
}

fn session(state: SessionState) -> SessionRecord {
    SessionRecord {
        number: 2,
        id: ses(),
        agent: agent(),
        credential: Some(credential_id()),
        target: target(),
        target_revision: Revision(5),
        protocol: Protocol::Postgres,
        role: t("app"),
        source: "[::1]:5000".parse().unwrap(),
        client: t("psql"),
        node: NodeId(1),
        incarnation: Incarnation(12),
        cancel: CancelKey { process: 1_000_000, secret: 7 },
        opened_at: LogTime(6),
        state,
    }
}

pub(super) fn sessions() -> Vec<(&'static str, SessionRecord)> {
    let closed = SessionState::Closed { at: LogTime(8), reason: t("gone") };
    vec![("session-open", session(SessionState::Open)), ("session-closed", session(closed))]
}

pub(super) fn nodes() -> Vec<(&'static str, NodeRecord)> {
    let node = |state| NodeRecord { id: NodeId(2), facts: facts(), admitted_at: LogTime(3), state };
    let start = Start {
        incarnation: Incarnation(12),
        boot: [6; 16],
        version: t("0.1.0"),
        api_url: t("https://h"),
        at: LogTime(4),
    };
    vec![
        ("node-admitted", node(NodeState::Admitted)),
        ("node-started", node(NodeState::Started(start))),
        ("node-removed", node(NodeState::Removed { at: LogTime(9) })),
    ]
}

pub(super) fn cluster() -> ClusterRecord {
    ClusterRecord {
        id: [7; 16],
        name: t("c"),
        ca_cert_pem: t("pem"),
        sealed_ca_key: vec![1, 2],
        credential_ca_cert_pem: t("pem 2"),
        sealed_credential_ca_key: vec![3],
        bootstrap_token_sha256: [8; 32],
        bootstrap_expires_at: LogTime(5),
        version: 1,
        initialised_at: LogTime(1),
    }
}

pub(super) fn epochs() -> Vec<(&'static str, EpochRecord)> {
    let epoch = |service| EpochRecord {
        number: 2,
        id: [9; 16],
        began_at: LogTime(7),
        known: chain_head(),
        source: t("a snapshot"),
        service,
    };
    vec![("epoch-closed", epoch(Service::Closed)), ("epoch-open", epoch(Service::Open))]
}

pub(super) fn resources() -> Vec<(&'static str, ResourceRecord)> {
    let names = [
        "resource-target",
        "resource-provider",
        "resource-binding",
        "resource-policy",
        "resource-mask-rule",
    ];
    let of = |kind: &ResourceKind| ResourceRecord {
        kind: *kind,
        name: t("n"),
        body: t("{}"),
        revision: Revision(5),
        author: author(),
        at: LogTime(2),
    };
    names.into_iter().zip(ResourceKind::ALL.iter().map(of)).collect()
}

pub(super) fn operations() -> Vec<(&'static str, OperationRecord)> {
    let with = |approval, state| OperationRecord {
        id: op(),
        session: ses(),
        approval,
        sequence: 9,
        index: LogIndex(8),
        attempt: [1; 16],
        carrier: (NodeId(1), Incarnation(12)),
        state,
    };
    let of = |state| with(Some(Approval::Hold(hold_id())), state);
    vec![
        (
            "operation-granted",
            with(Some(Approval::Grant(grants::grant_id())), OperationState::Intended),
        ),
        ("operation-intended", of(OperationState::Intended)),
        ("operation-completed", of(OperationState::Settled(Outcome::Completed))),
        ("operation-failed", of(OperationState::Settled(Outcome::Failed))),
        ("operation-refused", of(OperationState::Settled(Outcome::Refused))),
        ("operation-unknown", of(OperationState::Settled(Outcome::OutcomeUnknown))),
        ("operation-denied", of(OperationState::Denied)),
        ("operation-withheld", of(OperationState::Withheld)),
    ]
}

pub(super) fn revocation() -> RevocationRecord {
    RevocationRecord {
        identity: identity(),
        reason: t("left"),
        author: author(),
        at: LogTime(2),
        index: LogIndex(3),
    }
}

pub(super) fn issuer_revocation() -> IssuerRevocation {
    IssuerRevocation {
        issuer: t("i"),
        providers: BTreeSet::from([t("p")]),
        reason: t("left"),
        author: author(),
        at: LogTime(2),
        index: LogIndex(3),
    }
}

pub(super) fn join_token() -> JoinTokenRecord {
    JoinTokenRecord {
        sha256: [9; 32],
        expires_at: LogTime(2),
        author: author(),
        used_by: Some(NodeId(3)),
    }
}

fn drawn_ssh_key(role: SshRole) -> DrawnSshKey {
    DrawnSshKey { role, public_key: [5; 32], sealed_key: vec![6, 7] }
}

pub(super) fn ssh_keys() -> Vec<(&'static str, SshKeyRecord)> {
    let of = |role| SshKeyRecord {
        number: 2,
        key: drawn_ssh_key(role),
        published_at: LogTime(3),
        used_from: LogTime(4),
    };
    vec![
        ("ssh-key-host", of(SshRole::Host)),
        ("ssh-key-host-authority", of(SshRole::HostAuthority)),
        ("ssh-key-agent-authority", of(SshRole::AgentAuthority)),
        ("ssh-key-session-authority", of(SshRole::SessionAuthority)),
    ]
}

pub(super) fn credentials() -> Vec<(&'static str, CredentialRecord)> {
    let of = |form, state| CredentialRecord {
        id: credential_id(),
        agent: agent(),
        voucher: voucher(),
        form,
        audience: Audience::Cluster,
        proof_sha256: [4; 32],
        issued_at: LogTime(2),
        state,
    };
    let valid = CredentialState::Valid;
    let audience = Audience::Kubernetes(target());
    let bound = CredentialRecord { audience, ..of(CredentialForm::Token, valid) };
    vec![
        ("credential-valid", of(CredentialForm::ClientCertificate, valid)),
        ("credential-ssh-certificate", of(CredentialForm::SshCertificate, valid)),
        ("credential-token", of(CredentialForm::Token, valid)),
        ("credential-of-a-target", bound),
        ("credential-revoked", of(CredentialForm::ClientCertificate, CredentialState::Revoked)),
    ]
}

pub(super) fn requests() -> Vec<(&'static str, RequestRecord)> {
    let applied = AppliedRequest { revision: Revision(6), content: [3; 32], answer: t("{}") };
    vec![
        ("request-access-refused", RequestRecord::AccessRefused),
        ("request-applied", RequestRecord::Applied(Box::new(applied))),
        ("request-cancelled", RequestRecord::Cancelled),
        ("request-closed-unopened", RequestRecord::ClosedUnopened),
        ("request-administered", RequestRecord::Administered),
        ("request-checkpointed", RequestRecord::Checkpointed),
        ("request-signed-in", RequestRecord::SignedIn),
    ]
}

pub(super) fn notes_taken() -> NotesTaken {
    NotesTaken { books: vec![BookTaken { book: [5; 16], last: 7 }] }
}

fn wrapped_key() -> WrappedKey {
    WrappedKey { id: DataKeyId([7; 16]), by: [8; 16], sealed: vec![1, 2, 3] }
}

pub(super) fn recording() -> RecordingRecord {
    RecordingRecord {
        session: ses(),
        segments: 2,
        bytes: 3_000,
        last: SegmentDigest([9; 32]),
        position: Position::Followed,
        key: wrapped_key(),
    }
}

pub(super) fn segments() -> Vec<(&'static str, SegmentRecord)> {
    let segment = |bucket| SegmentRecord {
        session: ses(),
        sequence: 2,
        digest: SegmentDigest([9; 32]),
        size: 1_500,
        places: BTreeSet::from([NodeId(1), NodeId(3)]),
        bucket,
        at: LogTime(70_000),
    };
    vec![("segment", segment(InBucket::No)), ("segment-in-bucket", segment(InBucket::Yes))]
}

pub(super) fn opened_keys() -> OpenedKeys {
    OpenedKeys { names: BTreeSet::from([[1; 16], [2; 16]]) }
}

pub(super) fn archive_file() -> ArchiveFile {
    ArchiveFile {
        number: 2,
        after: 3,
        last: chain_head(),
        from: LogTime(5),
        to: LogTime(6),
        digest: [9; 32],
        size: 1_500,
    }
}

pub(super) fn hold_budget() -> HoldBudget {
    HoldBudget { since: LogTime(60_000), holds: 3, bytes: 1_000, evidence: 500 }
}

pub(super) fn events() -> Vec<(&'static str, AuditRow)> {
    let event = |kind: &EventKind| AuditEvent {
        sequence: 3,
        at: LogTime(2),
        index: LogIndex(1),
        kind: *kind,
        fields: BTreeMap::from([(t("agent.name"), t("bot")), (t("rows"), t("1"))]),
        previous: ChainHash([5; 32]),
    };
    let of = |kind: &EventKind| AuditRow::One(Box::new(event(kind)));
    EventKind::ALL.iter().map(|kind| (of_all("event", kind.name()), of(kind))).collect()
}

pub(super) fn event_run() -> AuditRow {
    AuditRow::Run(Box::new(EventRun {
        first: 3,
        at: LogTime(2),
        index: LogIndex(1),
        previous: ChainHash([5; 32]),
        texts: vec![t("select 1")],
        templates: vec![RunTemplate {
            kind: EventKind::Intent,
            fixed: vec![(t("agent.name"), t("bot"))],
            open: vec![t("operation.id"), t("operation.text")],
        }],
        events: vec![RunEvent {
            template: 0,
            values: vec![RunValue::Own(t("op")), RunValue::Shared(0)],
        }],
    }))
}

pub(super) fn introduction() -> KeyIntroduction {
    let endorsement = Some(Endorsement { by: AuditKey([1; 32]), signature: Signature([2; 64]) });
    KeyIntroduction {
        cluster: ClusterId([7; 16]),
        number: 2,
        key: AuditKey([3; 32]),
        endorsement,
        own: Signature([4; 64]),
    }
}

pub(super) fn signed(claim: Claim) -> Signed {
    let statement =
        Statement { claim, cluster: ClusterId([7; 16]), head: chain_head(), at: LogTime(8) };
    Signed { statement, key: AuditKey([3; 32]), signature: Signature([5; 64]) }
}

pub(super) fn audit_key() -> AuditKeyRecord {
    AuditKeyRecord {
        introduction: introduction(),
        sealed_key: vec![9, 8],
        at: LogTime(7),
        sequence: 3,
    }
}

pub(super) fn checkpoints() -> Vec<(&'static str, CheckpointRecord)> {
    let of = |claim| CheckpointRecord { signed: signed(claim), sequence: 4 };
    vec![
        ("checkpoint", of(Claim::Checkpoint)),
        ("checkpoint-of-a-head", of(Claim::Head)),
        ("checkpoint-of-a-span", of(Claim::Span { after: 2 })),
    ]
}

pub(super) fn chain_head() -> ChainHead {
    ChainHead { sequence: 3, hash: ChainHash([6; 32]) }
}

pub(super) fn effects() -> Vec<(&'static str, Effect)> {
    let mut all: Vec<_> = [
        "effect-hold-pending",
        "effect-hold-approved",
        "effect-hold-consumed",
        "effect-hold-rejected",
        "effect-hold-withdrawn",
        "effect-hold-expired",
        "effect-hold-invalidated",
    ]
    .into_iter()
    .zip(HoldPhase::ALL.iter().map(|phase| Effect::HoldChanged {
        hold: hold_id(),
        agent: identity(),
        phase: *phase,
    }))
    .collect();
    all.extend([
        (
            "effect-session-ended",
            Effect::SessionEnded { session: ses(), node: NodeId(1), reason: t("end") },
        ),
        ("effect-cancel", Effect::CancelRequested { session: ses(), node: NodeId(1) }),
        (
            "effect-resources",
            Effect::ResourcesChanged {
                revision: Revision(6),
                kinds: ResourceKind::ALL.iter().copied().collect(),
            },
        ),
        ("effect-grant-changed", Effect::GrantChanged { grant: grants::grant_id() }),
        ("effect-revoked", Effect::Revoked { identity: identity() }),
        ("effect-issuer-revoked", Effect::IssuerRevoked { issuer: t("i") }),
        ("effect-node-up", Effect::NodeUp { node: NodeId(1), incarnation: Incarnation(12) }),
        ("effect-node-removed", Effect::NodeRemoved { node: NodeId(1) }),
    ]);
    all
}
