//! A gate for tests: core's own policy over a fixed agent, with holds that the test decides.

#![expect(
    clippy::disallowed_methods,
    reason = "the tests' gate makes the proofs that a gate makes"
)]

use countersign_core::{
    agent::{Agent, Identity, Workload},
    evidence::Evidence,
    gate::{
        Admission, BoxFuture, CancelKey, CloseReason, Gate, Held, HoldNotice, HoldProgress,
        Identified, Judged, OpenedSession, Proof, Reply, SessionWish, Settlement, Signal, Signals,
    },
    hold::{Approved, Consumption},
    id::{CredentialId, HoldId, LogIndex, Revision, SessionId},
    key_words::key_words,
    log_time::LogTime,
    mask::{
        Detector, JsonColumn, MaskKey, MaskKind, MaskPlan, MaskRule, MaskRules, MaskTargets, Masked,
    },
    operation::Operation,
    permit::{AuditLevel, Cleared, Leased, Permit, Receipt},
    policy::{Policies, PolicyDocument, Rules, Verdict, evaluate},
    recording::{Entry, Recorder, Room},
    refusal::Refusal,
    secret::Secret,
    session::{Opening, Session},
    target::{Protocol, Target, TargetName},
};
use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::{mpsc, watch};

pub(crate) const TOKEN: &str = "a-good-token";

const POLICY: &str = r#"
@id("reads") permit(principal in Group::"ci", action in [Action::"postgres:read", Action::"postgres:show", Action::"postgres:preference", Action::"postgres:transaction", Action::"postgres:describe"], resource in Target::"orders");
@id("writes") @hold("dba") permit(principal in Group::"ci", action in [Action::"postgres:write", Action::"postgres:ddl", Action::"postgres:function", Action::"postgres:session", Action::"postgres:copy", Action::"postgres:lock", Action::"postgres:opaque", Action::"postgres:notify", Action::"postgres:cursor", Action::"postgres:explain", Action::"postgres:prepare"], resource in Target::"orders");
@id("no-admin") forbid(principal, action == Action::"postgres:admin", resource);
"#;

/// What a test does with a hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Undecided,
    Approve,
    /// New rules let it pass.
    Permit,
    Refuse(Refusal),
}

#[derive(Clone, Debug)]
pub(crate) struct HoldHandle {
    pub(crate) operation: Arc<Operation>,
    pub(crate) decide: watch::Sender<Decision>,
    /// How the wait ended, once it did: `parked`, `withdrawn`, `void`, `decided`.
    pub(crate) ended: watch::Sender<&'static str>,
    pub(crate) evidence: watch::Sender<Option<Evidence>>,
    /// How long its transaction had waited in vain before.
    pub(crate) waited: watch::Sender<Duration>,
}

impl HoldHandle {
    /// Waits for what is found out about the operation.
    pub(crate) async fn evidence(&self) -> Evidence {
        self.evidence.subscribe().wait_for(Option::is_some).await.unwrap().clone().unwrap()
    }
}

#[derive(Debug)]
pub(crate) struct TestGate {
    rules: Mutex<Rules>,
    pub(crate) lease: AtomicBool,
    pub(crate) releases: AtomicBool,
    /// Whether judging panics.
    pub(crate) broken: AtomicBool,
    /// Whether every hold is refused as soon as it is there.
    refuses: bool,
    /// The policy revision in force.
    pub(crate) revision: AtomicU64,
    /// The certificate that identifies the agent, as its token does.
    pub(crate) certificate: Mutex<Option<Vec<u8>>>,
    next_process: AtomicU32,
    signals: Mutex<Vec<(CancelKey, mpsc::Sender<Signal>)>>,
    pub(crate) holds: watch::Sender<Vec<HoldHandle>>,
    pub(crate) settled: watch::Sender<Vec<Settlement>>,
    pub(crate) admitted: Mutex<Vec<Arc<Operation>>>,
    pub(crate) closed: watch::Sender<Vec<CloseReason>>,
    pub(crate) recorder: Arc<TestRecorder>,
}

