//! A node with a target, a policy, an agent and two reviewers.

use super::{super::*, log::LocalLog};
use crate::{
    bucket::Bucket,
    cluster::{ClusterKey, Purpose},
    credential,
    identify::{Automation, Fetch, FetchError, Form, Provider},
    recording::{KeyRing, PeerError, Places, RecordingParts, Room, SegmentPeers},
};
use countersign_core::{
    agent::{Agent, Identity, Workload},
    fingerprint::Fingerprint,
    gate::{Held, HoldProgress, Reply, Signals},
    hold::Choice,
    id::{HoldId, OperationId, Revision},
    log_time::LogTime,
    mask::MaskKey,
    operation::{Action, Classification, Demand, Effect, Resource, Transaction},
    permit::Release,
    record::{AuditEvent, EventKind},
    recording::SegmentDigest,
    reviewer::Reviewer,
    secret::Secret,
    target::{Protocol, TargetName},
};
use countersign_postgres::Targets as _;
use countersign_raft_store::{
    command::{
        ApplyResources, CreateJoinToken, Decide, Expected, Initialise, NodeUp, ResourceBody,
        ResourceChange, UseJoinToken,
    },
    handle::{AuditFilter, ProposeError, StateView},
    records::{Author, JoinFacts, RequestId, ResourceKind, Voucher},
};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

/// What the gate lets an agent have held.
pub(crate) const MOST_HOLDS: MostHolds = MostHolds { open: 100, a_minute: 4000 };
pub(crate) const NOW_MS: u64 = 1_800_000_000_000;
/// The bootstrap administrator's token, which counts for an hour.
pub(crate) const BOOTSTRAP: &str = "cs-bootstrap.test";
/// The life of the agent's token.
pub(crate) const TOKEN_MS: u64 = 24 * 60 * 60 * 1000;

/// Reads are allowed; writes are held for one of group dba for ten minutes, their client waiting at most one; DDL is
/// allowed; the rest is denied.
pub(crate) const POLICY: &str = r#"
@id("reads") permit(principal in Group::"ci", action == Action::"postgres:read", resource in Target::"orders");
@id("ddl") permit(principal in Group::"ci", action == Action::"postgres:ddl", resource in Target::"orders");
@id("writes") @hold("dba") @expires("10m") @wait("1m") @again("0s")
permit(principal in Group::"ci", action == Action::"postgres:write", resource in Target::"orders");
"#;

pub(crate) struct World {
    pub(crate) log: Arc<LocalLog>,
    pub(crate) store: Store,
    pub(crate) gate: NodeGate,
    pub(crate) shutdown: Shutdown,
    pub(crate) recordings: Recordings,
    folder: tempfile::TempDir,
}

/// Sessions that are open at once, at most.
pub(crate) const MAX_SESSIONS: usize = 8;

/// Where recordings are kept besides the folder.
pub(crate) struct Kept {
    pub(crate) peers: Arc<dyn SegmentPeers>,
    pub(crate) bucket: Option<Bucket>,
    pub(crate) room: Room,
}

impl Kept {
    pub(crate) fn by(peers: Arc<dyn SegmentPeers>) -> Self {
        Self { peers, bucket: None, room: Room { most: u64::MAX, reserve: 0 } }
    }
}

/// A cluster of one.
#[derive(Debug)]
pub(crate) struct NoPeers;

impl SegmentPeers for NoPeers {
    fn others(&self) -> Vec<NodeId> {
        Vec::new()
    }

    fn keep(
        &self,
        _: NodeId,
        _: Vec<(SegmentDigest, Arc<[u8]>)>,
    ) -> BoxFuture<'_, Result<(), PeerError>> {
        panic!("there is nobody to keep them");
    }

    fn fetch(
        &self,
        _: NodeId,
        _: SegmentDigest,
    ) -> BoxFuture<'_, Result<Option<Vec<u8>>, PeerError>> {
        panic!("there is nobody to give it");
    }
}

#[derive(Debug)]
struct NoFetch;

