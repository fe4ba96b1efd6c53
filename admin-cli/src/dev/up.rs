//! `dev up`: from nothing to a cluster that takes agents, step by step, each told as it is done.

use super::{
    certificates,
    directory::Directory,
    issuer, kubeconfig, links,
    node_file::{self, Entry},
    ports, postgres_url, probe, process,
    resources::{self, Targets},
    ssh_host,
    state::{Issuer, Link, Node, State},
};
use crate::{
    cli::UpOptions,
    documents,
    failure::{Failure, Status},
    files,
    output::Terminal,
};
use anyhow::{Context as _, bail};
use countersign_api::{
    Client,
    cluster::{InitRequest, JoinTokenRequest},
    resource::ApplyRequest,
};

/// Ports of one node: API, PostgreSQL, SSH, Kubernetes, cluster, metrics.
const PORTS_A_NODE: usize = 6;

/// Starts a cluster.
pub(super) async fn run(
    directory: &Directory,
    wanted: &UpOptions,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let url = target_url(wanted)?;
    let server = url.as_deref().map(postgres_url::read).transpose()?;
    for program in ["countersign", "countersign-dev-issuer"] {
        process::beside(program)?;
    }
    if server.as_ref().is_some_and(|server| server.password.is_none()) {
        terminal.warn(
            "the URL has no password, and the gateway logs in at targets by SCRAM-SHA-256 only",
        );
    }
    make_room(directory)?;
    let host = ssh_host::read(wanted)?;
    let kubernetes = wanted.kubeconfig.as_deref().map(kubeconfig::read).transpose()?;
    let mut state = State {
        postgres: url,
        ssh: host.is_some(),
        kubernetes: kubernetes.is_some(),
        ..plan(wanted, directory)?
    };
    let targets = Targets { postgres: server, ssh: host, kubernetes };
    match build(directory, &mut state, &targets, terminal).await {
        Ok(()) => {}
        Err(failure) => {
            // What was started is in the state; its logs stay for whoever wants to know why.
            drop(state.end_all().await);
            return Err(failure.hint(format!("the logs are in {}", directory.logs().display())));
        }
    }
    terminal.note("");
    super::status::run(directory, terminal).await?;
    terminal.note(
        "\n`countersignctl dev env` prints what scripts need; `countersignctl dev down` ends it",
    );
    Ok(())
}

/// A cluster that runs is left alone; what a dead one left behind is removed.
fn make_room(directory: &Directory) -> Result<(), Failure> {
    if directory.state_file().exists() {
        let state = State::load(directory)?;
        if state.processes().any(|running| running.is_alive()) {
            let message = format!("a development cluster runs in {}", directory.path().display());
            return Err(Failure::new(Status::Conflict, message)
                .hint("end it with `countersignctl dev down`, or say another --dir"));
        }
        directory.remove()?;
    }
    Ok(files::make_private_dir(directory.path())?)
}

/// The URL of the target. A file that is named wins over what the environment or the command line gives.
fn target_url(wanted: &UpOptions) -> anyhow::Result<Option<String>> {
    match &wanted.postgres_file {
        Some(file) => Ok(Some(files::read_text(file)?.trim().to_owned())),
        None => Ok(wanted.postgres.clone()),
    }
}

fn plan(wanted: &UpOptions, directory: &Directory) -> anyhow::Result<State> {
    let ids: Vec<u64> = (1..=wanted.nodes).collect();
    let pairs: Vec<_> = ids
        .iter()
        .flat_map(|from| ids.iter().map(|to| (*from, *to)))
        .filter(|(from, to)| from != to)
        .collect();
    let count = ids.len() * PORTS_A_NODE + pairs.len() + 1;
    let mut free = ports::free(count, directory.path())?.into_iter();
    let mut port = || free.next().context("too few ports");
    let mut nodes = Vec::new();
    for id in ids {
        nodes.push(Node {
            id,
            api: port()?,
            postgres: port()?,
            ssh: port()?,
            kubernetes: port()?,
            cluster: port()?,
            metrics: port()?,
            process: None,
        });
    }
    let mut links = Vec::new();
    for (from, to) in pairs {
        let connect = nodes
            .iter()
            .find(|node| node.id == to)
            .map(|node| node.cluster)
            .context("no such node")?;
        links.push(Link { from, to, listen: port()?, connect });
    }
    let issuer = Issuer { port: port()?, process: None };
    Ok(State {
        nodes,
        issuer,
        links,
        links_process: None,
        postgres: None,
        ssh: false,
        kubernetes: false,
        node_binary: wanted.node_binary.clone(),
    })
}

