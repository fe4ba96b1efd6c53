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
        Source,
    },
    hold::{Approved, Consumption},
    id::{HoldId, LogIndex, Revision, SessionId},
    key_words::key_words,
    log_time::LogTime,
    mask::{Detector, MaskKey, MaskKind, MaskPlan, MaskRule, MaskRules, MaskTargets, Masked},
    operation::Operation,
    permit::{AuditLevel, Cleared, Leased, Permit, Receipt},
    policy::{Policies, PolicyDocument, Rules, Verdict, evaluate},
    recording::{Entry, Recorder, Room},
    refusal::Refusal,
    secret::Secret,
    session::{Opening, Session},
    target::Target,
};
use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};
use tokio::sync::{mpsc, watch};

pub(crate) const TOKEN: &str = "a-good-token";

const POLICY: &str = r#"
@id("reads") permit(principal in Group::"ci", action in [Action::"ssh:query", Action::"ssh:list", Action::"ssh:read", Action::"ssh:scan", Action::"ssh:sftp"], resource in Target::"web1");
@id("rest") @hold("ops") permit(principal in Group::"ci", action in [Action::"ssh:exec", Action::"ssh:shell", Action::"ssh:write", Action::"ssh:rename", Action::"ssh:remove", Action::"ssh:mkdir", Action::"ssh:setstat", Action::"ssh:link", Action::"ssh:opaque"], resource in Target::"web1");
@id("no-reboot") forbid(principal, action == Action::"ssh:exec", resource == Program::"web1:reboot");
"#;

/// What a test does with a hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Undecided,
    Approve,
    Refuse(Refusal),
}

#[derive(Clone, Debug)]
pub(crate) struct HoldHandle {
    pub(crate) operation: Arc<Operation>,
    pub(crate) decide: watch::Sender<Decision>,
    /// How the wait ended, once it did: `parked`, `withdrawn`, `decided`.
    pub(crate) ended: watch::Sender<&'static str>,
}

#[derive(Debug)]
pub(crate) struct TestGate {
    rules: Mutex<Rules>,
    pub(crate) lease: AtomicBool,
    /// Whether the policy is another one than everything was judged under.
    pub(crate) policy_changed: AtomicBool,
    pub(crate) releases: AtomicBool,
    /// The certificate that identifies the agent, as its token does.
    certificate: Vec<u8>,
    /// Proofs that were looked at.
    pub(crate) proofs: AtomicU32,
    next_process: AtomicU32,
    signals: Mutex<Vec<(CancelKey, mpsc::Sender<Signal>)>>,
    pub(crate) holds: watch::Sender<Vec<HoldHandle>>,
    pub(crate) settled: watch::Sender<Vec<Settlement>>,
    pub(crate) admitted: Mutex<Vec<Arc<Operation>>>,
    pub(crate) closed: watch::Sender<Vec<CloseReason>>,
    pub(crate) recorder: Arc<TestRecorder>,
    /// Whether it opens sessions now, or takes its time.
    pub(crate) opening: watch::Sender<bool>,
    /// The same for admissions.
    pub(crate) admitting: watch::Sender<bool>,
    /// The same for what became of operations.
    pub(crate) settling: watch::Sender<bool>,
}

impl TestGate {
    /// A gate that knows the agent by this certificate, as it goes over the wire.
    pub(crate) fn new(certificate: Vec<u8>) -> Self {
        let documents = [PolicyDocument { name: "test".to_owned(), text: POLICY.to_owned() }];
        Self {
            rules: Mutex::new(Rules {
                policies: Policies::compile(&documents).unwrap(),
                masks: MaskRules::none(Revision(1)),
            }),
            lease: AtomicBool::new(true),
            policy_changed: AtomicBool::new(false),
            releases: AtomicBool::new(true),
            certificate,
            proofs: AtomicU32::new(0),
            next_process: AtomicU32::new(1),
            signals: Mutex::new(Vec::new()),
            holds: watch::Sender::new(Vec::new()),
            settled: watch::Sender::new(Vec::new()),
            admitted: Mutex::new(Vec::new()),
            closed: watch::Sender::new(Vec::new()),
            recorder: Arc::default(),
            opening: watch::Sender::new(true),
            admitting: watch::Sender::new(true),
            settling: watch::Sender::new(true),
        }
    }

    /// Waits for the n-th hold.
    pub(crate) async fn hold(&self, n: usize) -> HoldHandle {
        let mut holds = self.holds.subscribe();
        let held = holds.wait_for(|holds| holds.len() > n);
        tokio::time::timeout(super::world::LONG, held).await.expect("it is held").unwrap()[n]
            .clone()
    }

    /// Approves the n-th hold once it is there.
    pub(crate) async fn approve(&self, n: usize) -> HoldHandle {
        let hold = self.hold(n).await;
        hold.decide.send_replace(Decision::Approve);
        hold
    }

    /// Approves whatever is held from now on.
    pub(crate) fn approve_all(self: &Arc<Self>) {
        let mut holds = self.holds.subscribe();
        tokio::spawn(async move {
            let mut approved = 0;
            while let Ok(all) = holds.wait_for(|holds| holds.len() > approved).await {
                all.iter().skip(approved).for_each(|hold| {
                    hold.decide.send_replace(Decision::Approve);
                });
                approved = all.len();
            }
        });
    }

    /// From now on nobody does this.
    pub(crate) fn deny(&self, action: &str) {
        self.rule(&format!(
            r#"@id("never") forbid(principal, action == Action::"{action}", resource);"#
        ));
    }