impl Fetch for NoFetch {
    fn fetch<'a>(
        &'a self,
        _provider: &'a Provider,
        _url: &'a str,
    ) -> BoxFuture<'a, Result<Vec<u8>, FetchError>> {
        panic!("these tests identify nobody");
    }

    fn submit<'a>(
        &'a self,
        _provider: &'a Provider,
        _url: &'a str,
        _form: Form<'a>,
    ) -> BoxFuture<'a, Result<Vec<u8>, FetchError>> {
        panic!("these tests identify nobody");
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        crate::tls::install_provider();
        Self::with_room(1024).await
    }

    pub(crate) async fn with_room(room: usize) -> Self {
        Self::with(room, Kept::by(Arc::new(NoPeers))).await
    }

    /// A node with these others.
    pub(crate) async fn with_peers(peers: Arc<dyn SegmentPeers>) -> Self {
        Self::with_kept(Kept::by(peers)).await
    }

    /// A node whose recordings are kept so.
    pub(crate) async fn with_kept(kept: Kept) -> Self {
        crate::tls::install_provider();
        Self::with(1024, kept).await
    }

    async fn with(room: usize, Kept { peers, bucket, room: disk }: Kept) -> Self {
        let log = LocalLog::new(NOW_MS, room);
        let folder = tempfile::tempdir().unwrap();
        let store = Store::over(Arc::<LocalLog>::clone(&log));
        let store = store.with_notes(folder.path().join("notes"), NodeId(1)).await.unwrap();
        store.initialise(initialise()).await.unwrap();
        let boot = [7; 16];
        let up = NodeUp {
            node: NodeId(1),
            boot,
            after: None,
            version: "t".to_owned(),
            api_url: String::new(),
        };
        let incarnation = store.node_up(up).await.unwrap().value;
        let clock = Clock::Fixed(NOW_MS);
        let shutdown = Shutdown::new();
        let parts = RecordingParts {
            node: NodeId(1),
            store: store.clone(),
            folder: folder.path().join("recordings"),
            keys: KeyRing::load(&cluster_key(), None, &[]).unwrap(),
            peers,
            places: Places::Peers,
            room: disk,
            bucket,
        };
        let recordings = Recordings::open(parts).unwrap();
        let gate = NodeGate::start(GateParts {
            node: NodeId(1),
            store: store.clone(),
            identify: Arc::new(Identify::new(clock, Arc::new(NoFetch), 10)),
            targets: Arc::default(),
            clock,
            shutdown: shutdown.clone(),
            api_url: "https://gate.example".to_owned(),
            max_sessions: MAX_SESSIONS,
            most_holds: MOST_HOLDS,
            mask_key: MaskKey::new(Secret::new([7; 32])),
            recordings: recordings.clone(),
        })
        .unwrap();
        gate.begin(incarnation);
        let world = Self { log, store, gate, shutdown, recordings, folder };
        world.unnoticed(ResourceKind::Target, "orders", TARGET).await;
        world.policy(POLICY).await;
        world
    }

    /// Another node, which joins the cluster and does nothing.
    pub(crate) async fn joined(&self) -> NodeId {
        let sha256 = [8; 32];
        let identity = Identity { issuer: "test".to_owned(), subject: "ada".to_owned() };
        let author = Author { identity, name: "Ada".to_owned() };
        let token = CreateJoinToken { sha256, expires_after_ms: 60_000, author };
        self.store.create_join_token(token).await.unwrap();
        let facts = JoinFacts {
            address: "other:1".to_owned(),
            api_url: String::new(),
            key_sha256: [9; 32],
            storage: [9; 16],
        };
        self.store.use_join_token(UseJoinToken { sha256, facts }).await.unwrap().value
    }

    /// Applies a resource; this node learns it when it does.
    pub(crate) async fn unnoticed(&self, kind: ResourceKind, name: &str, body: &str) -> Revision {
        let change = ResourceChange {
            kind,
            name: name.to_owned(),
            expected: Expected::Anything,
            to: ResourceBody::Put(body.to_owned()),
        };
        let command = ApplyResources {
            id: RequestId(rand::random()),
            content: [0; 32],
            answer: String::new(),
            changes: vec![change],
            author: author(),
            comment: String::new(),
        };
        self.store.apply_resources(command).await.unwrap().value
    }

    /// Defines a provider of agents, and waits until this node trusts it.
    pub(crate) async fn agents_provider(&self, name: &str, issuer: &str) -> Revision {
        let body = format!(
            r#"{{"oidc": {{"issuer": "{issuer}", "audiences": ["cs"], "for": "agents"}}}}"#
        );
        let revision = self.unnoticed(ResourceKind::IdentityProvider, name, &body).await;
        let identity = Identity { issuer: issuer.to_owned(), ..agent().identity };
        let voucher = Voucher { provider: name.to_owned(), revision };
        let known = Automation { voucher, agent: Agent { identity, ..agent() } };
        while self.gate.inner.identify.again(known.clone()).is_none() {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        revision
    }

    /// Applies a policy and waits until this node judges by it.
    pub(crate) async fn policy(&self, cedar: &str) {
        self.policy_unnoticed(cedar).await;
        self.notice().await;
    }

    /// Applies a mask rule and waits until this node masks by it.
    pub(crate) async fn mask_rule(&self, name: &str, body: &str) {
        self.unnoticed(ResourceKind::MaskRule, name, body).await;
        self.notice().await;
    }

    async fn notice(&self) {
        let in_force = self.view().policy_revision().unwrap();
        while self.gate.policies().current().revision() != in_force
            || self.gate.inner.targets.postgres(&orders()).is_none()
        {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    }

    /// Applies a policy; this node learns it when it does.
    pub(crate) async fn policy_unnoticed(&self, cedar: &str) {
        let body = serde_json::json!({ "cedar": cedar }).to_string();
        self.unnoticed(ResourceKind::Policy, "sample", &body).await;
    }

    pub(crate) fn wish(&self) -> SessionWish {
        let defined = self.gate.inner.targets.postgres(&orders());
        SessionWish {
            revision: defined.map_or(Revision(0), |(revision, _)| revision),
            who: Identified { agent: agent(), credential: None },
            target: orders(),
            protocol: Protocol::Postgres,
            role: "app".to_owned(),
            source: Source { address: "127.0.0.1:40000".parse().unwrap() },
            client: "test".to_owned(),
        }
    }

    pub(crate) async fn open(&self) -> OpenedSession {
        self.gate.open(self.wish()).await.unwrap()
    }

    pub(crate) async fn judge(
        &self,
        session: &Session,
        operation: &Arc<Operation>,
    ) -> Result<Judged, Refusal> {
        self.gate.judge(session, operation).await
    }

    /// Judges what must be held.
    pub(crate) async fn hold(
        &self,
        session: &Session,
        operation: &Arc<Operation>,
    ) -> (HoldId, Box<dyn Held>) {
        match self.judge(session, operation).await.unwrap() {
            Judged::Held(held) => (held.notice().hold, held),
            Judged::Cleared(cleared) => panic!("it was cleared: {cleared:?}"),
        }
    }

    /// Judges what must be allowed.
    pub(crate) async fn clear(&self, session: &Session, operation: &Arc<Operation>) -> Cleared {
        match self.judge(session, operation).await.unwrap() {
            Judged::Cleared(cleared) => cleared,
            Judged::Held(held) => panic!("it was held: {:?}", held.notice()),
        }
    }

    pub(crate) async fn decide(&self, hold: HoldId, who: &str, choice: Choice) {
        self.decide_for(hold, who, choice, 0).await;
    }

    /// The same for a time.
    pub(crate) async fn decide_for(&self, hold: HoldId, who: &str, choice: Choice, grant_ms: u64) {
        let seen = self.view().hold(hold).unwrap().unwrap().hold.fingerprint;
        self.store.decide(decision(hold, who, choice, (seen, grant_ms))).await.unwrap();
    }

    /// Tries to approve for a time what was seen.
    pub(crate) async fn try_decide_for(
        &self,
        hold: HoldId,
        seen: Fingerprint,
        grant_ms: u64,
    ) -> Result<(), ProposeError> {
        let command = decision(hold, "dana", Choice::Approve, (seen, grant_ms));
        self.store.decide(command).await.map(drop)
    }

    /// Where the node keeps what is its own.
    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    pub(crate) fn view(&self) -> StateView {
        self.store.view().unwrap()
    }

    /// The events of a kind, oldest first.
    pub(crate) fn events(&self, kind: EventKind) -> Vec<AuditEvent> {
        let mut filter = AuditFilter { kind: Some(kind), ..AuditFilter::default() };
        let mut events = Vec::new();
        loop {
            let page = self.view().audit_events(&filter, usize::MAX).unwrap();
            events.extend(page.events);
            match page.next {
                Some(next) => filter.after = next,
                None => return events,
            }
        }
    }

    /// The one event of a kind, once it is there.
    pub(crate) async fn event(&self, kind: EventKind) -> AuditEvent {
        loop {
            if let [one] = self.events(kind).as_slice() {
                return one.clone();
            }
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    }
}

pub(crate) const TARGET: &str = r#"{"postgres": {
    "address": "unix:/nowhere", "tls": {"mode": "disable"}, "databases": ["orders"],
    "roles": {"app": {"user": "app", "default": true}}
}}"#;

