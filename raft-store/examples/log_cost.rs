//! Measures what an operation costs three nodes of one process, without anything that stands in front of the store:
//! `cargo run -p countersign-raft-store --example log_cost [SECONDS] [WRITERS]`. It prints, for intents and outcomes that wait
//! for the log (`before_reply`) and for noted reads (`batched`), how many there are a second, how many share an entry, and
//! the processor time of all nodes for an entry and for an operation, by the threads that spend it.

#![expect(clippy::disallowed_types, reason = "a benchmark measures time")]
#![expect(clippy::print_stdout, reason = "what was measured is printed")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on ends")]
#![expect(clippy::indexing_slicing, reason = "there are three nodes")]
#![expect(clippy::cast_precision_loss, reason = "rates are shown to a few digits")]

use countersign_core::{
    agent::{Agent, Identity, Workload},
    fingerprint::Fingerprint,
    gate::{CancelKey, Settlement},
    id::{NodeId, OperationId, Revision, SessionId},
    log_time::LogTime,
    mask::MaskTally,
    permit::{AuditLevel, Basis},
    record::Outcome,
    target::{Protocol, TargetName},
};
use countersign_raft_store::{
    ClusterName, Engine, EngineConfig, Member, TlsMaterial,
    command::{
        ApplyResources, Expected, Initialise, Intent, NodeUp, OpenSession, ResourceBody,
        ResourceChange,
    },
    end_at_once,
    handle::Store,
    records::{AuditText, Author, JoinFacts, RequestId, ResourceKind},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{net::TcpListener, runtime::Runtime};

const NODES: u64 = 3;
/// Kernel ticks a second, as in `/proc`.
const TICKS: u64 = 100;

struct Node {
    runtime: Runtime,
    store: Store,
    engine: Arc<Engine>,
    address: String,
}

struct Authority {
    certificate: String,
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::new(vec![]).unwrap();
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let certificate = parameters.self_signed(&key).unwrap().pem();
        Self { certificate, issuer: rcgen::Issuer::new(parameters, key) }
    }

    fn issue(&self, name: String) -> TlsMaterial {
        let key = rcgen::KeyPair::generate().unwrap();
        let parameters = rcgen::CertificateParams::new(vec![name]).unwrap();
        let chain_pem = parameters.signed_by(&key, &self.issuer).unwrap().pem();
        let authority_pem = self.certificate.clone();
        TlsMaterial { authority_pem, chain_pem, key_pem: key.serialize_pem() }
    }
}

fn start(folder: &Path, id: u64, authority: &Authority) -> Node {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name(format!("node-{id}"))
        .enable_all()
        .build()
        .unwrap();
    let cluster = ClusterName::new("bench").unwrap();
    let tls = authority.issue(cluster.node_name(id));
    let config = EngineConfig::new(folder.join(id.to_string()), cluster, id, tls);
    let (store, engine, address) = runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (store, engine) = Store::start(config, listener).await.unwrap();
        (store, engine, address)
    });
    Node { runtime, store, engine, address }
}

fn author() -> Author {
    let identity = Identity { issuer: "https://issuer".to_owned(), subject: "ada".to_owned() };
    Author { identity, name: "ada".to_owned() }
}

fn facts(id: u64, node: &Node) -> JoinFacts {
    JoinFacts {
        key_sha256: [u8::try_from(id).unwrap(); 32],
        address: node.address.clone(),
        api_url: format!("https://node-{id}"),
        storage: node.engine.storage().0,
    }
}

