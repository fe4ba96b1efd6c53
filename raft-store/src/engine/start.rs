//! Starts an engine: the data directory is opened and checked first, then the consensus, then everything that works with
//! it. A node that cannot trust its directory does not start.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use openraft::SnapshotPolicy;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Engine, EngineConfig, Shelf, Timings, join};
use crate::agreement::{self, Agreement};
use crate::checkpoint;
use crate::clocks::Clocks;
use crate::disk::measure;
use crate::lease::Lease;
use crate::log_store::{FlushTimes, Flusher, LogStore, PurgeLimit};
use crate::machine::Machine;
use crate::network::{Admission, Network, Peers, Server, ServerParts, Tls, TlsError, greeting};
use crate::progress::Progress;
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
        // Whatever can be refused is refused before the directory is opened.
        let tls = Arc::new(Tls::new(config.cluster.clone(), config.node, &config.tls)?);
        let raft_config = Arc::new(raft_config(&config)?);
        let (effects, flush_times) = (EffectsSender::new(), FlushTimes::default());
        let opened = open(&config, machine, effects.clone(), flush_times.clone()).await?;
        let Opened { storage, state, log, flush_thread, disk_p99 } = opened;
        warn_when_slow(disk_p99, config.timings);
        let runtime = tokio::runtime::Handle::current();
        let peers = Arc::new(Peers::new(tls.clone(), runtime, config.peer_overrides.clone()));
        let network = Network { peers: peers.clone() };
        let raft = match Raft::new(config.node, raft_config, network, log, state.clone()).await {
            Ok(raft) => raft,
            Err(error) => {
                drop(state);
                join(flush_thread).await;
                return Err(StartError::Consensus(error.to_string()));
            }
        };
        let shelf = Shelf::default();
        let parts = Parts {
            config: &config,
            raft: &raft,
            state: &state,
            peers: peers.clone(),
            shelf: shelf.clone(),
            storage,
        };
        let running = run(parts, listener, tls.clone());
        let Running { proposer, reader, lease, progress, stop, tasks } = running;
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
            peers,
            progress,
            shelf,
            stop,
            tasks: Mutex::new(tasks),
            flush_thread: Mutex::new(Some(flush_thread)),
        })
    }
}

/// What the tasks of an engine work with.
struct Parts<'a> {
    config: &'a EngineConfig,
    raft: &'a Raft,
    state: &'a StateMachine,
    peers: Arc<Peers>,
    shelf: Shelf,
    storage: StorageId,
}

/// The tasks, and what leads to them.
struct Running {
    proposer: Proposer,
    reader: Reader,
    lease: Lease,
    progress: Progress,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

/// Starts everything that works with the consensus.
fn run(parts: Parts<'_>, listener: TcpListener, tls: Arc<Tls>) -> Running {
    let Parts { config, raft, state, peers, shelf, storage } = parts;
    let progress = Progress::default();
    let (stop, clocks) = (CancellationToken::new(), Clocks::new(config.clock.clone()));
    let mut tasks = JoinSet::new();
    let (proposer, gathering) = Proposer::start(ProposerParts {
        raft: raft.clone(),
        state: state.clone(),
        peers: peers.clone(),
        clocks: clocks.clone(),
        stop: stop.clone(),
    });
    tasks.spawn(gathering);
    let heard = greeting::Heard { clocks: clocks.clone(), progress: progress.clone() };
    let (greeting, known) = (raft.clone(), peers.clone());
    spawn(&mut tasks, &stop, async move { greeting::keep(&greeting, &known, &heard).await });
    let agreement = Agreement::new(raft.clone(), state.clone());
    let reader = Reader::new(raft.clone(), state.clone(), peers, agreement.clone());
    let lease = Lease::new(config.clock.clone(), state.clone(), config.lease);
    let admission =
        Admission { node: config.node, storage, raft: raft.clone(), state: state.clone() };
    let parts = ServerParts {
        admission,
        proposer: proposer.clone(),
        reader: reader.clone(),
        clocks,
        shelf,
    };
    let serving = Server::run(parts, listener, tls, stop.clone());
    tasks.spawn(async move {
        if let Err(error) = serving.await {
            tracing::error!(%error, "peers are not served any more");
        }
    });
    let (asking, watching, ask) = (lease.clone(), lease.clone(), reader.clone());
    spawn(&mut tasks, &stop, async move { asking.keep(|until| ask.read_index(until)).await });
    spawn(&mut tasks, &stop, async move { watching.watch().await });
    let (leading, every) = (raft.clone(), config.checkpoint_every);
    spawn(&mut tasks, &stop, async move { checkpoint::keep(&leading, &agreement, every).await });
    let (odd, differing) = (raft.clone(), state.clone());
    spawn(&mut tasks, &stop, async move { agreement::stand_aside(&odd, &differing).await });
    Running { proposer, reader, lease, progress, stop, tasks }
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
        let (flusher, flush_thread) = Flusher::start(disk.clone(), high_water, times)?;
        let parts = (snapshots, flusher.raiser());
        let state = match StateMachine::open(disk.clone(), machine, parts, effects) {
            Ok(state) => state,
            Err(error) => {
                drop((flusher, disk));
                // A panic of the thread is reported where it happens.
                drop(flush_thread.join());
                return Err(error.into());
            }
        };
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
    let (min, max) = silence(config.timings);
    openraft::Config {
        cluster_name: config.cluster.to_string(),
        heartbeat_interval: millis(config.timings.heartbeat),
        election_timeout_min: millis(min),
        election_timeout_max: millis(max),
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

/// The consensus library's two election time-outs. It first waits for the greater one, in which a leader counts as alive,
/// and then for a random time between the two; both waits together are the silence that the settings speak of.
fn silence(timings: Timings) -> (Duration, Duration) {
    let alive = timings.election_max / 2;
    let least = timings.election_min.saturating_sub(alive).max(timings.heartbeat * 2);
    (least.min(alive.saturating_sub(Duration::from_millis(1))), alive)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Timings, silence};

    #[test]
    fn the_whole_silence_before_an_election_is_what_the_settings_say() {
        let settings = [(100, 500, 1_000), (100, 300, 301), (10, 30, 31), (250, 1_500, 3_000)];
        for (heartbeat, min, max) in settings {
            let millis = Duration::from_millis;
            let timings = Timings {
                heartbeat: millis(heartbeat),
                election_min: millis(min),
                election_max: millis(max),
            };
            let (least, most) = silence(timings);
            assert!(timings.heartbeat < least && least < most, "{timings:?}");
            assert!(most + most <= timings.election_max, "{timings:?}");
        }
        assert_eq!(
            silence(Timings::default()),
            (Duration::from_millis(200), Duration::from_millis(500))
        );
    }
}
