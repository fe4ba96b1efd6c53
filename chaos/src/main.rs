//! `countersign-chaos`: runs, and judges what was written down.

use anyhow::Result;
use clap::{Parser, Subcommand};
use countersign_chaos::{
    history::History,
    invariant, model,
    report::{report, report_of_models},
    run::{Plan, run},
};
use rand::RngExt;
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

/// Breaks a Countersign cluster in every way it knows, and checks that the invariants hold.
#[derive(Debug, Parser)]
#[command(name = "countersign-chaos", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Real node processes on loopback, with real clients, under faults.
    Run {
        /// How long faults and traffic last; some seconds longer where every fault would not have its turn.
        #[arg(long, default_value_t = 2)]
        minutes: u64,
        /// How many nodes.
        #[arg(long, default_value_t = 3)]
        nodes: usize,
        /// How many agents.
        #[arg(long, default_value_t = 12)]
        agents: usize,
        /// What every choice is derived from; drawn when it is not given.
        #[arg(long)]
        seed: Option<u64>,
        /// Where the history goes; a temporary folder when it is not given, which is kept when the run was not fine.
        #[arg(long)]
        dir: Option<PathBuf>,
        /// What is run: all faults against PostgreSQL.
        #[arg(long, default_value = "postgres", value_parser = ["postgres"])]
        profile: String,
        /// An executable to be run instead of `countersign`.
        #[arg(long)]
        node_binary: Option<PathBuf>,
    },
    /// Every order of events in the models of hold, lease, incarnation and notes.
    Model,
    /// Judges a recorded history again.
    Check {
        /// The folder of the history.
        dir: PathBuf,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn".into()),
        )
        .with_writer(std::io::stderr)
        .init();
    // Only fails when a provider is installed already, which is as good.
    rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
    match carry_out(Arguments::parse().command).await {
        Ok(code) => code,
        Err(error) => {
            complain(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn carry_out(command: Command) -> Result<ExitCode> {
    match command {
        Command::Check { dir } => {
            judge(&dir, &format!("countersign-chaos check {}", dir.display()))
        }
        Command::Model => Ok(check_models()),
        Command::Run { minutes, nodes, agents, seed, dir, profile: _, node_binary } => {
            let seed = seed.unwrap_or_else(|| rand::rng().random());
            let folder = Folder::of(dir)?;
            let lasts = Duration::from_secs(minutes * 60);
            let plan =
                Plan { dir: folder.path().to_owned(), nodes, agents, lasts, seed, node_binary };
            let again = format!(
                "countersign-chaos run --minutes {minutes} --nodes {nodes} --agents {agents} --seed {seed}"
            );
            let judged = match run(&plan).await {
                Ok(history) => judge(&history, &again),
                Err(error) => Err(error),
            };
            if !judged.as_ref().is_ok_and(|code| *code == ExitCode::SUCCESS) {
                complain(&format!("what the run left is kept in {}", folder.keep().display()));
            }
            judged
        }
    }
}

/// Where a run keeps what it has.
enum Folder {
    Given(PathBuf),
    /// Removed with everything in it, unless it is kept.
    Temporary(tempfile::TempDir),
}

impl Folder {
    fn of(given: Option<PathBuf>) -> Result<Self> {
        match given {
            Some(dir) => Ok(Self::Given(std::path::absolute(dir)?)),
            None => Ok(Self::Temporary(
                tempfile::Builder::new().prefix("countersign-chaos-").tempdir()?,
            )),
        }
    }

    fn path(&self) -> &Path {
        match self {
            Self::Given(dir) => dir,
            Self::Temporary(dir) => dir.path(),
        }
    }

    fn keep(self) -> PathBuf {
        match self {
            Self::Given(dir) => dir,
            Self::Temporary(dir) => dir.keep(),
        }
    }
}

#[expect(clippy::print_stdout, reason = "the report is this program's output")]
fn judge(history: &Path, again: &str) -> Result<ExitCode> {
    let history = History::read(history)?;
    let violations = invariant::check(&history);
    print!("{}", report(&history, &violations, again));
    Ok(if violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[expect(clippy::print_stdout, reason = "the report is this program's output")]
fn check_models() -> ExitCode {
    let violations = model::check(|checked| println!("{checked}"));
    print!("{}", report_of_models(&violations));
    if violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[expect(clippy::print_stderr, reason = "errors of this program")]
fn complain(message: &str) {
    eprintln!("{message}");
}
