//! The typed half of beginning anew: what a snapshot is of, and filling an empty directory from one. The log's side is
//! `offline`; what ends with it is the command [`Recover`](crate::command::Recover).

use crate::{
    apply::StateMachine,
    format::{FormatError, Stored},
    key_space::{self, Single},
    offline::{self, OfflineError, Owner},
    raft_types::StorageId,
    records::{ClusterRecord, EpochRecord},
};
use countersign_core::{id::NodeId, log_time::LogTime, record::ChainHead};
use std::{fs::File, path::Path, sync::Arc};

/// What a snapshot is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// The cluster.
    pub cluster: ClusterRecord,
    /// The epoch.
    pub epoch: EpochRecord,
    /// The greatest number ever given to a node.
    pub last_node: NodeId,
    /// The end of the audit chain.
    pub head: ChainHead,
    /// Log time.
    pub log_time: LogTime,
    /// The last entry of the log in it.
    pub index: u64,
}

/// Why a snapshot is not taken.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    /// The file is not whole, or the directory is refused.
    #[error("the snapshot or the data directory is refused")]
    Offline(#[from] OfflineError),
    /// A value in it cannot be read.
    #[error("the snapshot cannot be read")]
    Format(#[from] FormatError),
    /// It is of a node that belonged to no cluster.
    #[error("the snapshot is of no cluster")]
    NoCluster,
}

/// Reads a snapshot to its last byte, and says what it is of.
///
/// # Errors
/// [`RecoveryError`].
pub fn contents(snapshot: File) -> Result<Contents, RecoveryError> {
    let wanted =
        [Single::Cluster, Single::Epoch, Single::LastNode, Single::ChainHead, Single::LogTime]
            .map(key_space::single);
    let mut found: [Option<Vec<u8>>; 5] = Default::default();
    let index = offline::pairs(snapshot, |(key, value)| {
        let places = wanted.iter().zip(&mut found);
        if let Some((_, place)) = places.into_iter().find(|(wanted, _)| **wanted == key) {
            *place = Some(value);
        }
    })
    .map_err(OfflineError::from)?;
    let [cluster, epoch, last_node, head, log_time] = found;
    let number = |bytes: Option<Vec<u8>>| {
        bytes.and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes)
    };
    Ok(Contents {
        cluster: ClusterRecord::decode(&cluster.ok_or(RecoveryError::NoCluster)?)?,
        epoch: epoch.map(|bytes| EpochRecord::decode(&bytes)).transpose()?.unwrap_or_default(),
        last_node: NodeId(number(last_node)),
        head: head.map(|bytes| ChainHead::decode(&bytes)).transpose()?.unwrap_or_default(),
        log_time: LogTime(number(log_time)),
        index,
    })
}

/// Fills a new directory of node `of` from a snapshot file, named `storage` and reached at `address`, and makes the node the
/// only voter.
///
/// # Errors
/// [`OfflineError`]; what is there then is to be removed.
pub fn restore(
    folder: &Path,
    of: Owner<'_>,
    (address, storage): (String, [u8; 16]),
    snapshot: &Path,
) -> Result<(), OfflineError> {
    let named = (address, StorageId(storage));
    offline::install(folder, of, named, (snapshot, Arc::new(StateMachine)))
}
