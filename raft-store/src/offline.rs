//! A node's directory while nothing runs on it: the log of the node that is left of a cluster, or a snapshot on an empty
//! disk, gets an entry after which that node alone votes. Whoever does that gives up what the others had and this one had
//! not; that nothing of theirs counts any more is the typed half's business, before anything is served.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io,
    path::Path,
    sync::Arc,
};

use openraft::EntryPayload;
use rocksdb::{IteratorMode, WriteBatch};

use crate::{
    disk::{Disk, DiskError, Family},
    encoding::{Encoded, EncodingError},
    high_water::{Acknowledged, HighWaterError},
    log_store::{self, FlushTimes, Flusher, PurgeLimit},
    machine::{Machine, Pair},
    raft_types::{Entry, LogId, Member, Membership, NodeId, StorageId, Vote},
    snapshot::{SnapshotFile, SnapshotFolder, SnapshotReader},
    state_machine::{EffectsSender, StateMachine, applied_state},
    storage::{Storage, StorageError},
};

/// Why a directory is left as it is.
#[derive(Debug, thiserror::Error)]
pub enum OfflineError {
    /// The directory is refused.
    #[error("the data directory is refused")]
    Storage(#[from] StorageError),
    /// A file cannot be used.
    #[error("a file of the data directory or the snapshot cannot be used")]
    Io(#[from] io::Error),
    /// The high-water file cannot be written.
    #[error("the high-water file cannot be written")]
    HighWater(#[from] HighWaterError),
    /// There is nothing to go on from.
    #[error("there is no log, and nothing of a state")]
    Nothing,
    /// The state is another one than a majority had.
    #[error("this node's state was found to differ from a majority's at {0}: recover another node")]
    Diverged(u64),
    /// The node is no member any more.
    #[error("node {0} is not a member of the cluster that its log knows: recover another node")]
    NoMember(NodeId),
    /// The membership cannot be written.
    #[error("the membership cannot be written: {0}")]
    Membership(String),
    /// The directory is in use already.
    #[error("{0} is there already: a snapshot is restored to an empty directory")]
    NotEmpty(String),
}

impl From<DiskError> for OfflineError {
    fn from(error: DiskError) -> Self {
        Self::Storage(error.into())
    }
}

impl From<EncodingError> for OfflineError {
    fn from(error: EncodingError) -> Self {
        Self::Storage(error.into())
    }
}

/// How far a directory is. Of several, the one with the greatest term, and then the greatest index, has most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reach {
    /// The term of the last entry of the log.
    pub term: u64,
    /// Its index.
    pub last: u64,
    /// The last entry that is in the state.
    pub applied: u64,
    /// What the directory is called in the membership.
    pub storage: StorageId,
}

/// Whose directory it is.
#[derive(Debug, Clone, Copy)]
pub struct Owner<'a> {
    /// The cluster's name.
    pub cluster: &'a str,
    /// The node.
    pub node: NodeId,
}

/// How far the directory of a node is. Nothing is changed.
///
/// # Errors
/// [`OfflineError`], also where the node must not be recovered.
pub fn reach(folder: &Path, of: Owner<'_>) -> Result<Reach, OfflineError> {
    let storage = existing(folder, of)?;
    let last = may_go_on(&storage.disk, of.node)?;
    let applied = applied_state(&storage.disk)?.applied.map_or(0, |id| id.index);
    let (term, storage) = (last.leader_id.term, storage.identity.storage);
    Ok(Reach { term, last: last.index, applied, storage })
}

/// Makes the node the only voter of its log, reached at `address`. Doing it again is no harm.
///
/// # Errors
/// [`OfflineError`]; nothing is changed then.
pub fn stand_alone(folder: &Path, of: Owner<'_>, address: String) -> Result<(), OfflineError> {
    let storage = existing(folder, of)?;
    let last = may_go_on(&storage.disk, of.node)?;
    alone(storage, (of.node, address), last)
}

/// Fills a new directory from a snapshot file, and makes the node the only voter.
///
/// # Errors
/// [`OfflineError`]; what is there then is to be removed.
pub(crate) fn install(
    folder: &Path,
    of: Owner<'_>,
    (address, storage): (String, StorageId),
    (snapshot, machine): (&Path, Arc<dyn Machine>),
) -> Result<(), OfflineError> {
    if folder.exists() {
        return Err(OfflineError::NotEmpty(folder.display().to_string()));
    }
    let opened = Storage::open_as(folder, of.cluster, (of.node, storage))?;
    let limit = Arc::new(PurgeLimit::default());
    let snapshots = SnapshotFolder::open(opened.snapshots, Arc::clone(&limit))?;
    let (path, mut draft) = snapshots.draft()?;
    io::copy(&mut File::open(snapshot)?, &mut draft)?;
    draft.sync_all()?;
    let file = SnapshotFile::open(&path)?;
    file.verify()?;
    let disk = opened.disk;
    let (flusher, thread) =
        Flusher::start(Arc::clone(&disk), opened.high_water, FlushTimes::default())?;
    let parts = (snapshots, flusher.raiser());
    let state = StateMachine::open(Arc::clone(&disk), machine, parts, EffectsSender::new());
    let installed = state.and_then(|state| state.install_alone(file));
    drop(flusher);
    // A panic of the thread is reported where it happens.
    drop(thread.join());
    drop(disk);
    installed?;
    // Opened anew, so that it is looked at as at any start.
    let storage = Storage::open_as(folder, of.cluster, (of.node, storage))?;
    let last = last_entry(&storage.disk)?.ok_or(OfflineError::Nothing)?;
    alone(storage, (of.node, address), last)
}

/// Reads every pair of a snapshot file, which is proved to its last byte when this returns without an error.
pub(crate) fn pairs(snapshot: File, mut each: impl FnMut(Pair)) -> io::Result<u64> {
    let mut reader = SnapshotReader::new(snapshot)?;
    while let Some(pairs) = reader.chunk()? {
        pairs.into_iter().for_each(&mut each);
    }
    Ok(reader.head.meta.last_log_id.map_or(0, |id| id.index))
}

/// A directory that is there. Opening one that is not would make it.
fn existing(folder: &Path, of: Owner<'_>) -> Result<Storage, OfflineError> {
    if !folder.is_dir() {
        return Err(OfflineError::Nothing);
    }
    Ok(Storage::open_as(folder, of.cluster, (of.node, StorageId::draw()))?)
}

/// The last entry of a log that may be gone on from.
fn may_go_on(disk: &Disk, node: NodeId) -> Result<LogId, OfflineError> {
    let state = applied_state(disk)?;
    if let Some(index) = state.diverged_at {
        return Err(OfflineError::Diverged(index));
    }
    if state.applied.is_some() && state.membership.get_node(&node).is_none() {
        return Err(OfflineError::NoMember(node));
    }
    last_entry(disk)?.ok_or(OfflineError::Nothing)
}

fn last_entry(disk: &Disk) -> Result<Option<LogId>, OfflineError> {
    let log = disk.family(Family::Log)?;
    match disk.db().iterator_cf(log, IteratorMode::End).next() {
        None => Ok(log_store::purged(disk)?),
        Some(item) => {
            let (_, value) = item.map_err(DiskError::during("reading the end of the log"))?;
            Ok(Some(Entry::decode(&value)?.log_id))
        }
    }
}

/// Appends the membership of one behind `last`, as the leader of that entry might have.
fn alone(
    storage: Storage,
    (node, address): (NodeId, String),
    last: LogId,
) -> Result<(), OfflineError> {
    let Storage { identity, disk, mut high_water, .. } = storage;
    let member = Member { address, storage: identity.storage };
    let members = BTreeMap::from([(node, member)]);
    let membership = Membership::new(vec![BTreeSet::from([node])], members)
        .map_err(|error| OfflineError::Membership(error.to_string()))?;
    let log_id = LogId { index: last.index.saturating_add(1), ..last };
    let entry = Entry { log_id, payload: EntryPayload::Membership(membership) };
    let mut batch = WriteBatch::default();
    let key = log_store::key_of(log_id.index);
    batch.put_cf(disk.family(Family::Log)?, key, entry.encode()?);
    // A node that comes from a snapshot has voted for nobody; its next term must be behind that of its log.
    let voted = log_store::stored_vote(&disk)?;
    let least = Vote::new(last.leader_id.term, node);
    let vote = voted.filter(|vote| vote.leader_id.term >= least.leader_id.term).unwrap_or(least);
    log_store::put_vote(&disk, &mut batch, &vote)?;
    disk.write("making this node the only voter", batch);
    disk.sync("making this node the only voter");
    high_water.record(Acknowledged { last: Some(log_id), vote: Some(vote) })?;
    Ok(())
}

#[cfg(test)]
mod tests;
