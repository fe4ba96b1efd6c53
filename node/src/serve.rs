//! Starting and stopping a node, in order.
//!
//! Up: listeners are bound (so that a port in use is found at once), the API is up, the node belongs to a cluster, the
//! gate begins with the node's announcement in the log, agents are served. Down: the node drains (`drain`), outcomes are
//! recorded, leadership goes to another node if it came back, everything stops.

mod keeping;

use crate::{
    api,
    app::{App, Node},
    archive::{self, Archive},
    arrivals::{Arrivals, BalancersError, Told},
    bucket::BucketError,
    chain,
    clock::Clock,
    cluster::{self, ClusterError, Member},
    config::Config,
    drain, expiry,
    gate::{GateParts, MostHolds, NodeGate, PolicyReadError},
    identify::{HttpsFetch, Identify},
    incarnation::{self, IncarnationError},
    metrics,
    recording::{KeyRingError, Recordings, repair, rewrap},
    shutdown::{Shutdown, Why, drain_on_signals},
    ssh_host_keys::{ClusterHostKeys, HostKeyError, HostKeyFile},
    ssh_keys::ClusterAuthority,
    targets::TargetTable,
    tls::{self, Clients, TlsError},
};
use countersign_core::gate::Gate;
use countersign_postgres::{Grammar, GrammarCommand, GrammarLimits, ServeConfig};
use countersign_ssh::HostKeys;
use std::{convert::Infallible, future::pending, io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::TcpListener,
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

/// Milliseconds of a minute.
/// How long blocking threads may go on after everything has stopped.
pub const RUNTIME_ENDS_WITHIN: Duration = Duration::from_secs(3);
/// How long a listener of agents may take to end its sessions after their grace; it has a limit of its own below this.
const SESSIONS_END_WITHIN: Duration = Duration::from_secs(12);
/// The same when the node is asked to stop at once.
const SESSIONS_END_AT_ONCE: Duration = Duration::from_millis(500);
/// How long another listener may take to end.
const LISTENER_ENDS_WITHIN: Duration = Duration::from_secs(3);

/// Why a node does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A listener cannot be had.
    #[error("{setting}: cannot listen on {address}")]
    Listen {
        /// The setting.
        setting: &'static str,
        /// Its value.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The list of balancers cannot be used.
    #[error("listen.balancers")]
    Balancers(#[from] BalancersError),
    /// The certificate of the listeners cannot be used.
    #[error("tls.cert_file and tls.key_file")]
    Tls(#[from] TlsError),
    /// The host key of the settings cannot be used.
    #[error("listen.ssh_host_key_file")]
    SshHostKey(#[from] HostKeyError),
    /// The node does not come to belong to a cluster.
    #[error("this node does not belong to a cluster")]
    Cluster(#[from] ClusterError),
    /// The rules that deny everything do not compile: the program is broken.
    #[error("the gate cannot start")]
    Gate(#[from] PolicyReadError),
    /// Sessions could not be recorded: the folder cannot be used.
    #[error("the recordings in the data directory")]
    Recordings(#[source] io::Error),
    /// Sessions could not be recorded: their keys cannot be wrapped.
    #[error("recordings.key and recordings.earlier_keys")]
    RecordingKeys(#[from] KeyRingError),
    /// What is recorded cannot be kept in the bucket.
    #[error("recordings.bucket")]
    Bucket(#[from] BucketError),
    /// The cluster does not take this start of the node.
    #[error("this node cannot serve")]
    Incarnation(#[from] IncarnationError),
    /// The operating system does not let it.
    #[error("{what}")]
    System {
        /// What was tried.
        what: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The node has lost its place in the cluster.
    #[error("{why}")]
    Superseded {
        /// Why.
        why: &'static str,
    },
    /// A part that should go on has ended.
    #[error("{part} has ended")]
    Ended {
        /// Which.
        part: &'static str,
    },
}

/// Runs a node until it is asked to end, or cannot go on.
pub async fn run(config: Config) -> Result<(), ServeError> {
    let Listeners { api, postgres, ssh, kubernetes, metrics } = Listeners::bind(&config).await?;
    let api_tls = tls::server_config(&config.tls, &[b"h2", b"http/1.1"], Clients::Unasked)?;
    let tls = tls::server_config(&config.tls, &[], Clients::Asked)?;
    let ssh_host_key = match &config.listen.ssh_host_key_file {
        Some(file) => Some(HostKeyFile::read(file).await?),
        None => None,
    };
    let agents = OfAgents { postgres, ssh, kubernetes, tls, ssh_host_key };
    let app = Arc::new(App::new(config, Clock::Wall));
    drain_on_signals(app.shutdown.clone())
        .map_err(|source| ServeError::System { what: "wait for signals", source })?;
    let metrics = metrics::serve(metrics::install(), metrics, Arc::clone(&app));
    let parts = [
        part("the API listener", api::serve(Arc::clone(&app), api, api_tls)),
        part("the metrics listener", metrics),
    ];
    for part in &parts {
        // Nobody could ask or watch a node without them.
        let ended = part.ended.clone();
        app.shutdown.keep_running(part.name, async move { ended.cancelled().await });
    }
    let served = tokio::select! {
        member = cluster::start(&app) => match member {
            Ok(member) => live(&app, &member, agents).await,
            Err(error) => Err(error.into()),
        },
        () = app.shutdown.draining() => ended(app.shutdown.why()),
    };
    app.shutdown.stop();
    for part in parts {
        part.end_within(LISTENER_ENDS_WITHIN).await;
    }
    tracing::info!("has stopped");
    served
}

/// The node's life as a member of a cluster. What was begun is ended in order, however far it came.
async fn live(app: &Arc<App>, member: &Member, agents: OfAgents) -> Result<(), ServeError> {
    let begun = match keeping::open(app, member).await {
        Ok(kept) => begin(app, member, kept),
        Err(error) => Err(error),
    };
    let served = match begun {
        Ok((node, targets)) => {
            let served = tokio::select! {
                served = serve_agents(app, member, (&node, targets, agents)) => served,
                never = leave_when_turned_away(app, member, &node) => match never {},
            };
            node.gate.flush().await;
            served
        }
        Err(error) => Err(error),
    };
    if !app.shutdown.is_stopping() {
        member.hand_over().await;
    }
    member.membership.shutdown().await;
    served
}

/// Ends the sessions, and then the node, when a peer says that it was removed. It may not hear that from the log any more.
async fn leave_when_turned_away(app: &App, member: &Member, node: &Node) -> Infallible {
    member.turned_away().await;
    tracing::error!("the other nodes say that this one was removed from the cluster: it stops");
    node.gate.end_sessions();
    app.shutdown.drain(Why::Superseded("this node was removed from the cluster"));
    pending().await
}

/// Announces the node, then serves agents until the node is to stop, and drains.
async fn serve_agents(
    app: &Arc<App>,
    member: &Member,
    (node, targets, arriving): (&Node, Arc<TargetTable>, OfAgents),
) -> Result<(), ServeError> {
    // Before the announcement, which settles what earlier starts had in flight.
    tokio::select! {
        () = member.store.notes_taken() => {}
        () = member.stopped() => {}
        () = app.shutdown.draining() => return ended(app.shutdown.why()),
    }
    let api_url = app.config.api_url();
    let announced = incarnation::announce(&member.store, member.id, &api_url, &app.shutdown).await;
    let incarnation = match announced {
        Ok(incarnation) => incarnation,
        Err(IncarnationError::ShuttingDown) => return ended(app.shutdown.why()),
        Err(error) => return Err(error.into()),
    };
    node.gate.begin(incarnation);
    let keeping = expiry::keep(member.store.clone(), app.shutdown.clone());
    app.shutdown.keep_running("moving log time", keeping);
    let signing =
        chain::keep(member.store.clone(), Arc::clone(&member.cluster_key), app.shutdown.clone());
    app.shutdown.keep_running("signing the audit chain", signing);
    let repairing = repair::keep(node.recordings.clone(), app.shutdown.clone());
    app.shutdown.keep_running("looking after recordings", repairing);
    let wrapping = rewrap::keep(node.recordings.clone(), app.shutdown.clone());
    app.shutdown.keep_running("wrapping keys of recordings", wrapping);
    if let Some(places) = node.archive.places().cloned() {
        let key = Arc::clone(&member.cluster_key);
        let kept = (places, archive::Keeping::of(&app.config.archive));
        let archiving = archive::keep(member.store.clone(), key, kept, app.shutdown.clone());
        app.shutdown.keep_running("archiving the audit", archiving);
    }
    let end = CancellationToken::new();
    let [postgres, ssh, kubernetes] = listen_to_agents(app, (node, targets, arriving), &end)?;
    tracing::info!(node.id = member.id.0, incarnation = incarnation.0, "serves");
    tokio::select! {
        () = app.shutdown.draining() => {}
        () = postgres.ended.cancelled() => app.shutdown.drain(Why::Failed(postgres.name)),
        () = ssh.ended.cancelled() => app.shutdown.drain(Why::Failed(ssh.name)),
        () = kubernetes.ended.cancelled() => app.shutdown.drain(Why::Failed(kubernetes.name)),
        () = member.stopped() => app.shutdown.drain(Why::Failed("the replicated store")),
    }
    drain::drain(app, member, &node.gate).await;
    end.cancel();
    let all = async {
        tokio::join!(
            postgres.end_within(SESSIONS_END_WITHIN),
            ssh.end_within(SESSIONS_END_WITHIN),
            kubernetes.end_within(SESSIONS_END_WITHIN)
        )
    };
    tokio::select! {
        ((), (), ()) = all => {}
        () = stopped_at_once(&app.shutdown) => {}
    }
    ended(app.shutdown.why())
}

/// Takes agents of every protocol, until `end`.
fn listen_to_agents(
    app: &Arc<App>,
    (node, targets, arriving): (&Node, Arc<TargetTable>, OfAgents),
    end: &CancellationToken,
) -> Result<[Part; 3], ServeError> {
    let command = GrammarCommand::this_executable()
        .map_err(|source| ServeError::System { what: "find the program's own file", source })?;
    #[cfg(not(feature = "broken-gate"))]
    let gate: Arc<dyn Gate> = Arc::new(node.gate.clone());
    #[cfg(feature = "broken-gate")]
    let gate: Arc<dyn Gate> = Arc::new(crate::broken_gate::BrokenGate::over(node.gate.clone()));
    let (max_sessions, keepalive) = (app.config.limits.sessions, app.config.tcp_keepalive());
    let OfAgents { postgres, ssh, kubernetes, tls, ssh_host_key } = arriving;
    let grammar = Arc::new(Grammar::new(command, GrammarLimits::default()));
    let of_kubernetes =
        countersign_kubernetes::ServeConfig { tls: Arc::clone(&tls), max_sessions, keepalive };
    let serving = ServeConfig { tls, grammar, max_sessions, keepalive };
    let targets_of_ssh = Arc::<TargetTable>::clone(&targets);
    let kubernetes = countersign_kubernetes::serve(
        kubernetes,
        Arc::clone(&gate),
        Arc::<TargetTable>::clone(&targets),
        of_kubernetes,
        end.clone(),
    );
    let postgres =
        countersign_postgres::serve(postgres, Arc::clone(&gate), targets, serving, end.clone());
    let serving = countersign_ssh::ServeConfig {
        host_keys: match ssh_host_key {
            Some(own) => Arc::new(own),
            None => cluster_host_keys(app, node),
        },
        authority: Arc::new(ClusterAuthority::of(
            node.store.clone(),
            Arc::clone(&node.cluster_key),
        )),
        max_sessions,
        keepalive,
    };
    let ssh = countersign_ssh::serve(ssh, gate, targets_of_ssh, serving, end.clone());
    Ok([
        part("the PostgreSQL listener", postgres),
        part("the SSH listener", ssh),
        part("the Kubernetes listener", kubernetes),
    ])
}

fn cluster_host_keys(app: &App, node: &Node) -> Arc<dyn HostKeys> {
    let names = app.config.listen.ssh_names.clone();
    Arc::new(ClusterHostKeys::of(node.store.clone(), Arc::clone(&node.cluster_key), names))
}

/// What having stopped for this reason comes to.
const fn ended(why: Option<Why>) -> Result<(), ServeError> {
    match why {
        Some(Why::Asked(_)) | None => Ok(()),
        Some(Why::Superseded(why)) => Err(ServeError::Superseded { why }),
        Some(Why::Failed(part)) => Err(ServeError::Ended { part }),
    }
}

/// A moment after the node was asked to stop at once.
async fn stopped_at_once(shutdown: &Shutdown) {
    shutdown.stopping().await;
    sleep(SESSIONS_END_AT_ONCE).await;
}

/// Makes what a member of a cluster needs.
fn begin(
    app: &Arc<App>,
    member: &Member,
    (recordings, archive): (Recordings, Archive),
) -> Result<(Arc<Node>, Arc<TargetTable>), ServeError> {
    let limit = app.config.limits.failed_logins_per_minute;
    let identify = Arc::new(Identify::new(app.clock, Arc::new(HttpsFetch), limit));
    let targets = Arc::new(TargetTable::new(app.config.tcp_keepalive()));
    let gate = NodeGate::start(GateParts {
        node: member.id,
        store: member.store.clone(),
        identify: Arc::clone(&identify),
        targets: Arc::<TargetTable>::clone(&targets),
        clock: app.clock,
        shutdown: app.shutdown.clone(),
        api_url: app.config.api_url(),
        max_sessions: app.config.limits.sessions,
        most_holds: MostHolds {
            open: app.config.limits.open_holds_per_agent,
            a_minute: app.config.limits.holds_per_agent_per_minute,
        },
        mask_key: member.cluster_key.mask_key(),
        recordings: recordings.clone(),
    })?;
    let node = Node {
        id: member.id,
        store: member.store.clone(),
        identify,
        gate,
        membership: Arc::clone(&member.membership),
        membership_changes: Arc::clone(&member.changes),
        cluster_key: Arc::clone(&member.cluster_key),
        recordings,
        archive,
    };
    Ok((Arc::clone(app.became(node)), targets))
}

/// A task that should go on until it is told to end.
#[derive(Debug)]
struct Part {
    name: &'static str,
    task: JoinHandle<()>,
    ended: CancellationToken,
}

fn part(name: &'static str, work: impl Future<Output = io::Result<()>> + Send + 'static) -> Part {
    let ended = CancellationToken::new();
    let guard = ended.clone().drop_guard();
    let task = tokio::spawn(async move {
        // Dropped at the end however it comes about, a panic included.
        let _guard = guard;
        if let Err(error) = work.await {
            tracing::error!(error = &error as &dyn std::error::Error, "{name} failed");
        }
    });
    Part { name, task, ended }
}

impl Part {
    async fn end_within(self, limit: Duration) {
        if timeout(limit, self.task).await.is_err() {
            tracing::warn!("{} did not end in time", self.name);
        }
    }
}

struct Listeners {
    api: Arrivals,
    postgres: Arrivals,
    ssh: Arrivals,
    kubernetes: Arrivals,
    metrics: TcpListener,
}

/// The listeners of agents.
struct OfAgents {
    postgres: Arrivals,
    ssh: Arrivals,
    kubernetes: Arrivals,
    tls: Arc<rustls::ServerConfig>,
    /// That of the settings.
    ssh_host_key: Option<HostKeyFile>,
}

impl Listeners {
    async fn bind(config: &Config) -> Result<Self, ServeError> {
        let settings = &config.listen;
        let api = listen("listen.api", settings.api).await?;
        let postgres = listen("listen.postgres", settings.postgres).await?;
        let ssh = listen("listen.ssh", settings.ssh).await?;
        let kubernetes = listen("listen.kubernetes", settings.kubernetes).await?;
        Ok(Self {
            api: Arrivals::new(api, Told::of_api(settings)?),
            postgres: Arrivals::new(postgres, Told::of_postgres(settings)?),
            ssh: Arrivals::new(ssh, Told::of_ssh(settings)?),
            kubernetes: Arrivals::new(kubernetes, Told::of_kubernetes(settings)?),
            metrics: listen("listen.metrics", config.listen.metrics).await?,
        })
    }
}

async fn listen(setting: &'static str, address: SocketAddr) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address).await.map_err(|source| ServeError::Listen {
        setting,
        address,
        source,
    })
}
