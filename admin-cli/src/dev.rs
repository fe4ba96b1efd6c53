//! `dev`: a throw-away cluster of real node processes on loopback, with an identity issuer and links between the nodes
//! that can be cut without privileges. Nothing of it is reachable from outside loopback, and nothing of it is meant to
//! hold anything worth keeping.

mod certificates;
mod control;
mod directory;
mod env;
mod issuer;
mod kubeconfig;
mod links;
mod node_file;
mod partition;
mod ports;
mod postgres_url;
mod probe;
mod process;
mod resources;
mod ssh_host;
mod state;
mod status;
mod token;
mod up;

use crate::{
    cli::{DevCommand, DevOptions},
    failure::{Failure, Status},
    output::Terminal,
};
use directory::Directory;
use serde::Serialize;
use serde_json::json;
use state::State;

/// Runs a command of `dev`.
pub(crate) async fn run(options: DevOptions, terminal: &mut Terminal) -> Result<(), Failure> {
    let directory = Directory::chosen(options.dir)?;
    match options.command {
        DevCommand::Up(wanted) => up::run(&directory, &wanted, terminal).await,
        DevCommand::Status => status::run(&directory, terminal).await,
        DevCommand::Env => env::run(&directory, terminal).await,
        DevCommand::Token { who, name, groups, owner, lifetime, algorithm } => {
            let person = token::person(who, &name, groups, owner);
            let wanted = issuer::Wanted { person, lifetime, algorithm };
            let token = issuer::mint(&directory, &wanted).await?;
            terminal.answer(&json!({ "token": token }), |_, _| token.clone())
        }
        DevCommand::RotateKey { algorithm } => {
            let id = issuer::rotate(&directory, algorithm).await?;
            terminal.answer(&json!({ "key": id }), |_, _| format!("key {id} signs from now on"))
        }
        DevCommand::Kill { node } => {
            end_node(&directory, node, process::Ending::Kill, terminal).await
        }
        DevCommand::Stop { node } => {
            end_node(&directory, node, process::Ending::Stop, terminal).await
        }
        DevCommand::Start { node } => start_node(&directory, node, terminal).await,
        DevCommand::Partition { node, one_way } => {
            let cut = partition::cut(&directory, node, one_way).await?;
            terminal.answer(&json!({ "cut": cut }), |_, _| format!("node {node} is cut off"))
        }
        DevCommand::Heal => {
            let cut = partition::heal(&directory).await?;
            terminal.answer(&json!({ "cut": cut }), |_, _| "all links are whole".to_owned())
        }
        DevCommand::Down => down(&directory, terminal).await,
        DevCommand::Links => Ok(links::host(&directory).await?),
    }
}

/// A node that was ended or started.
#[derive(Debug, Serialize)]
struct Changed {
    node: u64,
    pid: i32,
    running: bool,
}

async fn end_node(
    directory: &Directory,
    id: u64,
    ending: process::Ending,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let mut state = State::load(directory)?;
    let node = state.node_mut(id)?;
    let Some(running) = node.process.filter(process::Running::is_alive) else {
        return Err(Failure::new(Status::Conflict, format!("node {id} is not running")));
    };
    running.end(ending).await?;
    node.process = None;
    state.save(directory)?;
    let ended = Changed { node: id, pid: running.pid, running: false };
    terminal.answer(&ended, |ended, _| format!("node {id} (pid {}) has ended", ended.pid))
}

async fn start_node(
    directory: &Directory,
    id: u64,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let mut state = State::load(directory)?;
    let program = state.node_program();
    let node = state.node_mut(id)?;
    if node.process.is_some_and(|running| running.is_alive()) {
        return Err(Failure::new(Status::Conflict, format!("node {id} is running already")));
    }
    let running = process::spawn_node(directory, id, &program)?;
    node.process = Some(running);
    let url = node.api_url();
    state.save(directory)?;
    probe::wait_live(directory, &url, running).await?;
    let up = Changed { node: id, pid: running.pid, running: true };
    terminal.answer(&up, |up, _| format!("node {id} (pid {}) is up", up.pid))
}

async fn down(directory: &Directory, terminal: &mut Terminal) -> Result<(), Failure> {
    let mut state = State::load(directory)?;
    state.end_all().await?;
    directory.remove()?;
    let removed = json!({ "removed": directory.path() });
    terminal.answer(&removed, |_, _| "the development cluster is gone".to_owned())
}
