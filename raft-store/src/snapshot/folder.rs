//! The folder of a node's snapshots: names, the newest one, and how many are kept. A name appears only when the file is
//! whole and synced, and only then may the log be purged up to it.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::SnapshotFile;
use crate::durable_file;
use crate::halt::halt;
use crate::log_store::PurgeLimit;
use crate::raft_types::LogId;

const ENDING: &str = "snapshot";
/// The newest, and one more for a peer that is still being sent it.
const KEPT: usize = 2;

/// The snapshots of a node.
#[derive(Debug)]
pub(crate) struct SnapshotFolder {
    path: PathBuf,
    purge_limit: Arc<PurgeLimit>,
    /// Numbers unfinished files, so that no two are the same.
    drafts: AtomicU64,
}

impl SnapshotFolder {
    /// Opens the folder, and removes the files that do not verify: the newest can be made again from the state, and an
    /// older one must not take its place unlooked at.
    pub(crate) fn open(path: PathBuf, purge_limit: Arc<PurgeLimit>) -> io::Result<Self> {
        let folder = Self { path, purge_limit, drafts: AtomicU64::new(0) };
        for path in folder.names()? {
            match SnapshotFile::open(&path).and_then(|file| file.verify().map(|()| file)) {
                Ok(file) => folder.covers(&file),
                Err(error) => {
                    tracing::warn!(%error, "a snapshot is removed because it does not verify");
                    fs::remove_file(&path)?;
                }
            }
        }
        Ok(folder)
    }

    /// An unfinished file, for a snapshot that is built or received.
    pub(crate) fn draft(&self) -> io::Result<(PathBuf, File)> {
        let number = self.drafts.fetch_add(1, Ordering::Relaxed);
        let path = self.path.join(format!("draft-{number}")).with_extension(durable_file::PARTIAL);
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path)?;
        Ok((path, file))
    }

    /// Gives a finished file its name, durably, and forgets old ones. A disk that fails to do so is trusted no more.
    pub(crate) fn adopt(&self, file: SnapshotFile) -> io::Result<SnapshotFile> {
        let path = self.path.join(name(file.head.meta.last_log_id.as_ref()));
        if file.path != path
            && let Err(error) = durable_file::finish(&file.file, &file.path, &path)
        {
            halt("giving a snapshot its name", &error);
        }
        self.covers(&file);
        let mut names = self.names()?;
        names.truncate(names.len().saturating_sub(KEPT));
        for old in names {
            fs::remove_file(old)?;
        }
        Ok(SnapshotFile { path, ..file })
    }

    /// The newest snapshot.
    pub(crate) fn newest(&self) -> io::Result<Option<SnapshotFile>> {
        self.names()?.pop().map(|path| SnapshotFile::open(&path)).transpose()
    }

    /// The snapshot that ends exactly at `last`.
    pub(crate) fn at(&self, last: Option<&LogId>) -> io::Result<Option<SnapshotFile>> {
        let path = self.path.join(name(last));
        if path.exists() { SnapshotFile::open(&path).map(Some) } else { Ok(None) }
    }

    fn covers(&self, file: &SnapshotFile) {
        if let Some(last) = &file.head.meta.last_log_id {
            self.purge_limit.raise(last.index);
        }
    }

    /// Finished files, oldest first.
    fn names(&self) -> io::Result<Vec<PathBuf>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == ENDING) {
                names.push(path);
            }
        }
        names.sort_unstable();
        Ok(names)
    }
}

/// Names sort as the snapshots do: by index, then by leader.
fn name(last: Option<&LogId>) -> PathBuf {
    let (index, term, node) =
        last.map_or((0, 0, 0), |id| (id.index, id.leader_id.term, id.leader_id.node_id));
    Path::new(&format!("{index:020}-{term:020}-{node}")).with_extension(ENDING)
}
