//! The grammar of what is about agents' credentials.

use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

/// `credential`.
#[derive(Debug, Subcommand)]
pub(crate) enum CredentialCommand {
    /// A client certificate for PostgreSQL, with a new key: for an hour, and no longer than the token
    Postgres {
        /// Directory for client.crt and client.key, made when it is missing
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// An SSH certificate, with a new key: for an hour, and no longer than the token. Both go into the SSH agent, where
    /// there is one
    Ssh {
        /// Directory for the key and its certificate, made when it is missing
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// A login that it counts for, as LOGIN@TARGET or *@TARGET; repeat it to name several. Without it: all
        #[arg(long = "principal", value_name = "LOGIN@TARGET")]
        principals: Vec<String>,
        /// Addresses and networks that it counts from, with commas between
        #[arg(long, value_name = "LIST")]
        source_address: Option<String>,
    },
    /// A token for the API of one Kubernetes target, as the exec credential plug-in of kubectl and its kin: they run this
    /// themselves where `countersignctl kubeconfig` says so
    Kubernetes {
        /// The target; without it, the one in the server's URL, which clients give in `KUBERNETES_EXEC_INFO`
        target: Option<String>,
    },
    /// The credentials that agents have, for administrators and auditors
    List,
}

/// `kubeconfig`.
#[derive(Debug, Args)]
pub(crate) struct KubeconfigOptions {
    /// The target
    pub(crate) target: String,
    /// Where the nodes, or the balancer before them, listen for clients of Kubernetes. Without it: the host of the API, and
    /// the port that nodes listen at by default
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) gateway: Option<String>,
    /// The version of the plug-in's protocol: `v1beta1` for clients before 1.22
    #[arg(long, value_enum, value_name = "VERSION", default_value_t = ExecVersion::V1)]
    pub(crate) exec_api: ExecVersion,
}

/// The versions of client.authentication.k8s.io that are spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExecVersion {
    /// Since 1.22
    V1,
    /// Since 1.11
    V1beta1,
}
