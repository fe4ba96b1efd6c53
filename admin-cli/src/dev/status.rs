//! `dev status`: the processes of a development cluster, whether they are ready, and which links are cut.

use super::{directory::Directory, links, probe, process::Running, state::State};
use crate::{
    failure::Failure,
    output::{self, Terminal},
};
use serde::Serialize;

#[derive(Debug, Serialize)]
struct Status {
    directory: String,
    issuer: Process,
    links: Process,
    nodes: Vec<Node>,
    /// Sender and receiver of what does not arrive.
    cut: Vec<(u64, u64)>,
    postgres: Option<String>,
}

#[derive(Debug, Serialize)]
struct Process {
    pid: Option<i32>,
    running: bool,
}

#[derive(Debug, Serialize)]
struct Node {
    id: u64,
    #[serde(flatten)]
    process: Process,
    ready: bool,
    api: String,
    postgres: String,
}

/// Shows it.
pub(super) async fn run(directory: &Directory, terminal: &mut Terminal) -> Result<(), Failure> {
    let state = State::load(directory)?;
    let mut nodes = Vec::new();
    for node in &state.nodes {
        let process = process(node.process);
        let client = probe::client(directory, vec![node.api_url()], None)?;
        let ready = process.running && probe::is_ready(&client).await;
        nodes.push(Node {
            id: node.id,
            process,
            ready,
            api: node.api_url(),
            postgres: format!("127.0.0.1:{}", node.postgres),
        });
    }
    let status = Status {
        directory: directory.path().display().to_string(),
        issuer: process(state.issuer.process),
        links: process(state.links_process),
        nodes,
        cut: links::show(directory).await.unwrap_or_default().into_iter().collect(),
        postgres: state.postgres.as_deref().map(without_password),
    };
    terminal.answer(&status, |status, _| text(status))
}

fn process(running: Option<Running>) -> Process {
    let alive = running.filter(Running::is_alive);
    Process { pid: alive.map(|running| running.pid), running: alive.is_some() }
}

/// The URL of the target's PostgreSQL as it may be shown.
fn without_password(url: &str) -> String {
    let server = super::postgres_url::read(url);
    server.map_or_else(
        |_| "?".to_owned(),
        |server| format!("{} database {} as {}", server.address, server.database, server.user),
    )
}

fn text(status: &Status) -> String {
    let pid = |process: &Process| process.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string());
    let word = |process: &Process| if process.running { "running" } else { "ended" };
    let mut rows: Vec<_> = status
        .nodes
        .iter()
        .map(|node| {
            let state = match (node.process.running, node.ready) {
                (true, true) => "ready",
                (true, false) => "running, not ready",
                (false, _) => "ended",
            };
            [
                format!("node {}", node.id),
                pid(&node.process),
                state.to_owned(),
                node.api.clone(),
                node.postgres.clone(),
            ]
        })
        .collect();
    for (name, process) in [("issuer", &status.issuer), ("links", &status.links)] {
        rows.push([
            name.to_owned(),
            pid(process),
            word(process).to_owned(),
            "-".to_owned(),
            "-".to_owned(),
        ]);
    }
    let mut lines =
        vec![output::table(["process", "pid", "state", "api", "postgres"], rows), String::new()];
    if let Some(postgres) = &status.postgres {
        lines.push(format!("target orders: {postgres}"));
    }
    let cuts: Vec<_> = status.cut.iter().map(|(from, to)| format!("{from} → {to}")).collect();
    lines.push(if cuts.is_empty() {
        "links: all whole".to_owned()
    } else {
        format!("cut: {}", cuts.join(", "))
    });
    lines.push(format!("directory: {}", status.directory));
    lines.join("\n")
}
