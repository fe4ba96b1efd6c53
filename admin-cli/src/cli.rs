//! The grammar of the command line. Nothing here does anything; each group's file runs its commands.

mod dev;
mod groups;

pub(crate) use dev::{Algorithm, Cut, DevCommand, DevOptions, Person, UpOptions};
pub(crate) use groups::{
    ApplyOptions, AuditCommand, ClusterCommand, ContextCommand, Decide, DeleteOptions, DiffOptions,
    EventFilter, ExportOptions, GetOptions, HoldsCommand, Named, PolicyCommand, RevokeCommand,
    SessionsCommand, StateName, TokenCommand,
};

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// What is said below `--help`.
const AFTER_HELP: &str = "\
Exit status: 0 done, 1 failed, 2 usage, 3 not found, 4 not logged in, 5 refused by policy, permission or reviewer,
6 held or pending, 7 expired or withdrawn, 8 no quorum or unreachable, 9 conflict.";

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
    /// Connections of agents to targets
    #[command(subcommand)]
    Sessions(SessionsCommand),
    /// The audit trail
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Policies, before they are applied
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Cut off an identity or a session; returns when that holds on every node
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
