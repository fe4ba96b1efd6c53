//! One value of every command.

use super::*;
use crate::{command::*, notes::Noted};
use countersign_core::{
    gate::Settlement,
    mask::MaskTally,
    permit::{AuditLevel, Basis},
};

pub(in crate::format::v1::tests) fn commands() -> Vec<(&'static str, Command)> {
    let mut all = of_nodes();
    all.extend(of_sessions());
    all.extend(of_holds());
    all.extend(of_recordings());
    all.extend(of_operations());
    all.extend(of_administrators());
    all
}

fn of_nodes() -> Vec<(&'static str, Command)> {
    let initialise = Initialise {
        cluster_id: [7; 16],
        cluster_name: t("c"),
        ca_cert_pem: t("pem"),
        sealed_ca_key: vec![1, 2],
        credential_ca_cert_pem: t("pem 2"),
        sealed_credential_ca_key: vec![3],
        ssh_keys: vec![drawn_ssh_key(SshRole::Host)],
        bootstrap_token_sha256: [8; 32],
        bootstrap_expires_after_ms: 3_600_000,
        first: facts(),
    };
    let node_up = NodeUp {
        node: NodeId(2),
        boot: [6; 16],
        after: Some(Incarnation(12)),
        version: t("0.1.0"),
        api_url: t("https://h"),
    };
    let token = CreateJoinToken { sha256: [9; 32], expires_after_ms: 60_000, author: author() };
    vec![
        ("command-initialise", Command::Initialise(Box::new(initialise))),
        ("command-node-up", Command::NodeUp(Box::new(node_up))),
        ("command-create-join-token", Command::CreateJoinToken(token)),
        (
            "command-use-join-token",
            Command::UseJoinToken(UseJoinToken { sha256: [9; 32], facts: facts() }),
        ),
        (
            "command-remove-node",
            Command::RemoveNode(RemoveNode { node: NodeId(2), author: author() }),
        ),
        ("command-tick", Command::Tick),
    ]
}

fn of_sessions() -> Vec<(&'static str, Command)> {
    let open = OpenSession {
        id: ses(),
        agent: agent(),
        credential: Some(credential_id()),
        target: target(),
        protocol: Protocol::Postgres,
        role: t("app"),
        source: "127.0.0.1:5000".parse().unwrap(),
        client: t("psql"),
        node: NodeId(1),
        incarnation: Incarnation(12),
        cancel: CancelKey { process: 1, secret: 2 },
    };
    let rotate = RotateSshKey {
        number: 2,
        key: drawn_ssh_key(SshRole::AgentAuthority),
        overlap_ms: 1000,
        author: author(),
    };
    let issue = IssueCredential {
        id: credential_id(),
        agent: agent(),
        voucher: voucher(),
        form: CredentialForm::Token,
        audience: Audience::Kubernetes(target()),
        proof_sha256: [4; 32],
        source: "127.0.0.1:5000".parse().unwrap(),
        node: NodeId(1),
        most_live: 100,
    };
    vec![
        ("command-rotate-ssh-key", Command::RotateSshKey(Box::new(rotate))),
        ("command-issue-credential", Command::IssueCredential(Box::new(issue))),
        ("command-open-session", Command::OpenSession(Box::new(open))),
        (
            "command-close-session",
            Command::CloseSession(CloseSession { id: ses(), reason: t("gone") }),
        ),
        (
            "command-end-session",
            Command::EndSession(EndSession { id: ses(), reason: t("end"), author: author() }),
        ),
        (
            "command-cancel",
            Command::Cancel(Cancel {
                id: RequestId([2; 16]),
                key: CancelKey { process: 1, secret: 2 },
            }),
        ),
    ]
}