impl TestGate {
    pub(crate) fn new() -> Self {
        Self::judging_by(POLICY)
    }

    /// A gate with this policy that refuses every hold at once.
    pub(crate) fn where_nobody_approves(policy: &str) -> Self {
        Self { refuses: true, ..Self::judging_by(policy) }
    }

    pub(crate) fn judging_by(policy: &str) -> Self {
        let documents = [PolicyDocument { name: "test".to_owned(), text: policy.to_owned() }];
        Self {
            rules: Mutex::new(Rules {
                policies: Policies::compile(&documents).unwrap(),
                masks: MaskRules::none(Revision(1)),
            }),
            refuses: false,
            lease: AtomicBool::new(true),
            releases: AtomicBool::new(true),
            broken: AtomicBool::new(false),
            revision: AtomicU64::new(1),
            certificate: Mutex::new(None),
            next_process: AtomicU32::new(1),
            signals: Mutex::new(Vec::new()),
            holds: watch::Sender::new(Vec::new()),
            settled: watch::Sender::new(Vec::new()),
            admitted: Mutex::new(Vec::new()),
            closed: watch::Sender::new(Vec::new()),
            recorder: Arc::default(),
        }
    }

    /// Waits for the n-th hold.
    pub(crate) async fn hold(&self, n: usize) -> HoldHandle {
        let mut holds = self.holds.subscribe();
        holds.wait_for(|holds| holds.len() > n).await.unwrap()[n].clone()
    }

    /// Approves the n-th hold once it is there.
    pub(crate) async fn approve(&self, n: usize) -> HoldHandle {
        let hold = self.hold(n).await;
        hold.decide.send_replace(Decision::Approve);
        hold
    }

    /// From now on this is masked in the documents of a column.
    pub(crate) fn mask_path(&self, column: &str, path: &str) {
        self.mask_with_path(&[], (column, path));
    }

    /// From now on these columns are masked, and this in the documents of one.
    pub(crate) fn mask_with_path(&self, columns: &[&str], (column, path): (&str, &str)) {
        let mut rule = mask_rule(columns, &[], MaskKind::Redact);
        let (column, path) = (column.parse().unwrap(), path.parse().unwrap());
        rule.json_paths.push(JsonColumn { column, path });
        self.rules.lock().unwrap().masks = compiled(rule);
    }

    /// From now on this is masked.
    pub(crate) fn mask(&self, columns: &[&str], detectors: &[Detector], kind: MaskKind) {
        self.rules.lock().unwrap().masks = mask_rules(columns, detectors, kind);
    }

    /// From now on this is masked, but not for the agent of the tests.
    pub(crate) fn mask_for_others(&self, columns: &[&str], detectors: &[Detector]) {
        let mut rule = mask_rule(columns, detectors, MaskKind::Redact);
        rule.unless_groups = agent().groups;
        self.rules.lock().unwrap().masks = compiled(rule);
    }

    pub(crate) fn hold_count(&self) -> usize {
        self.holds.borrow().len()
    }

    pub(crate) async fn settlement(&self, n: usize) -> Settlement {
        self.settled.subscribe().wait_for(|all| all.len() > n).await.unwrap()[n].clone()
    }

    pub(crate) async fn end_all(&self, refusal: Refusal) {
        let signals: Vec<_> =
            self.signals.lock().unwrap().iter().map(|(_, signal)| signal.clone()).collect();
        for signal in signals {
            drop(signal.send(Signal::End(refusal.clone())).await);
        }
    }
}

fn mask_rules(columns: &[&str], detectors: &[Detector], kind: MaskKind) -> MaskRules {
    compiled(mask_rule(columns, detectors, kind))
}

