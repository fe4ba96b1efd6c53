//! Beginning anew on what is left: the disk of one node, or a snapshot on an empty one. Two steps, of which each may be done
//! again: while nothing runs, the directory is made that of the only voter of a cluster with a new peer authority; at the
//! next start, before anything is served, the log takes the entry that ends everything of before. Between the two the node
//! is nobody's peer and serves nobody.
//!
//! Whether the lost nodes are lost for good is not known here: who orders it says so by the cluster's name.

mod from_disk;
mod from_snapshot;

pub use from_disk::recover;
pub use from_snapshot::restore;

use super::{
    ClusterError, ClusterKey, Member, MembershipError, Purpose, certificates,
    directory::{Directory, Keys},
};
use crate::app::App;
use countersign_api::snapshot_file::FileProblem;
use countersign_core::{agent::Identity, id::NodeId};
use countersign_raft_store::{
    command::Recover,
    handle::{LogError, ProposeError},
    offline::OfflineError,
    records::{Author, JoinFacts},
    recovery::RecoveryError,
};
use serde::{Deserialize, Serialize};
use std::{path::PathBuf, time::Duration};
use tokio::time::{Instant, sleep};

/// How long the node may take to lead itself, and to have the entry in its log.
const BEGINS_WITHIN: Duration = Duration::from_mins(2);
/// How often it is looked whether it leads.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// The version of the order's form.
const ORDER_VERSION: u32 = 1;

/// A recovery that is under way, in the data directory until the log has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OrderFile {
    version: u32,
    /// Drawn for this recovery, hexadecimal.
    epoch: String,
    /// The certificate of the new peer authority, PEM.
    ca_pem: String,
    /// Its key, sealed under the cluster key, hexadecimal.
    sealed_ca_key: String,
    /// SHA-256 of the node's new key, hexadecimal.
    key_sha256: String,
    /// The name of the engine's folder, hexadecimal.
    storage: String,
    /// What it goes on from.
    source: String,
    /// Who ordered it.
    by: String,
}