fn of_recordings() -> Vec<(&'static str, Command)> {
    let record = |position| {
        Command::RecordSegment(Box::new(RecordSegment {
            session: ses(),
            node: NodeId(1),
            sequence: 2,
            position,
            digest: SegmentDigest([9; 32]),
            previous: SegmentDigest([8; 32]),
            size: 1_500,
            places: BTreeSet::from([NodeId(1), NodeId(3)]),
            key: wrapped_key(),
        }))
    };
    let rewrap = RewrapKey { session: ses(), before: [4; 16], key: wrapped_key() };
    let names = BTreeSet::from([[1; 16], [2; 16]]);
    let place = |place| {
        Command::PlaceSegment(PlaceSegment {
            session: ses(),
            sequence: 2,
            digest: SegmentDigest([9; 32]),
            place,
        })
    };
    vec![
        ("command-record-segment", record(Position::Followed)),
        ("command-record-last-segment", record(Position::Last)),
        ("command-place-segment", place(Place::Node(NodeId(3)))),
        ("command-place-segment-in-bucket", place(Place::Bucket)),
        ("command-place-segment-not-in-bucket", place(Place::NotInBucket)),
        ("command-rewrap-key", Command::RewrapKey(rewrap)),
        (
            "command-recover",
            Command::Recover(Box::new(Recover {
                epoch: [9; 16],
                node: NodeId(3),
                facts: facts(),
                ca_cert_pem: t("pem"),
                sealed_ca_key: vec![1, 2],
                source: t("a snapshot"),
                author: author(),
            })),
        ),
        ("command-reopen", Command::Reopen(Reopen { author: author() })),
        ("command-open-keys", Command::OpenKeys(OpenKeys { node: NodeId(3), names })),
        ("command-archive-events", Command::ArchiveEvents(archive_file())),
        (
            "command-archive-read",
            Command::ArchiveRead(ArchiveRead { node: NodeId(3), number: 2, digest: [9; 32] }),
        ),
    ]
}

fn of_holds() -> Vec<(&'static str, Command)> {
    let open = OpenHold {
        id: hold_id(),
        operation: op(),
        session: ses(),
        held: held_operation(),
        fingerprint: fingerprint(),
        terms: terms(),
        revision: Revision(6),
        most_open: 100,
        most_a_period: 4_000,
    };
    let decide = Decide {
        hold: hold_id(),
        reviewer: reviewer(),
        choice: Choice::Approve,
        grant_ms: 1_800_000,
        comment: t("ok"),
        seen: fingerprint(),
        node: NodeId(3),
    };
    let claim = ClaimHold {
        hold: hold_id(),
        operation: op(),
        session: ses(),
        fingerprint: fingerprint(),
        revision: Revision(6),
    };
    let (_, found) = evidence().remove(0);
    let attach = AttachEvidence { hold: hold_id(), session: ses(), evidence: found.evidence };
    let park = |leaves| Command::ParkHold(ParkHold { hold: hold_id(), session: ses(), leaves });
    let withdraw =
        |by| Command::WithdrawHold(WithdrawHold { hold: hold_id(), by, comment: t("late") });
    vec![
        ("command-open-hold", Command::OpenHold(Box::new(open))),
        ("command-decide", Command::Decide(Box::new(decide))),
        ("command-withdraw-by-agent", withdraw(Withdrawer::Agent(ses()))),
        ("command-withdraw-by-author", withdraw(Withdrawer::Author(author()))),
        ("command-park-hold", park(Leaves::Parked)),
        ("command-void-hold", park(Leaves::Void)),
        ("command-attach-evidence", Command::AttachEvidence(Box::new(attach))),
        ("command-claim-hold", Command::ClaimHold(claim, Attempt([1; 16]))),
    ]
}

fn intent(audit: AuditLevel) -> Intent {
    Intent {
        session: ses(),
        basis: Basis {
            operation: op(),
            fingerprint: fingerprint(),
            audit,
            revision: Revision(6),
            rules: vec![t("reads")],
            approval: None,
        },
        template: None,
        summary: t("SELECT"),
        text: AuditText { text: t("select"), length: 6 },
        actions: vec![t("postgres:read")],
        asked: t("asks-1"),
    }
}

pub(in crate::format::v1::tests) fn noted() -> Vec<(&'static str, Noted)> {
    vec![
        ("noted-intent", Noted::Intent(Box::new(intent(AuditLevel::Batched)))),
        ("noted-outcome", Noted::Outcome(settlement())),
    ]
}

fn settlement() -> Settlement {
    let mut masked = MaskTally::default();
    masked.add("contacts", "public.customers.email", 3);
    Settlement {
        operation: op(),
        outcome: Outcome::Failed,
        rows: 1,
        bytes: 2,
        word: t("42P01"),
        masked,
    }
}