fn mask_rule(columns: &[&str], detectors: &[Detector], kind: MaskKind) -> MaskRule {
    MaskRule {
        name: "covers".to_owned(),
        targets: MaskTargets::All,
        columns: columns.iter().map(|column| column.parse().unwrap()).collect(),
        json_paths: Vec::new(),
        detectors: detectors.iter().copied().collect(),
        patterns: Vec::new(),
        kind,
        unless_groups: BTreeSet::new(),
    }
}

fn compiled(rule: MaskRule) -> MaskRules {
    let key = MaskKey::new(Secret::new("a key for tests of masks"));
    MaskRules::compile(&key, Revision(1), vec![rule]).unwrap()
}

/// The plan of one rule.
pub(crate) fn plan(columns: &[&str], detectors: &[Detector], kind: MaskKind) -> MaskPlan {
    let target = Target {
        name: TargetName::parse("orders").unwrap(),
        revision: Revision(1),
        protocol: Protocol::Postgres,
    };
    let opening = Opening {
        id: SessionId::from_bytes([1; 16]),
        agent: agent(),
        target,
        role: "app".to_owned(),
        opened_at: LogTime(1),
    };
    mask_rules(columns, detectors, kind).plan(&Session::opened(opening))
}

fn agent() -> Agent {
    Agent {
        identity: Identity {
            issuer: "https://issuer.test".to_owned(),
            subject: "ci-bot".to_owned(),
        },
        name: "ci-bot".to_owned(),
        owner: None,
        groups: ["ci".to_owned()].into(),
        workload: Workload::default(),
        expires_at: LogTime(u64::MAX),
    }
}

/// Keeps what it takes.
#[derive(Debug, Default)]
pub(crate) struct TestRecorder {
    pub(crate) entries: Mutex<Vec<Entry>>,
    /// Whether it takes nothing any more.
    pub(crate) lost: AtomicBool,
}

impl Recorder for TestRecorder {
    fn take(&self, entry: Masked<Entry>) -> Result<Room, Refusal> {
        if self.lost.load(Ordering::SeqCst) {
            return Err(Refusal::NotRecorded);
        }
        self.entries.lock().unwrap().push(entry.into_inner());
        Ok(Room::Full)
    }

    fn room(&self) -> BoxFuture<'_, Result<(), Refusal>> {
        Box::pin(async {
            if self.lost.load(Ordering::SeqCst) { Err(Refusal::NotRecorded) } else { Ok(()) }
        })
    }
}

#[derive(Debug)]
struct TestSignals(mpsc::Receiver<Signal>);

impl Signals for TestSignals {
    fn next(&mut self) -> BoxFuture<'_, Signal> {
        Box::pin(async {
            match self.0.recv().await {
                Some(signal) => signal,
                None => std::future::pending().await,
            }
        })
    }
}

