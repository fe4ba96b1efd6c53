//! Starts an engine: the data directory is opened and checked first, then the consensus, then everything that works with
//! it. A node that cannot trust its directory does not start.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use openraft::SnapshotPolicy;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Engine, EngineConfig, Timings};
use crate::checkpoint;
use crate::disk::measure;
use crate::lease::Lease;
use crate::log_store::{FlushTimes, Flusher, LogStore, PurgeLimit};
use crate::machine::Machine;
use crate::network::{Admission, Network, Peers, Server, ServerParts, Tls, TlsError};
use crate::proposer::{Proposer, ProposerParts};
use crate::raft_types::{Raft, StorageId};
use crate::read_index::Reader;
use crate::snapshot::SnapshotFolder;
use crate::state_machine::{EffectsSender, StateMachine};
use crate::storage::{Storage, StorageError};

/// So many times the disk's slowest syncs must fit into the shortest election time-out.
const SYNCS_PER_ELECTION: u32 = 10;
/// The most entries the consensus library hands to a peer at a time; their bytes are limited by the log's reader.
const ENTRIES_PER_APPEND: u64 = 512;

/// Why an engine does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory is refused.
    #[error("the data directory is refused")]
    Storage(#[from] StorageError),
    /// A file or thread could not be had.
    #[error("the node's files or threads could not be opened")]
    Io(#[from] io::Error),
    /// The certificates are refused.
    #[error("the certificates between nodes are refused")]
    Tls(#[from] TlsError),
    /// The timings contradict each other.
    #[error("the timings are refused: {0}")]
    Timings(String),
    /// The consensus library refuses what is stored.
    #[error("the consensus does not start: {0}")]
    Consensus(String),
}

impl Engine {
    /// Starts a node on its data directory, listening for peers on `listener`. A new directory waits to be initialized, or
    /// to be added by a leader.
    ///
    /// # Errors
    /// [`StartError`] when the directory, the certificates or the settings are refused.
    pub async fn start(
        config: EngineConfig,
        machine: Arc<dyn Machine>,
        listener: TcpListener,
    ) -> Result<Self, StartError> {
        let tls = Arc::new(Tls::new(config.cluster.clone(), config.node, &config.tls)?);
        let (effects, flush_times) = (EffectsSender::new(), FlushTimes::default());
        let opened = open(&config, machine, effects.clone(), flush_times.clone()).await?;
        let Opened { storage, state, log, flush_thread, disk_p99 } = opened;
        warn_when_slow(disk_p99, config.timings);
        let runtime = tokio::runtime::Handle::current();
        let peers = Arc::new(Peers::new(tls.clone(), runtime, config.peer_overrides.clone()));
        let network = Network { peers: peers.clone() };
        let raft_config = Arc::new(raft_config(&config)?);
        let raft = Raft::new(config.node, raft_config, network, log, state.clone())
            .await
            .map_err(|error| StartError::Consensus(error.to_string()))?;
        let stop = CancellationToken::new();
        let parts = ProposerParts {
            raft: raft.clone(),
            peers: peers.clone(),
            clock: config.clock.clone(),
            stop: stop.clone(),
        };
        let (proposer, gathering) = Proposer::start(parts);
        let reader = Reader::new(raft.clone(), state.clone(), peers);
        let lease = Lease::new(config.clock.clone(), state.clone(), config.lease);
        let admission =
            Admission { node: config.node, storage, raft: raft.clone(), state: state.clone() };
        let parts = ServerParts { admission, proposer: proposer.clone(), reader: reader.clone() };
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            drop(gathering.await);
        });
        let serving = Server::run(parts, listener, tls.clone(), stop.clone());
        tasks.spawn(async move {
            if let Err(error) = serving.await {
                tracing::error!(%error, "peers are not served any more");
            }
        });
        let (asking, watching, ask) = (lease.clone(), lease.clone(), reader.clone());
        spawn(&mut tasks, &stop, async move { asking.keep(&ask).await });
        spawn(&mut tasks, &stop, async move { watching.watch().await });
        let (leading, seen, every) = (raft.clone(), state.clone(), config.checkpoint_every);
        spawn(&mut tasks, &stop, async move { checkpoint::keep(&leading, &seen, every).await });
        Ok(Self {
            node: config.node,
            storage,
            raft,
            state,
            proposer,
            reader,
            lease,
            effects,
            tls,
            flush_times,
            disk_p99,
            stop,
            tasks: Mutex::new(tasks),
            flush_thread: Mutex::new(Some(flush_thread)),
        })
    }
}

/// Runs until the engine stops.
fn spawn(
    tasks: &mut JoinSet<()>,
    stop: &CancellationToken,
    work: impl Future<Output = ()> + Send + 'static,
) {
    let stop = stop.clone();
    tasks.spawn(async move {
        stop.run_until_cancelled(work).await;
    });
}

/// The parts that lie in the data directory.
struct Opened {
    storage: StorageId,
    state: StateMachine,
    log: LogStore,
    flush_thread: std::thread::JoinHandle<()>,
    disk_p99: Duration,
}

async fn open(
    config: &EngineConfig,
    machine: Arc<dyn Machine>,
    effects: EffectsSender,
    times: FlushTimes,
) -> Result<Opened, StartError> {
    let (folder, cluster, node) =
        (config.folder.clone(), config.cluster.as_str().to_owned(), config.node);
    let name = config.storage.unwrap_or_else(StorageId::draw);
    let opened = tokio::task::spawn_blocking(move || {
        let Storage { identity, disk, high_water, snapshots } =
            Storage::open_as(&folder, &cluster, (node, name))?;
        let disk_p99 = measure::sync_p99(&folder)?;
        let purge_limit = Arc::new(PurgeLimit::default());
        let snapshots = SnapshotFolder::open(snapshots, purge_limit.clone())?;
        let state = StateMachine::open(disk.clone(), machine, snapshots, effects)?;
        let (flusher, flush_thread) = Flusher::start(disk.clone(), high_water, times)?;
        let log = LogStore::new(disk, flusher, purge_limit);
        Ok(Opened { storage: identity.storage, state, log, flush_thread, disk_p99 })
    });
    opened.await.map_err(io::Error::other)?
}

fn warn_when_slow(disk_p99: Duration, timings: Timings) {
    if disk_p99 * SYNCS_PER_ELECTION > timings.election_min {
        tracing::warn!(
            sync_p99_ms = disk_p99.as_millis(),
            election_min_ms = timings.election_min.as_millis(),
            "the disk is slow: ten of its slowest syncs do not fit into an election time-out"
        );
    }
}

fn raft_config(config: &EngineConfig) -> Result<openraft::Config, StartError> {
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    openraft::Config {
        cluster_name: config.cluster.to_string(),
        heartbeat_interval: millis(config.timings.heartbeat),
        election_timeout_min: millis(config.timings.election_min),
        election_timeout_max: millis(config.timings.election_max),
        enable_pre_vote: Some(true),
        max_payload_entries: ENTRIES_PER_APPEND,
        snapshot_policy: SnapshotPolicy::LogsSinceLast(config.snapshot_every),
        max_in_snapshot_log_to_keep: config.keep_entries,
        replication_lag_threshold: config.snapshot_every.saturating_add(config.keep_entries),
        ..openraft::Config::default()
    }
    .validate()
    .map_err(|error| StartError::Timings(error.to_string()))
}
