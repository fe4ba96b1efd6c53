//! `cluster`: its beginning, its nodes, and taking one out of service.

mod members;
mod snapshot;
mod ssh_keys;

pub(crate) use ssh_keys::known_hosts;

use crate::{
    cli::{ClusterCommand, Global, TokenCommand},
    connection::{self, Reached},
    failure::{Failure, Status},
    output::{self, Terminal, Tone},
};
use countersign_api::{
    Client,
    client::ClientError,
    cluster::{Cluster, ClusterNode, InitRequest, JoinTokenRequest, NodeRole, TransferRequest},
    problem::ProblemKind,
};

/// Runs a command of `cluster`.
pub(crate) async fn run(
    command: ClusterCommand,
    global: &Global,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    match command {
        ClusterCommand::Init { name } => init(name, global, terminal).await,
        ClusterCommand::Token(TokenCommand::Create { expires }) => {
            let request = JoinTokenRequest { expires_in_seconds: Some(expires.as_secs()) };
            let token =
                connection::client(global, terminal)?.create_join_token(&request).await?.body;
            terminal
                .note(&format!("for one node, until {}; it is not shown again", token.expires_at));
            terminal.answer(&token, |token, _| token.token.clone())
        }
        ClusterCommand::Add { expires } => members::add(expires, global, terminal).await,
        ClusterCommand::Remove { node } => members::remove(node, global, terminal).await,
        ClusterCommand::Replace { node, with } => {
            members::replace((node, with), global, terminal).await
        }
        ClusterCommand::Promote { node } => members::promote(node, global, terminal).await,
        ClusterCommand::Snapshot(command) => snapshot::run(command, global, terminal).await,
        ClusterCommand::Recover { config, confirm } => {
            snapshot::recover(&config, confirm.as_deref())
        }
        ClusterCommand::Reopen => {
            let client = connection::client(global, terminal)?;
            answer(&client.reopen().await?.body, terminal)
        }
        ClusterCommand::Status => status(global, terminal).await,
        ClusterCommand::SshKeys { known_hosts } => {
            let client = connection::client(global, terminal)?;
            ssh_keys::show(&client, known_hosts.as_deref(), terminal).await
        }
        ClusterCommand::RotateSshKey { role, overlap } => {
            let client = connection::client(global, terminal)?;
            ssh_keys::rotate(&client, role, overlap, terminal).await
        }
        ClusterCommand::TransferLeader { to } => {
            let client = connection::client(global, terminal)?;
            let cluster = client.transfer_leader(&TransferRequest { to }).await?.body;
            terminal.answer(&cluster, |cluster, _| match cluster.leader {
                Some(leader) => format!("node {leader} leads in term {}", cluster.term),
                None => "leadership was given up; the next leader is not known yet".to_owned(),
            })
        }
        ClusterCommand::Drain { node } => {
            let drained = node_itself(node, global, terminal).await?.drain().await?.body;
            terminal.answer(&drained, |drained, _| {
                format!(
                    "node {} drains; {} sessions are still open on it",
                    drained.node, drained.sessions
                )
            })
        }
        ClusterCommand::Undrain { node } => {
            let drained = node_itself(node, global, terminal).await?.undrain().await?.body;
            terminal.answer(&drained, |drained, _| {
                let state =
                    if drained.draining { "still drains: it stops" } else { "takes agents" };
                format!("node {} {state}", drained.node)
            })
        }
    }
}

async fn init(
    name: Option<String>,
    global: &Global,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let reached = Reached::by(global, terminal)?;
    if !reached.has_token() {
        return Err(Failure::new(Status::NotLoggedIn, "the node's init token is needed")
            .hint("it is in the node's data directory: --token-file DATA_DIR/init-token"));
    }
    let [server] = reached.servers.as_slice() else {
        return Err(Failure::usage("a cluster begins with one node: name exactly one --server"));
    };
    let client = reached.client_of(server)?;
    let made = client.init(&InitRequest { name }).await.map_err(lost)?.body;
    terminal.note("the token is shown this once: it administers until an IdentityProvider and an admin Binding exist");
    terminal.answer(&made, |made, _| {
        output::pairs(&[
            ("cluster", format!("{} ({})", made.name, made.cluster_id)),
            ("first node", made.node.to_string()),
            ("peer authority", format!("sha256 {}", made.ca_sha256)),
            ("bootstrap token", made.bootstrap_token.clone()),
            ("expires", made.bootstrap_expires_at.to_string()),
        ])
    })
}