impl Gate for TestGate {
    fn identify(
        &self,
        proof: Proof,
        _: countersign_core::gate::Source,
    ) -> BoxFuture<'_, Result<Identified, Refusal>> {
        let (good, credential) = match proof {
            Proof::Token(token) => (token.expose_text() == Some(TOKEN), None),
            Proof::Certificate(certificate) => {
                let known = self.certificate.lock().unwrap().as_ref() == Some(&certificate);
                (known, Some(CredentialId::from_bytes([1; 16])))
            }
            // Another protocol's.
            Proof::SshCertificate { .. } => (false, None),
        };
        Box::pin(async move {
            if !good {
                return Err(Refusal::NotIdentified);
            }
            Ok(Identified { agent: agent(), credential })
        })
    }

    fn open(&self, wish: SessionWish) -> BoxFuture<'_, Result<OpenedSession, Refusal>> {
        Box::pin(async move {
            let SessionWish { who, target, revision, protocol, role, source: _, client: _ } = wish;
            let agent = who.agent;
            let target = Target { name: target, revision, protocol };
            let id = SessionId::from_bytes(rand::random());
            let session =
                Session::opened(Opening { id, agent, target, role, opened_at: LogTime(1) });
            let process = self.next_process.fetch_add(1, Ordering::SeqCst);
            let cancel = CancelKey { process, secret: rand::random() };
            let (sender, receiver) = mpsc::channel(8);
            self.signals.lock().unwrap().push((cancel, sender));
            let recorder = Arc::clone(&self.recorder) as Arc<dyn Recorder>;
            let signals = Box::new(TestSignals(receiver));
            Ok(OpenedSession { session, signals, cancel, recorder })
        })
    }

    fn judge<'a>(
        &'a self,
        session: &'a Session,
        operation: &'a Arc<Operation>,
    ) -> BoxFuture<'a, Result<Judged, Refusal>> {
        Box::pin(async move {
            assert!(!self.broken.load(Ordering::SeqCst), "the gate is broken");
            let verdict = evaluate(&self.rules.lock().unwrap(), session, operation);
            match verdict {
                Verdict::Allow(cleared) => Ok(Judged::Cleared(cleared)),
                Verdict::Deny(reason) => {
                    Err(Refusal::Denied { rules: reason.rules, message: reason.message })
                }
                Verdict::Hold(_) => {
                    let decision = if self.refuses {
                        Decision::Refuse(Refusal::Internal)
                    } else {
                        Decision::Undecided
                    };
                    let (decide, decided) = watch::channel(decision);
                    let handle = HoldHandle {
                        operation: Arc::clone(operation),
                        decide,
                        ended: watch::Sender::new(""),
                        evidence: watch::Sender::new(None),
                        waited: watch::Sender::new(Duration::ZERO),
                    };
                    self.holds.send_modify(|holds| holds.push(handle.clone()));
                    let id = HoldId::from_bytes(rand::random());
                    Ok(Judged::Held(Box::new(TestHeld {
                        id,
                        masks: self.masks(session),
                        session: session.clone(),
                        handle,
                        decided,
                        told: false,
                        ended: "parked",
                    })))
                }
            }
        })
    }

    fn admit<'a>(
        &'a self,
        _: &'a Session,
        operation: &'a Arc<Operation>,
        cleared: Cleared,
    ) -> BoxFuture<'a, Result<Admission, Refusal>> {
        Box::pin(async move {
            self.admitted.lock().unwrap().push(Arc::clone(operation));
            let id = operation.id();
            if cleared.basis().audit == AuditLevel::BeforeForward {
                let receipt = Receipt::after_commit(id, LogIndex(1));
                let (permit, release) = Permit::grant(cleared, receipt).unwrap();
                return Ok(Admission { permit, reply: Reply::Released(release) });
            }
            let (permit, awaited) = Permit::ahead(cleared).unwrap();
            let good = self.releases.load(Ordering::SeqCst);
            let release = async move {
                tokio::task::yield_now().await;
                if !good {
                    return Err(Refusal::NoQuorum);
                }
                let receipt = Receipt::after_commit(id, LogIndex(1));
                Ok(awaited.receive(receipt).unwrap())
            };
            Ok(Admission { permit, reply: Reply::Awaited(Box::pin(release)) })
        })
    }

    fn lease(&self) -> Result<Leased, Refusal> {
        let leased = Leased::checked();
        if self.lease.load(Ordering::SeqCst) { Ok(leased) } else { Err(Refusal::NoQuorum) }
    }

    fn goes_on(&self, admitted: Revision) -> Result<Leased, Refusal> {
        if admitted.0 == self.revision.load(Ordering::SeqCst) {
            self.lease()
        } else {
            Err(Refusal::PolicyChanged)
        }
    }

    fn masks(&self, session: &Session) -> MaskPlan {
        self.rules.lock().unwrap().masks.plan(session)
    }

    fn settle<'a>(&'a self, _: &'a Session, settlement: Settlement) -> BoxFuture<'a, ()> {
        Box::pin(async move { self.settled.send_modify(|all| all.push(settlement)) })
    }

    fn cancel(&self, key: CancelKey, _: countersign_core::gate::Source) -> BoxFuture<'_, ()> {
        let found = self
            .signals
            .lock()
            .unwrap()
            .iter()
            .find(|(known, _)| *known == key)
            .map(|(_, to)| to.clone());
        Box::pin(async move {
            if let Some(to) = found {
                drop(to.send(Signal::Cancel).await);
            }
        })
    }

    fn close(&self, _: SessionId, reason: CloseReason) -> BoxFuture<'_, ()> {
        Box::pin(async move { self.closed.send_modify(|all| all.push(reason)) })
    }
}

