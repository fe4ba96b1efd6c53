//! The grammar of the command line. Nothing here does anything; each group's file runs its commands.

mod cluster;
mod credentials;
mod dev;
mod groups;

pub(crate) use cluster::{ClusterCommand, SnapshotCommand, SshRole, TokenCommand};
pub(crate) use credentials::{CredentialCommand, ExecVersion, KubeconfigOptions};
pub(crate) use dev::{Algorithm, Cut, DevCommand, DevOptions, Person, UpOptions};
pub(crate) use groups::{
    ApplyOptions, AuditCommand, CastFormat, ChoiceName, ContextCommand, Decide, DeleteOptions,
    DiffOptions, DoctorOptions, EventFilter, Explain, ExportFormat, ExportOptions, GetOptions,
    GrantsCommand, HoldsCommand, Named, PolicyCommand, RevokeCommand, SessionsCommand, StateName,
};

use clap::{
    ArgMatches, Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum,
    error::ErrorKind, parser::ValueSource,
};
use std::{ffi::OsString, path::PathBuf};

/// What is said below `--help`.
const AFTER_HELP: &str = "\
Exit status:
  0  done
  1  failed, or what was given is not valid
  2  the command line or a file cannot be read
  3  what was named does not exist
  4  not logged in, or the login has ended
  5  refused by policy, permission or reviewer
  6  held or pending
  7  expired, withdrawn or void: it will not go on
  8  no quorum, or no node can be reached
  9  conflict: somebody else was first

What the command line says comes before the environment, and both before the context. A --context
on the command line comes before servers and tokens of the environment. The token of a context goes
to the servers of that context only.";

/// The command line of Countersign: holds and the decisions about them, resources, the audit, the cluster.
#[derive(Debug, Parser)]
#[command(name = "countersignctl", version, after_help = AFTER_HELP, max_term_width = 110)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Context to use instead of the current one
    #[arg(long, global = true, value_name = "NAME", env = "COUNTERSIGN_CONTEXT")]
    pub(crate) context: Option<String>,
    /// API URL of a node; repeat it to name several, of which the first that answers is used
    #[arg(
        long = "server",
        global = true,
        value_name = "URL",
        env = "COUNTERSIGN_SERVER",
        value_delimiter = ','
    )]
    pub(crate) servers: Vec<String>,
    /// PEM file of the authority that signed the nodes' certificates
    #[arg(long, global = true, value_name = "FILE", env = "COUNTERSIGN_CA_FILE")]
    pub(crate) ca_file: Option<PathBuf>,
    /// Token to log in with; better given by the environment or a file than on the command line
    #[arg(
        long,
        global = true,
        value_name = "TOKEN",
        env = "COUNTERSIGN_TOKEN",
        hide_env_values = true
    )]
    pub(crate) token: Option<String>,
    /// File of the token to log in with, read at every use
    #[arg(long, global = true, value_name = "FILE", env = "COUNTERSIGN_TOKEN_FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Form of the answer
    #[arg(short, long, global = true, value_enum, value_name = "FORM", default_value_t = Format::Table)]
    pub(crate) output: Format,
    /// No colours; so does `NO_COLOR` in the environment
    #[arg(long, global = true)]
    pub(crate) no_color: bool,
}

/// Reads a command line and the environment.
pub(crate) fn read(arguments: &[OsString]) -> Result<Cli, clap::Error> {
    let matches = Cli::command().try_get_matches_from(arguments)?;
    let mut cli = Cli::from_arg_matches(&matches)?;
    cli.global.settle(&matches)?;
    Ok(cli)
}

impl Global {
    /// Lets what the command line says win over what the environment says about the same in another way.
    fn settle(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        let said = |name: &str| matches.value_source(name) == Some(ValueSource::CommandLine);
        if said("token") && said("token_file") {
            let message = "--token and --token-file cannot be given together";
            return Err(Cli::command().error(ErrorKind::ArgumentConflict, message));
        }
        if said("context") {
            self.drop_unless(said);
        }
        if said("token_file") {
            self.token = None;
        } else if said("token") {
            self.token_file = None;
        }
        Ok(())
    }

    /// A named context stands against a whole environment that was made for another one.
    fn drop_unless(&mut self, said: impl Fn(&str) -> bool) {
        if !said("servers") {
            self.servers.clear();
        }
        if !said("ca_file") {
            self.ca_file = None;
        }
        if !said("token") {
            self.token = None;
        }
        if !said("token_file") {
            self.token_file = None;
        }
    }
}

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A table for people
    Table,
    /// A table with more columns
    Wide,
    /// JSON
    Json,
    /// YAML
    Yaml,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Where and as whom commands run: named servers and tokens
    #[command(subcommand)]
    Context(ContextCommand),
    /// Keep the token of --token-file (`-` for stdin) for the context
    Login,
    /// Show whom the cluster takes you for
    Whoami,
    /// The cluster and its nodes
    #[command(subcommand)]
    Cluster(ClusterCommand),
    /// Prove from this machine what can be proved of a cluster: certificates, clocks, disks, that its nodes agree, and (on an
    /// agents' machine) that no target answers it
    Doctor(DoctorOptions),
    /// Apply resources from YAML or JSON documents, all or none
    Apply(ApplyOptions),
    /// Show what `apply` would change
    Diff(DiffOptions),
    /// List the resources of a kind, or show one
    Get(GetOptions),
    /// Show a resource with its history
    Describe(Named),
    /// Delete a resource
    Delete(DeleteOptions),
    /// Write all resources as documents that `apply` takes
    Export(ExportOptions),
    /// Operations that wait for a human's decision
    #[command(subcommand)]
    Holds(HoldsCommand),
    /// What was approved for a time
    #[command(subcommand)]
    Grants(GrantsCommand),
    /// Connections of agents to targets
    #[command(subcommand)]
    Sessions(SessionsCommand),
    /// The audit trail
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Policies, before they are applied
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Print a short token of the cluster's own in exchange for an agent's: a password for psql and ssh
    Token,
    /// Credentials of agents: issued in exchange for an agent's token (--token, --token-file), and listed
    #[command(subcommand)]
    Credential(CredentialCommand),
    /// Print a kubeconfig for a target: its server is the gateway, its token comes from `credential kubernetes`
    Kubeconfig(KubeconfigOptions),
    /// Cut off an identity, a session or a credential; returns when that holds on every node
    #[command(subcommand)]
    Revoke(RevokeCommand),
    /// Print the completions of a shell
    Completion {
        /// The shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Write manual pages into a directory
    Man {
        /// Directory, made when it is missing
        dir: PathBuf,
    },
    /// A throw-away cluster on this machine, for development
    Dev(DevOptions),
}