async fn build(
    directory: &Directory,
    state: &mut State,
    targets: &Targets,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    state.save(directory)?;
    certificates::make(directory)?;
    state.issuer.process = Some(issuer::start(directory, state.issuer.port)?);
    state.links_process = Some(links::start(directory)?);
    state.save(directory)?;
    probe::wait_for("the links between nodes", || async {
        Ok(links::show(directory).await.is_ok())
    })
    .await?;
    probe::wait_for("the issuer", || async { Ok(issuer::is_up(directory).await) }).await?;
    terminal.note(&format!("issuer at {}", state.issuer.url()));

    let token = first_node(directory, state, terminal).await?;
    let client =
        probe::client(directory, state.nodes.iter().map(Node::api_url).collect(), Some(&token))?;
    for place in 1..state.nodes.len() {
        join(directory, state, place, &client).await?;
        terminal.note(&format!("node {} has joined", place + 1));
    }
    let ports: Vec<_> = state.nodes.iter().map(|node| node.ssh).collect();
    ssh_host::write_known_hosts(directory, &client, &ports).await?;
    apply(directory, state, targets, &client).await?;
    terminal.note("identity providers, bindings and policy are applied");
    for node in &state.nodes {
        let one = probe::client(directory, vec![node.api_url()], None)?;
        let what = format!("node {} to be ready", node.id);
        probe::wait_for(&what, || async { Ok(probe::is_ready(&one).await) }).await?;
    }
    terminal.note("all nodes are ready");
    Ok(())
}

/// Starts node 1 and makes the cluster; the bootstrap token.
async fn first_node(
    directory: &Directory,
    state: &mut State,
    terminal: &mut Terminal,
) -> Result<String, Failure> {
    start(directory, state, 0, Entry::First).await?;
    let init_token = directory.node_data(1).join("init-token");
    probe::wait_for("node 1's init token", || async { Ok(init_token.is_file()) }).await?;
    let token = files::read_text(&init_token)?;
    let url = state.node_mut(1)?.api_url();
    let client = probe::client(directory, vec![url], Some(token.trim()))?;
    let made = client.init(&InitRequest { name: Some(node_file::CLUSTER.to_owned()) }).await?.body;
    terminal.note(&format!("node 1 has made cluster {}", made.name));
    Ok(made.bootstrap_token)
}

/// Lets the node at `place` join and waits until the cluster counts on it. One after the other, so that ids are known.
async fn join(
    directory: &Directory,
    state: &mut State,
    place: usize,
    client: &Client,
) -> Result<(), Failure> {
    let url = state.node_mut(1)?.api_url();
    let token = created_token(client).await?;
    let id = start(directory, state, place, Entry::Joins { url, token }).await?;
    let what = format!("node {id} to join");
    probe::wait_for(&what, || async {
        let Ok(cluster) = client.cluster().await else { return Ok(false) };
        Ok(cluster.body.nodes.iter().any(|node| node.id == id && node.voter))
    })
    .await?;
    Ok(())
}

/// Right after a change of membership a leader may be without its lease for a moment.
async fn created_token(client: &Client) -> anyhow::Result<String> {
    let made = std::cell::RefCell::new(None);
    probe::wait_for("a join token", || async {
        match client.create_join_token(&JoinTokenRequest::default()).await {
            Ok(token) => {
                *made.borrow_mut() = Some(token.body.token);
                Ok(true)
            }
            Err(error) if error.is_passing() => Ok(false),
            Err(error) => bail!(error),
        }
    })
    .await?;
    made.into_inner().context("there is no join token")
}

async fn start(
    directory: &Directory,
    state: &mut State,
    place: usize,
    entry: Entry,
) -> Result<u64, Failure> {
    let links = state.links.clone();
    let program = state.node_program();
    let node = state.nodes.get_mut(place).context("no such node")?;
    let (id, url) = (node.id, node.api_url());
    node_file::write(directory, node, &links, entry)?;
    let running = process::spawn_node(directory, id, &program)?;
    node.process = Some(running);
    state.save(directory)?;
    probe::wait_live(directory, &url, running).await?;
    Ok(id)
}

async fn apply(
    directory: &Directory,
    state: &State,
    targets: &Targets,
    client: &Client,
) -> Result<(), Failure> {
    let paths = resources::write(directory, state, targets)?;
    let found = documents::read(&paths)?;
    let request = ApplyRequest {
        documents: found.into_iter().map(|one| one.document).collect(),
        comment: "the sample of a development cluster".to_owned(),
        ..ApplyRequest::default()
    };
    client.apply(&request).await?;
    Ok(())
}