/// The answer to `init` is the only one that cannot be asked for again; but the node keeps the token for an hour.
fn lost(error: ClientError) -> Failure {
    let unclear = !error.was_unsent() && error.is_passing();
    let made = error.problem_kind() == Some(ProblemKind::AlreadyInitialised);
    let failure = Failure::from(error);
    if unclear || made {
        return failure.hint(
            "where the cluster was made and the answer was lost, the bootstrap token is in DATA_DIR/bootstrap-token of that node for an hour",
        );
    }
    failure
}

async fn status(global: &Global, terminal: &mut Terminal) -> Result<(), Failure> {
    let cluster = connection::client(global, terminal)?.cluster().await?.body;
    answer(&cluster, terminal)?;
    if cluster.quorum { Ok(()) } else { Err(Failure::answered(Status::NoQuorum, cluster.verdict)) }
}

/// The nodes, and how many of them may fail.
fn answer(cluster: &Cluster, terminal: &mut Terminal) -> Result<(), Failure> {
    if let Some(warning) = &cluster.warning {
        terminal.warn(warning);
    }
    if cluster.epoch.as_ref().is_some_and(|epoch| !epoch.open) {
        terminal.warn("the cluster was recovered and takes no agents: look at policies, targets and revocations, then `cluster reopen`");
    }
    terminal.answer(cluster, |cluster, terminal| {
        let nodes = table(&cluster.nodes, cluster.node, terminal);
        format!("{nodes}\n\n{}", verdict(cluster, terminal))
    })
}

fn table(nodes: &[ClusterNode], asked: u64, terminal: &Terminal) -> String {
    let unknown = || "-".to_owned();
    let number = |value: Option<u64>| value.map_or_else(unknown, |value| value.to_string());
    let narrow = |node: &ClusterNode| {
        let mark = if node.id == asked { "*" } else { "" };
        let health = if node.healthy { "up" } else { "DOWN" };
        let api = node.api.clone().unwrap_or_else(unknown);
        [
            format!("{}{mark}", node.id),
            role(node),
            health.to_owned(),
            number(node.last_applied),
            number(node.lag),
            api,
        ]
    };
    if !terminal.format().is_wide() {
        return output::table(
            ["node", "role", "state", "applied", "lag", "api"],
            nodes.iter().map(narrow),
        );
    }
    let wide = nodes.iter().map(|node| {
        let [id, role, health, applied, lag, api] = narrow(node);
        let version = node.version.clone().unwrap_or_else(unknown);
        [
            id,
            role,
            health,
            applied,
            lag,
            api,
            node.address.clone(),
            version,
            number(node.incarnation),
        ]
    });
    let header = [
        "node",
        "role",
        "state",
        "applied",
        "lag",
        "api",
        "peers reach it at",
        "version",
        "incarnation",
    ];
    output::table(header, wide)
}

fn role(node: &ClusterNode) -> String {
    let name = match node.role {
        NodeRole::Leader => "leader",
        NodeRole::Follower => "follower",
        NodeRole::Learner => "learner",
        NodeRole::Candidate => "candidate",
        NodeRole::Unknown => "unknown",
    };
    let draining = if node.draining == Some(true) { ", draining" } else { "" };
    format!("{name}{draining}")
}

fn verdict(cluster: &Cluster, terminal: &Terminal) -> String {
    let tone = match (cluster.quorum, cluster.tolerates) {
        (true, 0) => Tone::Waiting,
        (true, _) => Tone::Good,
        (false, _) => Tone::Bad,
    };
    let word = if cluster.quorum { "quorum" } else { "NO QUORUM" };
    format!(
        "{}: {} · {} in term {}, policy revision {}, as node {} sees it",
        terminal.toned(word, tone),
        cluster.verdict,
        cluster
            .leader
            .map_or_else(|| "no leader".to_owned(), |leader| format!("node {leader} leads")),
        cluster.term,
        cluster.policy_revision,
        cluster.node,
    )
}

/// Draining is between a node and its operator, so it is the node itself that must be asked.
async fn node_itself(
    node: u64,
    global: &Global,
    terminal: &mut Terminal,
) -> Result<Client, Failure> {
    let reached = Reached::by(global, terminal)?;
    let cluster = reached.client()?.cluster().await?.body;
    client_of(node, &cluster, &reached)
}

/// A client of one node of the cluster.
fn client_of(node: u64, cluster: &Cluster, reached: &Reached) -> Result<Client, Failure> {
    let found = cluster.nodes.iter().find(|known| known.id == node);
    let found =
        found.ok_or_else(|| Failure::new(Status::NotFound, format!("there is no node {node}")))?;
    let server = found.api.as_deref().ok_or_else(|| {
        Failure::failed(format!("the address of node {node}'s API is not known"))
            .hint("name the node by --server")
    })?;
    reached.client_of(server)
}
