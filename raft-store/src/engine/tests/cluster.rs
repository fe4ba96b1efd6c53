//! Starts, kills and restarts engines, each on a runtime of its own.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::time::Instant;

use super::toy::{Toy, set};
use crate::clock::SystemClock;
use crate::engine::{Engine, EngineConfig, MembershipError, StartError};
use crate::lease::LeaseTimings;
use crate::machine::View;
use crate::network::{ClusterName, TlsMaterial};
use crate::proposer::{Committed, ProposeError};
use crate::raft_types::{Member, NodeId};

/// How long one hand-over of leadership is given.
const HAND_OVER: Duration = Duration::from_secs(3);
/// Everything here happens within this, also on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(40);
/// Several elections.
const LONG_ENOUGH: Duration = Duration::from_secs(3);

pub(crate) struct Authority {
    certificate: String,
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::new(vec![]).unwrap();
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let certificate = parameters.self_signed(&key).unwrap().pem();
        Self { certificate, issuer: rcgen::Issuer::new(parameters, key) }
    }

    pub(crate) fn issue(&self, names: &[String]) -> TlsMaterial {
        let key = rcgen::KeyPair::generate().unwrap();
        let parameters = rcgen::CertificateParams::new(names.to_vec()).unwrap();
        let chain_pem = parameters.signed_by(&key, &self.issuer).unwrap().pem();
        let authority_pem = self.certificate.clone();
        TlsMaterial { authority_pem, chain_pem, key_pem: key.serialize_pem() }
    }
}

pub(crate) fn blue() -> ClusterName {
    ClusterName::new("blue").unwrap()
}

pub(crate) struct Running {
    runtime: Option<Runtime>,
    pub(crate) engine: Option<Arc<Engine>>,
}

/// Nodes that a test leaves running are stopped in order: the database must not be open while the process ends.
impl Drop for Running {
    fn drop(&mut self) {
        if let (Some(runtime), Some(engine)) = (self.runtime.take(), self.engine.take()) {
            runtime.block_on(engine.shutdown());
            runtime.shutdown_timeout(Duration::from_secs(5));
            engine.closed();
        }
    }
}