/// A cluster with a target and a policy, and a session for each writer, in turns on the nodes.
async fn prepare(nodes: &[Node], writers: usize) -> Vec<SessionId> {
    let members: BTreeMap<u64, Member> = (1..)
        .zip(nodes)
        .map(|(id, node)| {
            (id, Member { address: node.address.clone(), storage: node.engine.storage() })
        })
        .collect();
    nodes[0].engine.initialize(members).await.unwrap();
    let first = &nodes[0].store;
    let initialise = Initialise {
        cluster_id: [1; 16],
        cluster_name: "bench".to_owned(),
        ca_cert_pem: String::new(),
        sealed_ca_key: Vec::new(),
        credential_ca_cert_pem: String::new(),
        sealed_credential_ca_key: Vec::new(),
        ssh_keys: Vec::new(),
        bootstrap_token_sha256: [2; 32],
        bootstrap_expires_after_ms: 3_600_000,
        first: facts(1, &nodes[0]),
    };
    while first.initialise(initialise.clone()).await.is_err() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let up = NodeUp {
        node: NodeId(1),
        boot: [3; 16],
        after: None,
        version: "bench".to_owned(),
        api_url: String::new(),
    };
    let incarnation = first.node_up(up).await.unwrap().value;
    let change = |kind, name: &str| ResourceChange {
        kind,
        name: name.to_owned(),
        expected: Expected::Anything,
        to: ResourceBody::Put("{}".to_owned()),
    };
    let resources = ApplyResources {
        id: RequestId([4; 16]),
        content: [5; 32],
        answer: String::new(),
        changes: vec![change(ResourceKind::Target, "orders"), change(ResourceKind::Policy, "p")],
        author: author(),
        comment: String::new(),
    };
    first.apply_resources(resources).await.unwrap();
    let mut sessions = Vec::new();
    for number in 0..writers {
        let id = SessionId::from_bytes(rand::random());
        let open = OpenSession {
            id,
            agent: agent(),
            credential: None,
            target: TargetName::parse("orders").unwrap(),
            protocol: Protocol::Postgres,
            role: "app".to_owned(),
            source: "127.0.0.1:5000".parse().unwrap(),
            client: "pgbench".to_owned(),
            node: NodeId(1),
            incarnation,
            cancel: CancelKey { process: u32::try_from(number).unwrap(), secret: 7 },
        };
        first.open_session(open).await.unwrap();
        sessions.push(id);
    }
    sessions
}

fn agent() -> Agent {
    Agent {
        identity: Identity { issuer: "https://issuer".to_owned(), subject: "ci-bot".to_owned() },
        name: "ci-bot".to_owned(),
        owner: Some("olga".to_owned()),
        groups: BTreeSet::from(["ci".to_owned()]),
        workload: Workload::default(),
        expires_at: LogTime(u64::MAX),
    }
}

fn intent(session: SessionId, revision: Revision, audit: AuditLevel) -> Intent {
    let text = b"SELECT abalance FROM pgbench_accounts WHERE aid = $1;";
    Intent {
        session,
        basis: Basis {
            operation: OperationId::from_bytes(rand::random()),
            fingerprint: Fingerprint::from_bytes(rand::random()),
            audit,
            revision,
            rules: vec!["reads".to_owned()],
            approval: None,
        },
        template: None,
        summary: "SELECT public.pgbench_accounts".to_owned(),
        text: AuditText::of(text),
        actions: vec!["postgres:read".to_owned()],
        asked: "asks-1\tpassing\tnone\ndemand\tpostgres:read\trelation\tpublic\taccounts"
            .to_owned(),
    }
}

fn settlement(operation: OperationId) -> Settlement {
    Settlement {
        operation,
        outcome: Outcome::Completed,
        rows: 1,
        bytes: 75,
        word: "SELECT 1".to_owned(),
        masked: MaskTally::default(),
    }
}

/// One operation: its intent waits for what the level asks for; nobody waits for its outcome.
async fn operate(store: &Store, session: SessionId, revision: Revision, audit: AuditLevel) {
    let intent = intent(session, revision, audit);
    let operation = intent.basis.operation;
    match audit {
        AuditLevel::Batched => {
            let Some(noting) = store.note(intent) else {
                return tokio::time::sleep(Duration::from_millis(1)).await;
            };
            let _receipt = noting.synced().await.unwrap();
            assert!(store.settle_noted(settlement(operation)).is_none());
        }
        AuditLevel::BeforeReply | AuditLevel::BeforeForward => {
            let _receipt = store.intend(intent).await.unwrap();
            let store = store.clone();
            tokio::spawn(async move { store.settle(settlement(operation)).await });
        }
    }
}

