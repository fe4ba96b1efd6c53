//! A node's data directory as a whole: made in an order that a crash cannot bend, and refused when what it holds is less
//! than what this node once promised. What the parts contain is said by their own files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rocksdb::IteratorMode;

use crate::disk::{Disk, DiskError, Family};
use crate::durable_file;
use crate::encoding::{Encoded, EncodingError};
use crate::high_water::{Acknowledged, HighWater, HighWaterError};
use crate::identity_file::{Identity, IdentityError};
use crate::log_store;
use crate::raft_types::{Entry, NodeId, StorageId, Vote};

/// The opened parts of a data directory.
pub(crate) struct Storage {
    pub(crate) identity: Identity,
    pub(crate) disk: Arc<Disk>,
    pub(crate) high_water: HighWater,
    pub(crate) snapshots: PathBuf,
}

/// Why a node does not start on its data directory.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The directory itself cannot be used.
    #[error("the data directory cannot be used")]
    Folder(#[from] io::Error),
    /// It is not this node's.
    #[error("the data directory is not this node's")]
    Identity(#[from] IdentityError),
    /// The database does not open; a damaged record ends here too.
    #[error("the database does not open")]
    Disk(#[from] DiskError),
    /// The high-water file cannot be used.
    #[error("the high-water file does not open")]
    HighWater(#[from] HighWaterError),
    /// A record of the log cannot be read.
    #[error("a stored record is damaged: {0}")]
    Damaged(String),
    /// The log is shorter than what was acknowledged, or holds something else there.
    #[error("the log ends at {found}, but entries up to {acknowledged} were acknowledged")]
    LogLost {
        /// The last entry that is there.
        found: String,
        /// The last entry that peers count on.
        acknowledged: String,
    },
    /// An entry in the middle of the log is gone.
    #[error("the log has no entry {0}")]
    LogGap(u64),
    /// The vote is older than the one that was given.
    #[error("the stored vote is {found}, but {acknowledged} was given")]
    VoteLost {
        /// The vote that is there.
        found: String,
        /// The vote that was given.
        acknowledged: String,
    },
}

impl From<EncodingError> for StorageError {
    fn from(error: EncodingError) -> Self {
        Self::Damaged(error.to_string())
    }
}

impl Storage {
    /// Opens the directory of node `node`, or makes it under a fresh name when it is empty.
    #[cfg(test)]
    pub(crate) fn open(folder: &Path, cluster: &str, node: NodeId) -> Result<Self, StorageError> {
        Self::open_as(folder, cluster, (node, StorageId::draw()))
    }

    /// Opens the directory of node `node`, or makes it, under the name `storage`, when it is empty. A directory that is
    /// there keeps its name.
    pub(crate) fn open_as(
        folder: &Path,
        cluster: &str,
        (node, storage): (NodeId, StorageId),
    ) -> Result<Self, StorageError> {
        fs::create_dir_all(folder)?;
        durable_file::remove_partial(folder)?;
        let (database, high_water) = (folder.join("db"), folder.join("high-water"));
        let snapshots = folder.join("snapshots");
        if let Some(identity) = Identity::find(folder, cluster, node)? {
            let high_water = HighWater::open(&high_water)?;
            let disk = Disk::open(&database)?;
            check_vote(&disk, high_water.now())?;
            check_log(&disk, high_water.now())?;
            durable_file::remove_partial(&snapshots)?;
            return Ok(Self { identity, disk: Arc::new(disk), high_water, snapshots });
        }
        let disk = Disk::create(&database)?;
        let high_water = HighWater::create(&high_water)?;
        fs::create_dir(&snapshots)?;
        durable_file::sync_folder(folder)?;
        let identity = Identity::create(folder, cluster, (node, storage))?;
        Ok(Self { identity, disk: Arc::new(disk), high_water, snapshots })
    }
}

fn check_vote(disk: &Disk, acknowledged: Acknowledged) -> Result<(), StorageError> {
    let stored = log_store::stored_vote(disk)?;
    let kept = acknowledged.vote.is_none_or(|given| stored.is_some_and(|stored| stored >= given));
    if kept {
        return Ok(());
    }
    let text = |vote: Option<Vote>| vote.map_or("none".to_owned(), |vote| vote.to_string());
    Err(StorageError::VoteLost { found: text(stored), acknowledged: text(acknowledged.vote) })
}

/// Holds the log against what was acknowledged: it has no gap, reaches far enough, and has that entry there.
fn check_log(disk: &Disk, acknowledged: Acknowledged) -> Result<(), StorageError> {
    let purged = log_store::purged(disk)?.map(|id| id.index);
    let covered = purged.unwrap_or(0);
    // The very first entry of a cluster has index 0 and nothing before it.
    let first = purged.map_or(0, |index| index + 1);
    let mut last = None;
    let mut reached = None;
    for item in disk.db().iterator_cf(disk.family(Family::Log)?, IteratorMode::Start) {
        let (key, value) = item.map_err(DiskError::during("reading the log"))?;
        let index = log_store::index_of(&key)?;
        let expected = last.map_or(first, |last: u64| last + 1);
        if index != expected {
            return Err(StorageError::LogGap(expected));
        }
        if acknowledged.last.is_some_and(|id| id.index == index) {
            reached = Some(Entry::decode(&value)?.log_id);
        }
        last = Some(index);
    }
    match acknowledged.last {
        Some(promised) if promised.index > covered && reached != Some(promised) => {
            Err(StorageError::LogLost {
                found: last.map_or_else(|| covered.to_string(), |index| index.to_string()),
                acknowledged: promised.to_string(),
            })
        }
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
