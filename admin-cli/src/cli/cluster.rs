//! The grammar of `cluster`.

use super::groups::span;
use clap::{Subcommand, ValueEnum};
use std::{path::PathBuf, time::Duration};

/// `cluster`.
#[derive(Debug, Subcommand)]
pub(crate) enum ClusterCommand {
    /// Make a cluster of the one node that --server names; its init token is given by --token or --token-file
    Init {
        /// Name of the cluster; the node's setting when it is not given
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
    },
    /// Tokens with which nodes join
    #[command(subcommand)]
    Token(TokenCommand),
    /// Show the nodes and how many of them may fail
    Status,
    /// Make a token with which one node may join, and say how; it votes once it has caught up and stays so
    Add {
        /// How long the token lives
        #[arg(long, value_name = "DURATION", value_parser = span, default_value = "1h")]
        expires: Duration,
    },
    /// Remove a node for good: it stops, its sessions end, its number is never used again
    Remove {
        /// The node
        node: u64,
    },
    /// Remove a node for good, and give its vote to one that has joined, in one step
    Replace {
        /// The node that goes
        node: u64,
        /// The node that takes its place
        #[arg(long, value_name = "NODE")]
        with: u64,
    },
    /// Let a node vote that has caught up, without waiting longer
    Promote {
        /// The node
        node: u64,
    },
    /// Snapshots of the replicated state
    #[command(subcommand)]
    Snapshot(SnapshotCommand),
    /// Make a cluster of one stopped node on this machine, when the others are lost for good
    Recover {
        /// The node's configuration
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// The cluster's name. Without it nothing is done, and what was found is told
        #[arg(long, value_name = "CLUSTER")]
        confirm: Option<String>,
    },
    /// Let a recovered cluster take agents again, once policies, targets and revocations are as they should be
    Reopen,
    /// Hand leadership to another node
    TransferLeader {
        /// The node that is to lead; one that is up to date when it is not given
        #[arg(long, value_name = "NODE")]
        to: Option<u64>,
    },
    /// Take a node out of service: no new agents, open sessions may end
    Drain {
        /// The node
        node: u64,
    },
    /// Put a drained node into service again
    Undrain {
        /// The node
        node: u64,
    },
    /// Show the keys for SSH that agents and targets pin
    SshKeys {
        /// Print them as lines for a file of known hosts for these, such as `[gate.example]:7422`
        #[arg(long, value_name = "HOSTS")]
        known_hosts: Option<String>,
    },
    /// Make a new key for SSH: it is published at once, and used when the overlap is over
    RotateSshKey {
        /// Which key
        #[arg(value_enum)]
        role: SshRole,
        /// How long it is published before it is used
        #[arg(long, value_name = "DURATION", value_parser = span, default_value = "30d")]
        overlap: Duration,
    },
}

/// What a key for SSH is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SshRole {
    /// The host key that agents see
    Host,
    /// Signs certificates of the host key
    HostAuthority,
    /// Signs agents' certificates
    AgentAuthority,
    /// Signs sessions' certificates towards targets
    SessionAuthority,
}

/// `cluster snapshot`.
#[derive(Debug, Subcommand)]
pub(crate) enum SnapshotCommand {
    /// Save the state of a node that runs, sealed under a passphrase
    Save {
        /// The file, which must not be there
        file: PathBuf,
        /// The file with the passphrase, of 16 bytes at least
        #[arg(long, value_name = "FILE")]
        passphrase_file: PathBuf,
    },
    /// Prove that a file is whole, without a cluster
    Verify {
        /// The file
        file: PathBuf,
        /// The file with the passphrase
        #[arg(long, value_name = "FILE")]
        passphrase_file: PathBuf,
    },
    /// Make a cluster of one node of a file, on this machine and an empty data directory
    Restore {
        /// The file
        file: PathBuf,
        /// The file with the passphrase
        #[arg(long, value_name = "FILE")]
        passphrase_file: PathBuf,
        /// The node's configuration
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// The cluster's name. Without it nothing is done, and what was found is told
        #[arg(long, value_name = "CLUSTER")]
        confirm: Option<String>,
    },
}

/// `cluster token`.
#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token with which one node may join, once
    Create {
        /// How long it lives
        #[arg(long, value_name = "DURATION", value_parser = span, default_value = "1h")]
        expires: Duration,
    },
}
