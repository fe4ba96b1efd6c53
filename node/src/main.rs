//! The binary `countersign`: a node of the cluster. What it does is in the library; here are its commands, its exit
//! statuses and the words for what went wrong.
//!
//! Exit status: 0 done, 1 failed, 2 wrong usage or a configuration with problems.

use anyhow::Context;
use clap::{Parser, Subcommand};
use countersign_core::secret::Secret;
use countersign_node::{
    cluster::recovery::{self, RecoverError},
    config::{self, Config, ConfigError, SETTINGS},
    open_files, serve, telemetry, tls,
};
use std::{
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

/// A node of a Countersign cluster.
#[derive(Debug, Parser)]
#[command(name = "countersign", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a node until SIGTERM or SIGINT.
    Serve(ConfigArgument),
    /// Make a cluster of this node alone, when the others are lost for good. The node must not run.
    Recover {
        #[command(flatten)]
        config: ConfigArgument,
        /// The cluster's name. Without it nothing is done, and what was found is told
        #[arg(long, value_name = "CLUSTER")]
        confirm: Option<String>,
    },
    /// Make a cluster of one node of a snapshot, on an empty data directory.
    Restore {
        #[command(flatten)]
        config: ConfigArgument,
        /// What `countersignctl cluster snapshot save` has written
        #[arg(long, value_name = "FILE")]
        snapshot: PathBuf,
        /// The file with its passphrase
        #[arg(long, value_name = "FILE")]
        passphrase_file: PathBuf,
        /// The cluster's name. Without it nothing is done, and what was found is told
        #[arg(long, value_name = "CLUSTER")]
        confirm: Option<String>,
    },
    /// Look for problems of the configuration and print them.
    Check(ConfigArgument),
    /// Print every setting with its default, its environment variable and its meaning.
    Settings,
    /// Print the version.
    Version,
}

#[derive(Debug, clap::Args)]
struct ConfigArgument {
    /// The configuration file, TOML. Without it only the environment counts.
    #[arg(long, value_name = "FILE", env = "COUNTERSIGN_CONFIG")]
    config: Option<PathBuf>,
}

const DONE: u8 = 0;
const FAILED: u8 = 1;
/// Exit status of a configuration that cannot be used, the same as clap's for wrong arguments.
const USAGE: u8 = 2;
/// How long a thread that still works on the database may take to let go of it, after everything else has ended.
const DATABASE_CLOSES_WITHIN: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    // The grammar's process is this executable too; it must not start anything else.
    if std::env::args_os()
        .nth(1)
        .is_some_and(|first| first == countersign_postgres::WORKER_ARGUMENT)
    {
        return countersign_postgres::run_grammar_worker();
    }
    let status = run(Cli::parse().command).unwrap_or_else(|error| {
        complain(&format!("countersign: {error:#}"));
        FAILED
    });
    if !countersign_raft_store::databases_closed(DATABASE_CLOSES_WITHIN) {
        complain("countersign: the database did not close in time; the next start recovers it");
        countersign_raft_store::end_at_once(status.into());
    }
    ExitCode::from(status)
}

fn run(command: Command) -> anyhow::Result<u8> {
    match command {
        Command::Serve(argument) => match read(argument.config.as_deref()) {
            Ok(config) => serve(config),
            Err(status) => Ok(status),
        },
        Command::Recover { config, confirm } => match read(config.config.as_deref()) {
            Ok(config) => {
                began(alone(async { recovery::recover(&config, confirm.as_deref()).await })?)
            }
            Err(status) => Ok(status),
        },
        Command::Restore { config, snapshot, passphrase_file, confirm } => {
            match read(config.config.as_deref()) {
                Ok(config) => {
                    let passphrase = passphrase(&passphrase_file)?;
                    let from = (snapshot, passphrase);
                    began(alone(async {
                        recovery::restore(&config, from, confirm.as_deref()).await
                    })?)
                }
                Err(status) => Ok(status),
            }
        }
        Command::Check(argument) => match read(argument.config.as_deref()) {
            Ok(config) => {
                for warning in config::warnings(&config) {
                    say(&format!("warning: {warning}"))?;
                }
                say("the configuration has no problems")?;
                Ok(DONE)
            }
            Err(status) => Ok(status),
        },
        Command::Settings => {
            for setting in SETTINGS {
                let default = if setting.default.is_empty() { "none" } else { setting.default };
                say(&format!(
                    "{}\n  {}\n  default {default}, variable {}",
                    setting.path,
                    setting.meaning,
                    setting.variable()
                ))?;
            }
            Ok(DONE)
        }
        Command::Version => {
            say(concat!("countersign ", env!("CARGO_PKG_VERSION")))?;
            Ok(DONE)
        }
    }
}

/// Runs what is done while no node runs.
fn alone<T>(work: impl Future<Output = T>) -> anyhow::Result<T> {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(UMASK));
    tls::install_provider();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    Ok(runtime.context("start the runtime")?.block_on(work))
}

/// Says how a cluster begins anew.
fn began(done: Result<String, RecoverError>) -> anyhow::Result<u8> {
    match done {
        Ok(source) => {
            say(&format!(
                "this node alone goes on from {source}\n\nStart it: it begins a new epoch, in which nothing of before is open or approved. Then look at policies, targets and \
                revocations, for what was changed behind that is lost; `countersignctl cluster reopen` takes agents again. New nodes join with new tokens and empty disks."
            ))?;
            Ok(DONE)
        }
        Err(error @ RecoverError::NotConfirmed { .. }) => {
            complain(&format!("countersign: {error}"));
            Ok(USAGE)
        }
        Err(error) => Err(error.into()),
    }
}

/// The passphrase in a file, without the end of its line.
fn passphrase(path: &Path) -> anyhow::Result<Secret> {
    let bytes = Secret::new(
        std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?,
    );
    Ok(Secret::new(bytes.expose().trim_ascii_end()))
}

/// The configuration, or the exit status after its problems were told.
fn read(path: Option<&Path>) -> Result<Config, u8> {
    let problems = match config::load(path) {
        Ok(config) => match config::check(&config) {
            none if none.is_empty() => return Ok(config),
            problems => problems,
        },
        Err(ConfigError::Problems(problems)) => problems,
        Err(error @ ConfigError::Unreadable { .. }) => {
            let why =
                std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            complain(&format!(
                "countersign: {error}: {why}\n\nhint: give an existing file with --config"
            ));
            return Err(USAGE);
        }
    };
    for problem in problems {
        complain(&format!("countersign: {problem}"));
    }
    Err(USAGE)
}

/// What of the mode of every new file and folder is taken away: they hold statements, results and keys.
const UMASK: u32 = 0o077;

fn serve(config: Config) -> anyhow::Result<u8> {
    // Before there is any other thread, and whatever the shell or the service manager says.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(UMASK));
    telemetry::install(&config.telemetry).context("set up the log")?;
    open_files::raise(config.limits.sessions);
    for warning in config::warnings(&config) {
        tracing::warn!(setting = warning.place, "{}", warning.message);
    }
    tls::install_provider();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("start the runtime")?;
    let served = runtime.block_on(serve::run(config));
    // Whatever a blocking thread still does must not keep a node alive that has stopped.
    runtime.shutdown_timeout(serve::RUNTIME_ENDS_WITHIN);
    served?;
    Ok(DONE)
}

fn say(line: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{line}").context("write to standard output")
}

/// Standard error may be closed; then there is nobody to tell.
fn complain(line: &str) {
    drop(writeln!(std::io::stderr(), "{line}"));
}