fn of_operations() -> Vec<(&'static str, Command)> {
    let text = || AuditText { text: t("select"), length: 6 };
    let batched = intent(AuditLevel::Batched);
    let intent = intent(AuditLevel::BeforeForward);
    let mut ahead = intent.clone();
    ahead.basis.audit = AuditLevel::BeforeReply;
    let refused = Refused {
        operation: op(),
        session: ses(),
        fingerprint: fingerprint(),
        revision: Revision(6),
        rules: vec![t("no")],
        message: t("forbidden"),
        summary: t("COPY"),
        text: text(),
        actions: vec![t("postgres:program")],
        asked: t("asks-1"),
    };
    let access = AccessRefused {
        id: RequestId([2; 16]),
        node: NodeId(1),
        source: t("127.0.0.1:1"),
        who: Some(identity()),
        what: t("open"),
        reason: t("expired"),
    };
    vec![
        ("command-take-notes", Command::TakeNotes(Box::new(taken_notes()))),
        ("command-intent-batched", Command::Intent(Box::new(batched), Attempt([1; 16]))),
        ("command-intent-ahead", Command::Intent(Box::new(ahead), Attempt([1; 16]))),
        ("command-intent", Command::Intent(Box::new(intent), Attempt([1; 16]))),
        ("command-outcome", Command::Outcome(settlement())),
        ("command-refused", Command::Refused(Box::new(refused))),
        ("command-access-refused", Command::AccessRefused(access)),
    ]
}

fn taken_notes() -> TakeNotes {
    let Settlement { operation, outcome, rows, bytes, word, masked } = settlement();
    let read = |sequence, outcome| NotedRead {
        sequence,
        operation,
        fingerprint: fingerprint(),
        session: 0,
        basis: 0,
        wording: 0,
        outcome,
    };
    let outcome = NotedOutcome { sequence: 8, outcome, rows, bytes, word, masked };
    TakeNotes {
        node: NodeId(2),
        book: [5; 16],
        sessions: vec![ses()],
        bases: vec![NotedBasis {
            audit: AuditLevel::Batched,
            revision: Revision(6),
            rules: vec![t("r")],
            actions: vec![t("postgres:read")],
            asked: t("asks-1"),
        }],
        wordings: vec![Wording {
            summary: t("SELECT"),
            text: AuditText { text: t("select"), length: 6 },
        }],
        outcomes: vec![LateOutcome { sequence: 6, settlement: settlement() }],
        reads: vec![read(7, Some(outcome)), read(9, None)],
        lost: vec![
            LostNotes { first: 10, last: Some(12), bytes: 300 },
            LostNotes { first: 13, last: None, bytes: 5 },
        ],
    }
}

fn of_administrators() -> Vec<(&'static str, Command)> {
    let change =
        |expected, to| ResourceChange { kind: ResourceKind::Policy, name: t("p"), expected, to };
    let apply = ApplyResources {
        id: RequestId([2; 16]),
        content: [3; 32],
        answer: t("{}"),
        changes: vec![
            change(Expected::Anything, ResourceBody::Put(t("{}"))),
            change(Expected::Absent, ResourceBody::Put(t("{}"))),
            change(Expected::At(Revision(5)), ResourceBody::Delete),
        ],
        author: author(),
        comment: t("why"),
    };
    let act = Administered {
        id: RequestId([2; 16]),
        node: NodeId(1),
        what: t("drain"),
        author: author(),
    };
    let signed_in = SignedIn {
        id: RequestId([2; 16]),
        node: NodeId(1),
        source: t("127.0.0.1:1"),
        author: author(),
        provider: t("people"),
        roles: t("admin"),
    };
    let introduce = IntroduceAuditKey {
        introduction: introduction(),
        sealed_key: vec![9, 8],
        author: Some(author()),
    };
    let checkpoint = |asked| {
        let signed = signed(Claim::Checkpoint);
        Command::RecordCheckpoint(Box::new(RecordCheckpoint { signed, asked }))
    };
    let asked = CheckpointAsked { id: RequestId([2; 16]), author: author(), reason: t("export") };
    let revoke = |what| Command::Revoke(Revoke { what, reason: t("left"), author: author() });
    vec![
        ("command-apply-resources", Command::ApplyResources(apply)),
        ("command-administered", Command::Administered(act)),
        ("command-signed-in", Command::SignedIn(Box::new(signed_in))),
        ("command-leads", Command::Leads(Leads { node: NodeId(2), term: 7 })),
        ("command-introduce-audit-key", Command::IntroduceAuditKey(Box::new(introduce))),
        ("command-record-checkpoint", checkpoint(None)),
        ("command-record-checkpoint-asked", checkpoint(Some(asked))),
        ("command-revoke-identity", revoke(Revocable::Identity(identity()))),
        ("command-revoke-session", revoke(Revocable::Session(ses()))),
        ("command-revoke-grant", revoke(Revocable::Grant(grants::grant_id()))),
        ("command-revoke-credential", revoke(Revocable::Credential(credential_id()))),
        (
            "command-revoke-provider",
            revoke(Revocable::Provider { provider: voucher(), issuer: t("i") }),
        ),
    ]
}