#[derive(Debug)]
struct TestHeld {
    id: HoldId,
    masks: MaskPlan,
    session: Session,
    handle: HoldHandle,
    decided: watch::Receiver<Decision>,
    /// The adapter has heard that it is approved.
    told: bool,
    ended: &'static str,
}

impl Held for TestHeld {
    fn notice(&self) -> HoldNotice {
        HoldNotice {
            hold: self.id,
            reviewers: "1 of dba".to_owned(),
            approvals: 0,
            expires_at: LogTime(1_800_000_000_000),
            key: key_words(self.handle.operation.fingerprint()),
            url: "https://gateway.test/holds".to_owned(),
        }
    }

    fn next(&mut self) -> BoxFuture<'_, HoldProgress> {
        Box::pin(async {
            let decision = self
                .decided
                .wait_for(|decision| *decision != Decision::Undecided)
                .await
                .unwrap()
                .clone();
            if decision == Decision::Approve && !std::mem::replace(&mut self.told, true) {
                return HoldProgress::Approved;
            }
            self.ended = "decided";
            match decision {
                Decision::Refuse(refusal) => HoldProgress::Refused(refusal),
                Decision::Permit => HoldProgress::Admitted(self.permitted()),
                Decision::Approve | Decision::Undecided => HoldProgress::Admitted(self.admission()),
            }
        })
    }

    fn hasten(&mut self, waited: Duration) {
        self.handle.waited.send_replace(waited);
    }

    fn wants_evidence(&self) -> bool {
        self.handle.evidence.borrow().is_none()
    }

    fn attach(&self, evidence: Evidence) {
        self.handle.evidence.send_replace(Some(evidence));
    }

    fn void(mut self: Box<Self>) -> BoxFuture<'static, ()> {
        self.ended = "void";
        Box::pin(async move { drop(self) })
    }

    fn withdraw(mut self: Box<Self>) -> BoxFuture<'static, Refusal> {
        self.ended = "withdrawn";
        Box::pin(async move { Refusal::Withdrawn { hold: self.id } })
    }
}

impl TestHeld {
    fn permitted(&self) -> Admission {
        let operation = &self.handle.operation;
        let text = r#"@id("all") permit(principal, action, resource);"#.to_owned();
        let rules = Rules {
            policies: Policies::compile(&[PolicyDocument { name: "new".to_owned(), text }])
                .unwrap(),
            masks: MaskRules::none(Revision(1)),
        };
        let verdict = evaluate(&rules, &self.session, operation);
        let Verdict::Allow(cleared) = verdict else { panic!("{verdict:?}") };
        let receipt = Receipt::after_commit(operation.id(), LogIndex(1));
        let (permit, release) = Permit::grant(cleared, receipt).unwrap();
        Admission { permit, reply: Reply::Released(release) }
    }

    fn admission(&self) -> Admission {
        let operation = &self.handle.operation;
        let approved = Approved::after_claim(Consumption {
            hold: self.id,
            operation: operation.id(),
            fingerprint: *operation.fingerprint(),
            revision: Revision(1),
            rules: vec!["writes".to_owned()],
        });
        let receipt = Receipt::after_commit(operation.id(), LogIndex(1));
        let cleared = approved.clear(operation, self.masks.clone()).unwrap();
        let (permit, release) = Permit::grant(cleared, receipt).unwrap();
        Admission { permit, reply: Reply::Released(release) }
    }
}

impl Drop for TestHeld {
    fn drop(&mut self) {
        self.handle.ended.send_replace(self.ended);
    }
}