impl Engine {
    /// Lets go of the engine, and waits until its database is closed. Its runtime has ended already.
    fn closed(self: Arc<Self>) {
        let thread = self.flush_thread.lock().unwrap().take();
        let disk = self.state.watch_disk();
        let weak = Arc::downgrade(&self);
        drop(self);
        if std::thread::panicking() {
            return;
        }
        assert!(weak.upgrade().is_none(), "the test still holds the engine");
        if let Some(thread) = thread {
            thread.join().unwrap();
        }
        let begin = Instant::now();
        while disk.upgrade().is_some() {
            assert!(begin.elapsed() < SOON, "the database stays open");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Settings of one test.
pub(crate) struct Cluster {
    pub(crate) authority: Authority,
    pub(crate) addresses: BTreeMap<NodeId, SocketAddr>,
    pub(crate) nodes: BTreeMap<NodeId, Running>,
    /// Below the nodes, so that it outlives them.
    folder: tempfile::TempDir,
    pub(crate) adjust: fn(&mut EngineConfig),
    pub(crate) crooked: Option<NodeId>,
    /// Drives the test's own waiting.
    pub(crate) test: Runtime,
}

impl Cluster {
    pub(crate) fn new() -> Self {
        Self {
            authority: Authority::new(),
            folder: tempfile::tempdir().unwrap(),
            addresses: BTreeMap::new(),
            nodes: BTreeMap::new(),
            adjust: |_| {},
            crooked: None,
            test: Runtime::new().unwrap(),
        }
    }

    /// Three nodes that have a leader.
    pub(crate) fn of_three() -> Self {
        Self::of_three_with(|_| {}, None)
    }

    pub(crate) fn of_three_with(adjust: fn(&mut EngineConfig), crooked: Option<NodeId>) -> Self {
        let mut cluster = Self { adjust, crooked, ..Self::new() };
        for node in 1..=3 {
            cluster.start(node).unwrap();
        }
        let members = (1..=3).map(|node| (node, cluster.member(node))).collect();
        cluster.test.block_on(cluster.engine(1).initialize(members)).unwrap();
        cluster.leader();
        cluster
    }

    pub(crate) fn folder(&self, node: NodeId) -> PathBuf {
        self.folder.path().join(node.to_string())
    }

    pub(crate) fn config(&self, node: NodeId) -> EngineConfig {
        let tls = self.authority.issue(&[blue().node_name(node)]);
        let mut config = EngineConfig::new(self.folder(node), blue(), node, tls);
        config.clock = Arc::new(SystemClock);
        // Tests share their machine with compilers.
        config.lease = LeaseTimings {
            ask_every: Duration::from_millis(200),
            valid_for: Duration::from_secs(3),
            stall: Duration::from_secs(2),
        };
        (self.adjust)(&mut config);
        config
    }

    pub(crate) fn start(&mut self, node: NodeId) -> Result<(), StartError> {
        let config = self.config(node);
        self.start_with(config)
    }

    pub(crate) fn start_with(&mut self, config: EngineConfig) -> Result<(), StartError> {
        let node = config.node;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let known = self.addresses.get(&node).copied();
        let machine = Arc::new(Toy { crooked: self.crooked == Some(node) });
        let (engine, address) = runtime.block_on(async {
            let wanted = known.unwrap_or_else(|| "127.0.0.1:0".parse().unwrap());
            let listener = tokio::net::TcpListener::bind(wanted).await.unwrap();
            let address = listener.local_addr().unwrap();
            (Engine::start(config, machine, listener).await, address)
        });
        let engine = Some(Arc::new(engine?));
        self.addresses.insert(node, address);
        self.nodes.insert(node, Running { runtime: Some(runtime), engine });
        Ok(())
    }

    pub(crate) fn engine(&self, node: NodeId) -> Arc<Engine> {
        self.nodes[&node].engine.clone().unwrap()
    }

    pub(crate) fn member(&self, node: NodeId) -> Member {
        let storage = self.engine(node).storage();
        Member { address: self.addresses[&node].to_string(), storage }
    }

    /// Ends a node without a word: its tasks are dropped where they stand.
    pub(crate) fn kill(&mut self, node: NodeId) {
        let mut running = self.nodes.remove(&node).unwrap();
        let engine = running.engine.take().unwrap();
        running.runtime.take().unwrap().shutdown_timeout(Duration::from_secs(5));
        engine.closed();
    }

    pub(crate) fn stop(&mut self, node: NodeId) {
        drop(self.nodes.remove(&node).unwrap());
    }

    /// Waits for something that must happen.
    pub(crate) fn until<T>(&self, what: &str, mut check: impl FnMut() -> Option<T>) -> T {
        let begin = Instant::now();
        loop {
            if let Some(found) = check() {
                return found;
            }
            assert!(
                begin.elapsed() < SOON,
                "never happened: {what}; nodes that run: {:?}",
                self.nodes.keys()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Looks for as long as a broken rule would need to show.
    pub(crate) fn stays(&self, what: &str, mut check: impl FnMut() -> bool) {
        let begin = Instant::now();
        while begin.elapsed() < LONG_ENOUGH {
            assert!(check(), "no longer: {what}; nodes that run: {:?}", self.nodes.keys());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The leader on which a majority of the running nodes agree.
    pub(crate) fn leader(&self) -> NodeId {
        self.until("a leader", || {
            let mut seen = BTreeMap::new();
            for running in self.nodes.values() {
                let leader = running.engine.as_ref()?.status().leader;
                if let Some(leader) = leader.filter(|leader| self.nodes.contains_key(leader)) {
                    *seen.entry(leader).or_insert(0) += 1;
                }
            }
            let (leader, votes) = seen.into_iter().max_by_key(|(_, votes)| *votes)?;
            (votes * 2 > self.nodes.len()).then_some(leader)
        })
    }

    /// Has the leader change the membership, whoever it is by then.
    pub(crate) fn on_the_leader(&self, change: impl Fn(&Engine) -> Result<(), MembershipError>) {
        self.until("a change of the membership", || change(&self.engine(self.leader())).ok());
    }

    /// Has whoever leads hand leadership to a node until this holds: one hand-over can get lost on a busy machine.
    pub(crate) fn hand_to(&self, node: NodeId, what: &str, holds: impl Fn() -> bool) {
        self.until(what, || {
            let leader = self.leader();
            if leader != node {
                // What fails is tried again.
                self.test.block_on(self.engine(leader).transfer_leader(node)).ok();
            }
            let begin = Instant::now();
            while !holds() && begin.elapsed() < HAND_OVER {
                std::thread::sleep(Duration::from_millis(10));
            }
            holds().then_some(())
        });
    }

    pub(crate) fn follower(&self) -> NodeId {
        let leader = self.leader();
        self.nodes.keys().copied().find(|node| *node != leader).unwrap()
    }

    pub(crate) fn set_on(&self, node: NodeId, key: &str) -> Result<Committed, ProposeError> {
        self.set_within(node, key, SOON)
    }

    pub(crate) fn set_within(
        &self,
        node: NodeId,
        key: &str,
        within: Duration,
    ) -> Result<Committed, ProposeError> {
        let engine = self.engine(node);
        let deadline = Instant::now() + within;
        self.test.block_on(engine.propose(set(key, key), deadline))
    }

    pub(crate) fn has(&self, node: NodeId, key: &str) -> bool {
        let found = |view: &dyn View, _| view.get(format!("pair/{key}").as_bytes()).unwrap();
        self.engine(node).read(found).unwrap().is_some()
    }

    /// Waits until every running node has applied what the leader has.
    pub(crate) fn settle(&self) {
        let applied = self.engine(self.leader()).applied();
        for (node, running) in &self.nodes {
            let engine = running.engine.clone().unwrap();
            self.until(&format!("node {node} applies {applied}"), || {
                (engine.applied() >= applied).then_some(())
            });
        }
    }
}
