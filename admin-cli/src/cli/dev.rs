//! The grammar of `dev`.

use clap::{Args, Subcommand, ValueEnum};
use std::{path::PathBuf, time::Duration};

fn span(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|error| format!("{error}; write it like 30m or 1h"))
}

/// `dev`.
#[derive(Debug, Args)]
pub(crate) struct DevOptions {
    /// Directory of the development cluster [default: countersign/dev in the user's state directory]
    #[arg(long, value_name = "DIR", env = "COUNTERSIGN_DEV_DIR")]
    pub(crate) dir: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: DevCommand,
}

/// The commands of `dev`.
#[derive(Debug, Subcommand)]
pub(crate) enum DevCommand {
    /// Start a cluster of real node processes on loopback, with a development identity issuer
    Up(UpOptions),
    /// Show the processes and the links between nodes
    Status,
    /// Print the environment of the cluster as shell assignments, with fresh tokens
    Env,
    /// Print a token of the development issuer
    Token {
        /// Whose token: an agent's, for targets, or a reviewer's, for the API
        #[arg(value_enum)]
        who: Person,
        /// Name, which is the subject too
        name: String,
        /// Groups, instead of those of the sample
        #[arg(long, value_delimiter = ',')]
        groups: Option<Vec<String>>,
        /// The human an agent acts for
        #[arg(long)]
        owner: Option<String>,
        /// How long it is valid
        #[arg(long, value_name = "DURATION", value_parser = span, default_value = "1h")]
        lifetime: Duration,
        /// Sign with the newest key of this algorithm
        #[arg(long, value_enum)]
        algorithm: Option<Algorithm>,
    },
    /// Add a signing key to the issuer; it signs from now on
    RotateKey {
        /// What it signs with
        #[arg(long, value_enum, default_value_t = Algorithm::Es256)]
        algorithm: Algorithm,
    },
    /// Kill a node (SIGKILL)
    Kill {
        /// The node
        node: u64,
    },
    /// Stop a node (SIGTERM): it drains
    Stop {
        /// The node
        node: u64,
    },
    /// Start a node that was killed or stopped
    Start {
        /// The node
        node: u64,
    },
    /// Cut a node off from the other nodes; agents and reviewers still reach it
    Partition {
        /// The node
        node: u64,
        /// Cut one direction only: `in` is what the others send to it, `out` what it sends to them
        #[arg(long, value_enum, value_name = "DIRECTION")]
        one_way: Option<Cut>,
    },
    /// Undo all partitions
    Heal,
    /// Stop everything and remove the directory
    Down,
    /// Host the links between nodes
    #[command(hide = true)]
    Links,
}

/// `dev up`.
#[derive(Debug, Args)]
pub(crate) struct UpOptions {
    /// How many nodes
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=7))]
    pub(crate) nodes: u64,
    /// libpq URL of a PostgreSQL to become the target `orders`: postgres://USER:PASSWORD@HOST:PORT/DATABASE; with a
    /// password it is better given by the environment or a file than on the command line
    #[arg(long, value_name = "URL", env = "COUNTERSIGN_DEV_POSTGRES", hide_env_values = true)]
    pub(crate) postgres: Option<String>,
    /// File of that URL, `-` for stdin
    #[arg(long, value_name = "FILE")]
    pub(crate) postgres_file: Option<PathBuf>,
    /// An SSH server to become the target `web1`
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) ssh: Option<String>,
    /// The login there, the role `deploy` of the target [default: $USER]
    #[arg(long, value_name = "NAME", requires = "ssh")]
    pub(crate) ssh_user: Option<String>,
    /// File of the private key for that login, which nodes read
    #[arg(long, value_name = "FILE", requires = "ssh")]
    pub(crate) ssh_key: Option<PathBuf>,
    /// File of the server's own public keys, as in `ssh_host_ed25519_key.pub`
    #[arg(long, value_name = "FILE", requires = "ssh")]
    pub(crate) ssh_host_key: Option<PathBuf>,
    /// A kubeconfig whose current context becomes the target `kube1`; nodes get copies of its token or certificate
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// A program to run as node instead of the `countersign` beside this one, by its absolute path
    #[arg(long, value_name = "FILE")]
    pub(crate) node_binary: Option<PathBuf>,
}

/// Whose token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Person {
    /// Automation
    Agent,
    /// A human
    Reviewer,
}

/// What a key signs with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Algorithm {
    /// ECDSA on P-256
    Es256,
    /// RSA
    Rs256,
}

/// Which direction of a node's links is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Cut {
    /// What the others send to it
    In,
    /// What it sends to the others
    Out,
}