/// Processor time by the names of threads, in ticks.
fn spent() -> BTreeMap<String, u64> {
    let mut times = BTreeMap::new();
    for task in fs::read_dir("/proc/self/task").unwrap() {
        let Ok(stat) = fs::read_to_string(task.unwrap().path().join("stat")) else { continue };
        let (name, rest) = stat.split_once('(').unwrap().1.rsplit_once(')').unwrap();
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        *times.entry(name.to_owned()).or_default() += ticks;
    }
    times
}

fn measure(nodes: &[Node], sessions: &[SessionId], audit: AuditLevel, time: Duration) {
    let revision = nodes[0].store.view().unwrap().policy_revision().unwrap();
    let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let (before, entries, begin) = (spent(), nodes[0].store.status().last.0, Instant::now());
    let mut tasks = Vec::new();
    for (number, session) in sessions.iter().copied().enumerate() {
        // Notes are one node's; what waits for the log comes from all of them.
        let node = match audit {
            AuditLevel::Batched => &nodes[0],
            AuditLevel::BeforeReply | AuditLevel::BeforeForward => &nodes[number % nodes.len()],
        };
        let (store, stop, done) = (node.store.clone(), Arc::clone(&stop), Arc::clone(&done));
        tasks.push(node.runtime.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                operate(&store, session, revision, audit).await;
                done.fetch_add(1, Ordering::Relaxed);
            }
        }));
    }
    std::thread::sleep(time);
    stop.store(true, Ordering::Relaxed);
    for (number, task) in tasks.into_iter().enumerate() {
        nodes[number % nodes.len()].runtime.block_on(task).unwrap();
    }
    nodes[0].runtime.block_on(nodes[0].store.notes_taken());
    let (after, took) = (spent(), begin.elapsed().as_secs_f64());
    let entries = nodes[0].store.status().last.0 - entries;
    let done = done.load(Ordering::Relaxed);
    let spent: BTreeMap<&str, u64> = after
        .iter()
        .map(|(name, ticks)| {
            (name.as_str(), ticks - before.get(name).copied().unwrap_or(0).min(*ticks))
        })
        .collect();
    let per = |ticks: u64, count: u64| ticks * (1_000_000 / TICKS) / count.max(1);
    let all: u64 = spent.values().sum();
    println!(
        "{:<13} {:>6.0} operations a second, {:>5.1} an entry, {:>5.0} entries a second; {} us an entry, {} us an operation",
        audit.name(),
        done as f64 / took,
        done as f64 / entries.max(1) as f64,
        entries as f64 / took,
        per(all, entries),
        per(all, done),
    );
    for (name, ticks) in spent.iter().filter(|(_, ticks)| **ticks > 0) {
        println!("    {name:<16} {} us an operation", per(*ticks, done));
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = |or: u64| arguments.next().map_or(or, |text| text.parse().unwrap());
    let (seconds, writers) = (number(5), usize::try_from(number(64)).unwrap());
    rustls::crypto::aws_lc_rs::default_provider().install_default().unwrap();
    let folder = tempfile::tempdir_in(".").unwrap();
    let authority = Authority::new();
    let nodes: Vec<Node> = (1..=NODES).map(|id| start(folder.path(), id, &authority)).collect();
    let sessions = nodes[0].runtime.block_on(prepare(&nodes, writers));
    nodes[0].runtime.block_on(nodes[0].store.notes_taken());
    for audit in [AuditLevel::BeforeReply, AuditLevel::Batched] {
        measure(&nodes, &sessions, audit, Duration::from_secs(seconds));
    }
    for node in &nodes {
        node.runtime.block_on(node.engine.shutdown());
    }
    drop(folder);
    end_at_once(0);
}
