//! `countersignctl`, the command line of Countersign. It speaks to any node over the HTTP API and decides nothing itself.
//!
//! `cli` is the grammar of the command line; each group of commands has a file of its name. Tables are for people,
//! `-o json` and `-o yaml` for scripts: stdout carries only what was asked for, everything else goes to stderr.

mod audit;
mod cli;
mod cluster;
mod connection;
mod context;
mod credential;
mod dev;
mod doctor;
mod documents;
mod failure;
mod files;
mod grants;
mod holds;
mod identity;
mod kubeconfig;
mod output;
mod policy;
mod resources;
mod revoke;
mod sessions;
mod shell;
mod token;
mod visible;

use cli::{Cli, Command};
use failure::{Failure, Status};
use output::Terminal;
use std::{ffi::OsString, process::ExitCode};

/// Runs one command line and says how it ended.
pub async fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<_> = arguments.into_iter().collect();
    let cli = match cli::read(&arguments) {
        Ok(cli) => cli,
        Err(error) => return shell::explain_usage(&error, &arguments),
    };
    // A second call finds the provider installed, which is as good.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let mut terminal = Terminal::new(&cli.global);
    let failure = dispatch(cli, &mut terminal).await.err();
    terminal.end(failure.as_ref());
    ExitCode::from(failure.map_or(Status::Done, |failure| failure.status).code())
}

async fn dispatch(cli: Cli, terminal: &mut Terminal) -> Result<(), Failure> {
    let global = &cli.global;
    match cli.command {
        Command::Context(command) => context::run(command, global, terminal),
        Command::Login => identity::login(global, terminal),
        Command::Whoami => identity::whoami(global, terminal).await,
        Command::Cluster(command) => cluster::run(command, global, terminal).await,
        Command::Doctor(options) => doctor::run(options, global, terminal).await,
        Command::Apply(command) => resources::apply(command, global, terminal).await,
        Command::Diff(command) => resources::diff(command, global, terminal).await,
        Command::Get(command) => resources::get(command, global, terminal).await,
        Command::Describe(command) => resources::describe(command, global, terminal).await,
        Command::Delete(command) => resources::delete(command, global, terminal).await,
        Command::Export(command) => resources::export(command, global, terminal).await,
        Command::Holds(command) => holds::run(command, global, terminal).await,
        Command::Sessions(command) => sessions::run(command, global, terminal).await,
        Command::Audit(command) => audit::run(command, global, terminal).await,
        Command::Policy(command) => policy::run(command, global, terminal).await,
        Command::Token => token::run(global, terminal).await,
        Command::Credential(command) => credential::run(command, global, terminal).await,
        Command::Kubeconfig(options) => kubeconfig::run(&options, global, terminal),
        Command::Grants(command) => grants::run(command, global, terminal).await,
        Command::Revoke(command) => revoke::run(command, global, terminal).await,
        Command::Completion { shell } => shell::completion(shell, terminal),
        Command::Man { dir } => shell::man(&dir, terminal),
        Command::Dev(command) => dev::run(command, terminal).await,
    }
}