    fn rule(&self, rule: &str) {
        let text = format!("{POLICY}{rule}");
        let documents = [PolicyDocument { name: "test".to_owned(), text }];
        self.rules.lock().unwrap().policies = Policies::compile(&documents).unwrap();
    }

    /// From now on nothing below this folder is touched.
    pub(crate) fn forbid(&self, folder: &std::path::Path) {
        let folder = folder.display();
        self.rule(&format!(
            r#"@id("shut") forbid(principal, action, resource in Path::"web1:{folder}");"#
        ));
    }

    /// From now on this is masked.
    pub(crate) fn mask(&self, columns: &[&str], detectors: &[Detector], kind: MaskKind) {
        self.rules.lock().unwrap().masks = rules_of(rule(columns, detectors, kind));
    }

    /// From now on this is masked for others than the agent.
    pub(crate) fn mask_for_others(&self, detector: Detector) {
        self.rules.lock().unwrap().masks = rules_of(MaskRule {
            unless_groups: ["ci".to_owned()].into(),
            ..rule(&[], &[detector], MaskKind::Redact)
        });
    }

    pub(crate) fn hold_count(&self) -> usize {
        self.holds.borrow().len()
    }

    pub(crate) async fn settlement(&self, n: usize) -> Settlement {
        self.settled.subscribe().wait_for(|all| all.len() > n).await.unwrap()[n].clone()
    }

    /// Waits until a program has said this.
    pub(crate) async fn admitted_output(&self, wanted: &str) {
        loop {
            let said = |entry: &Entry| matches!(entry, Entry::Wrote { bytes, .. } if bytes == wanted.as_bytes());
            if self.recorder.entries.lock().unwrap().iter().any(said) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    pub(crate) async fn end_all(&self, refusal: Refusal) {
        let signals: Vec<_> =
            self.signals.lock().unwrap().iter().map(|(_, signal)| signal.clone()).collect();
        for signal in signals {
            drop(signal.send(Signal::End(refusal.clone())).await);
        }
    }
}

fn rules_of(rule: MaskRule) -> MaskRules {
    let key = MaskKey::new(Secret::new("a key for tests of masks"));
    MaskRules::compile(&key, Revision(1), vec![rule]).unwrap()
}

fn rule(columns: &[&str], detectors: &[Detector], kind: MaskKind) -> MaskRule {
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
    fn identify(&self, proof: Proof, _: Source) -> BoxFuture<'_, Result<Identified, Refusal>> {
        self.proofs.fetch_add(1, Ordering::SeqCst);
        let good = match proof {
            Proof::Token(token) => token.expose_text() == Some(TOKEN),
            Proof::SshCertificate { certificate, user: _ } => certificate == self.certificate,
            Proof::Certificate(_) => false,
        };
        Box::pin(async move {
            if !good {
                return Err(Refusal::NotIdentified);
            }
            Ok(Identified { agent: agent(), credential: None })
        })
    }

    fn open(&self, wish: SessionWish) -> BoxFuture<'_, Result<OpenedSession, Refusal>> {
        Box::pin(async move {
            self.opening.subscribe().wait_for(|opens| *opens).await.unwrap();
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
            let verdict = evaluate(&self.rules.lock().unwrap(), session, operation);
            match verdict {
                Verdict::Allow(cleared) => Ok(Judged::Cleared(cleared)),
                Verdict::Deny(reason) => {
                    Err(Refusal::Denied { rules: reason.rules, message: reason.message })
                }
                Verdict::Hold(_) => {
                    let (decide, decided) = watch::channel(Decision::Undecided);
                    let handle = HoldHandle {
                        operation: Arc::clone(operation),
                        decide,
                        ended: watch::Sender::new(""),
                    };
                    self.holds.send_modify(|holds| holds.push(handle.clone()));
                    let id = HoldId::from_bytes(rand::random());
                    Ok(Judged::Held(Box::new(TestHeld {
                        id,
                        masks: self.masks(session),
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
            self.admitting.subscribe().wait_for(|admits| *admits).await.unwrap();
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

    fn goes_on(&self, _: Revision) -> Result<Leased, Refusal> {
        if self.policy_changed.load(Ordering::SeqCst) {
            return Err(Refusal::PolicyChanged);
        }
        self.lease()
    }

    fn masks(&self, session: &Session) -> MaskPlan {
        self.rules.lock().unwrap().masks.plan(session)
    }

    fn settle<'a>(&'a self, _: &'a Session, settlement: Settlement) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            self.settling.subscribe().wait_for(|settles| *settles).await.unwrap();
            self.settled.send_modify(|all| all.push(settlement));
        })
    }

    fn cancel(&self, _: CancelKey, _: Source) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }

    fn close(&self, _: SessionId, reason: CloseReason) -> BoxFuture<'_, ()> {
        Box::pin(async move { self.closed.send_modify(|all| all.push(reason)) })
    }
}

#[derive(Debug)]
struct TestHeld {
    id: HoldId,
    masks: MaskPlan,
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
            reviewers: "1 of ops".to_owned(),
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
                Decision::Approve | Decision::Undecided => HoldProgress::Admitted(self.admission()),
            }
        })
    }

    fn hasten(&mut self, _: std::time::Duration) {}

    fn wants_evidence(&self) -> bool {
        false
    }

    fn attach(&self, _: Evidence) {}

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
    fn admission(&self) -> Admission {
        let operation = &self.handle.operation;
        let approved = Approved::after_claim(Consumption {
            hold: self.id,
            operation: operation.id(),
            fingerprint: *operation.fingerprint(),
            revision: Revision(1),
            rules: vec!["rest".to_owned()],
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