/// The key that seals the authorities' keys.
pub(crate) fn cluster_key() -> ClusterKey {
    ClusterKey::of(&[5; 32]).unwrap()
}

fn initialise() -> Initialise {
    let credentials = credential::make_authority("test").unwrap();
    let key = credentials.key_pem.as_bytes();
    Initialise {
        cluster_id: [1; 16],
        cluster_name: "test".to_owned(),
        ca_cert_pem: String::new(),
        sealed_ca_key: Vec::new(),
        ssh_keys: crate::ssh_keys::draw_all(&cluster_key(), &[1; 16]).unwrap(),
        sealed_credential_ca_key: cluster_key()
            .seal(Purpose::CredentialAuthority, &[1; 16], key)
            .unwrap(),
        credential_ca_cert_pem: credentials.certificate_pem,
        bootstrap_token_sha256: Sha256::digest(BOOTSTRAP).into(),
        bootstrap_expires_after_ms: 60 * 60 * 1000,
        first: JoinFacts {
            key_sha256: [3; 32],
            address: "127.0.0.1:1".to_owned(),
            api_url: String::new(),
            storage: [4; 16],
        },
    }
}

pub(crate) fn orders() -> TargetName {
    TargetName::parse("orders").unwrap()
}

pub(crate) fn author() -> Author {
    let identity = Identity { issuer: "https://i".to_owned(), subject: "ada".to_owned() };
    Author { identity, name: "Ada".to_owned() }
}