/// Why a cluster does not begin anew.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// The order names no cluster, or another one.
    #[error(
        "nothing was done. {found}\n\nThis makes a cluster of one node, on that. The other nodes must be lost for good: should they still run, there are two clusters. \
        Everything that waits, is approved, granted, open or issued ends; what the others did since is lost, revocations and policies too. \
        Compare with the other disks and snapshots first, and take the one that is furthest.\n\nhint: to do it, add --confirm {cluster}"
    )]
    NotConfirmed {
        /// What would be gone on from.
        found: String,
        /// The cluster's name.
        cluster: String,
    },
    /// The directory belongs to no cluster.
    #[error("the data directory belongs to no cluster: there is nothing to recover")]
    NoMember,
    /// The directory belongs to a cluster already.
    #[error("{} is there already: a snapshot is restored to an empty data directory", path.display())]
    NotEmpty {
        /// What is there.
        path: PathBuf,
    },
    /// The configuration wants another number.
    #[error(
        "node_id is {wanted}, but the restored node gets {next}: a number is never given out again"
    )]
    OtherNumber {
        /// The configured id.
        wanted: u64,
        /// The next one.
        next: u64,
    },
    /// The snapshot and its cluster key do not belong together.
    #[error("the snapshot is not of the cluster that its file names")]
    OtherCluster,
    /// The data directory cannot be used.
    #[error(transparent)]
    Directory(#[from] ClusterError),
    /// The log or the snapshot cannot be gone on from.
    #[error("it cannot be gone on from")]
    Offline(#[from] OfflineError),
    /// The snapshot cannot be read.
    #[error("the snapshot cannot be gone on from")]
    Snapshot(#[from] RecoveryError),
    /// The snapshot's file cannot be opened.
    #[error("the snapshot's file")]
    File(#[from] FileProblem),
    /// A file cannot be read or written.
    #[error("cannot use {}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The machine refused.
    #[error("a file task was cancelled")]
    Cancelled,
}

/// A node that is to be alone.
#[derive(Debug, Clone, Copy)]
struct Lone<'a> {
    cluster_id: &'a [u8; 16],
    cluster_name: &'a str,
    node: NodeId,
    storage: [u8; 16],
    key: &'a ClusterKey,
}

/// Writes the node's new keys, and then the order that the next start carries out.
async fn order(directory: &Directory, lone: Lone<'_>, source: String) -> Result<(), RecoverError> {
    let ca = certificates::authority(lone.cluster_name)?;
    let (key, request) = certificates::request().map_err(RecoverError::Directory)?;
    let name = certificates::node_name(lone.cluster_name, lone.node);
    let certificate_pem = certificates::sign(&ca.certificate_pem, &ca.key_pem, &request, &name)?;
    let sealed = lone.key.seal(Purpose::PeerAuthority, lone.cluster_id, ca.key_pem.as_bytes())?;
    let key_pem = key.serialize_pem();
    let keys = Keys {
        cluster_key: lone.key,
        ca_pem: &ca.certificate_pem,
        certificate_pem: &certificate_pem,
        key_pem: &key_pem,
    };
    directory.write_keys(keys).await?;
    let file = OrderFile {
        version: ORDER_VERSION,
        epoch: hex::encode(rand::random::<[u8; 16]>()),
        ca_pem: ca.certificate_pem,
        sealed_ca_key: hex::encode(sealed),
        key_sha256: hex::encode(certificates::requested_key(&request)?),
        storage: hex::encode(lone.storage),
        source,
        by: format!("user {} of this machine", rustix::process::getuid().as_raw()),
    };
    directory.write_order(file).await?;
    Ok(())
}

/// Carries out the order that lies in the data directory, if there is one. Nothing is served before that is done.
pub(super) async fn carry_out(
    app: &App,
    directory: &Directory,
    member: &Member,
) -> Result<(), ClusterError> {
    let Some(order) = directory.order().await? else { return Ok(()) };
    tracing::warn!(source = order.source, "this node begins a new epoch of the cluster, alone");
    let command = command(app, member.id, order).ok_or_else(|| directory.damaged_order())?;
    let until = Instant::now() + BEGINS_WITHIN;
    loop {
        if member.store.status().leader == Some(member.id) {
            match member.store.recover(command.clone()).await {
                Ok(_) => break,
                Err(ProposeError::Log(LogError::NoQuorum | LogError::Overloaded)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if Instant::now() >= until {
            return Err(MembershipError::NoQuorum.into());
        }
        tokio::select! {
            () = sleep(LOOK_EVERY) => {}
            () = app.shutdown.stopping() => return Err(ClusterError::Stopped),
        }
    }
    directory.forget_order().await?;
    tracing::warn!(
        "the cluster was recovered: everything that was open has ended, and agents are taken once an administrator has looked (`countersignctl cluster reopen`)"
    );
    Ok(())
}

fn command(app: &App, node: NodeId, order: OrderFile) -> Option<Recover> {
    let of = |text: &str| -> Option<Vec<u8>> { hex::decode(text).ok() };
    let facts = JoinFacts {
        key_sha256: of(&order.key_sha256)?.try_into().ok()?,
        address: app.config.advertise(),
        api_url: app.config.api_url(),
        storage: of(&order.storage)?.try_into().ok()?,
    };
    let identity = Identity { issuer: "countersign".to_owned(), subject: "recovery".to_owned() };
    (order.version == ORDER_VERSION).then_some(Recover {
        epoch: of(&order.epoch)?.try_into().ok()?,
        node,
        facts,
        ca_cert_pem: order.ca_pem,
        sealed_ca_key: of(&order.sealed_ca_key)?,
        source: order.source,
        author: Author { identity, name: order.by },
    })
}

/// Runs work that may block.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RecoverError> + Send + 'static,
) -> Result<T, RecoverError> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(RecoverError::Cancelled))
}