pub(crate) fn agent() -> Agent {
    Agent {
        identity: Identity { issuer: "https://i".to_owned(), subject: "ci-bot".to_owned() },
        name: "ci-bot".to_owned(),
        owner: None,
        groups: BTreeSet::from(["ci".to_owned()]),
        workload: Workload::default(),
        expires_at: LogTime(NOW_MS + TOKEN_MS),
    }
}

fn reviewer(subject: &str) -> Reviewer {
    Reviewer {
        identity: Identity { issuer: "https://i".to_owned(), subject: subject.to_owned() },
        name: subject.to_owned(),
        also_known_as: BTreeSet::new(),
        groups: BTreeSet::from(["dba".to_owned()]),
    }
}

fn decision(
    hold: HoldId,
    who: &str,
    choice: Choice,
    (seen, grant_ms): (Fingerprint, u64),
) -> Decide {
    Decide {
        hold,
        reviewer: reviewer(who),
        choice,
        grant_ms,
        comment: format!("says {who}"),
        seen,
        node: NodeId(1),
    }
}

/// An operation of one demand. Equal texts are equal operations, except for the id.
pub(crate) fn operation(session: &Session, action: Action, text: &str) -> Arc<Operation> {
    let resource = Resource::Relation { schema: "public".to_owned(), name: "orders".to_owned() };
    let classification = Classification {
        id: OperationId::from_bytes(rand::random()),
        text: text.as_bytes().into(),
        parameters: Vec::new(),
        settings: Arc::default(),
        summary: action.name().into(),
        demands: BTreeSet::from([Demand { action, resource }]).into(),
        columns: Arc::default(),
        commands: Arc::default(),
        shape: Some("DELETE FROM orders WHERE id = $1".into()),
        effect: if action == Action::PostgresRead { Effect::Passing } else { Effect::Lasting },
        transaction: Transaction::None,
        context: Arc::default(),
    };
    #[expect(clippy::disallowed_methods, reason = "a test is its own classifier")]
    let operation = Operation::classified(session, classification);
    Arc::new(operation)
}

pub(crate) fn delete(session: &Session) -> Arc<Operation> {
    operation(session, Action::PostgresWrite, "DELETE FROM orders")
}

pub(crate) fn select(session: &Session) -> Arc<Operation> {
    operation(session, Action::PostgresRead, "SELECT * FROM orders")
}

/// The admission of a hold that is approved: first the word of it, then the claim.
pub(crate) async fn admission(held: &mut Box<dyn Held>) -> Admission {
    loop {
        match held.next().await {
            HoldProgress::Approved => {}
            HoldProgress::Admitted(admission) => return admission,
            other @ (HoldProgress::Changed(_) | HoldProgress::Refused(_)) => panic!("{other:?}"),
        }
    }
}

pub(crate) fn refused(progress: HoldProgress) -> Refusal {
    match progress {
        HoldProgress::Refused(refusal) => refusal,
        other @ (HoldProgress::Changed(_) | HoldProgress::Approved | HoldProgress::Admitted(_)) => {
            panic!("{other:?}")
        }
    }
}

pub(crate) async fn released(reply: Reply) -> Result<Release, Refusal> {
    match reply {
        Reply::Released(release) => Ok(release),
        Reply::Awaited(release) => release.await,
    }
}

/// The next signal, which must be there without waiting.
pub(crate) async fn signal(signals: &mut Box<dyn Signals>) -> countersign_core::gate::Signal {
    tokio::time::timeout(std::time::Duration::from_secs(30), signals.next()).await.unwrap()
}
