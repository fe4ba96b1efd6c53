//! Where the files of the archive are. A file is named by its number and by the digest of its bytes: under a name there is that
//! file, or a damaged one. Nothing is ever written over a file of another content.
//!
//! A folder may hang, as file systems of other machines do: few threads wait for it at a time, and nobody for long.

use super::ArchiveError;
use crate::bucket::{Bucket, BucketError};
use bytes::Bytes;
use countersign_raft_store::records::ArchiveFile;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{sync::Semaphore, time::timeout};

/// The longest file, in bytes.
pub(super) const MAX_FILE: usize = 8 * 1024 * 1024;
/// Threads that work on the folder at a time. One that hangs is lost until the folder answers.
const AT_A_TIME: usize = 4;
/// How long the folder is waited for.
const ANSWERS_WITHIN: Duration = Duration::from_secs(15);

/// Where the files of the archive are.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    /// In the bucket.
    Bucket(Bucket),
    /// In a folder that every node sees.
    Folder(Folder),
}

/// What a file is called, wherever it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) number: u64,
    pub(super) digest: [u8; 32],
}

impl Name {
    pub(super) const fn of(file: &ArchiveFile) -> Self {
        Self { number: file.number, digest: file.digest }
    }

    /// In the order of names files follow each other.
    fn text(&self) -> String {
        format!("{:010}-{}.jsonl.zst", self.number, hex::encode(self.digest))
    }

    fn object(&self) -> String {
        format!("audit/{}", self.text())
    }
}

impl Place {
    /// A folder, and the cluster's own part of it.
    pub(crate) fn folder(shared: PathBuf, part: &str) -> Self {
        let own = shared.join(part);
        Self::Folder(Folder { shared, own, turns: Arc::new(Semaphore::new(AT_A_TIME)) })
    }

    /// The file of this name; none where there is none. Its bytes are whatever is there.
    pub(super) async fn get(&self, name: Name) -> Result<Option<Bytes>, ArchiveError> {
        match self {
            Self::Bucket(bucket) => match bucket.get(&name.object(), MAX_FILE as u64).await {
                Err(BucketError::TooLong { .. }) => Err(ArchiveError::Other(name.number)),
                found => Ok(found?),
            },
            Self::Folder(folder) => {
                let path = folder.own.join(name.text());
                Ok(folder.blocking(move || read(&path)).await?)
            }
        }
    }

    /// Puts the file of this name. It may be there already.
    pub(super) async fn put(&self, name: Name, bytes: Bytes) -> Result<(), ArchiveError> {
        match self {
            Self::Bucket(bucket) => Ok(bucket.put(&name.object(), bytes).await?),
            Self::Folder(folder) => {
                let (shared, own) = (folder.shared.clone(), folder.own.clone());
                let put = move || put(&shared, &own, (&name.text(), &bytes));
                Ok(folder.blocking(put).await?)
            }
        }
    }
}

/// A folder that every node sees. It is never made here: a folder that is missing is one that nobody has mounted. What is made
/// is the cluster's own part of it.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    shared: PathBuf,
    own: PathBuf,
    turns: Arc<Semaphore>,
}

impl Folder {
    /// Works on the folder. The turn is given back by the work itself: one that hangs goes on when nobody waits for it any more.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let worked = timeout(ANSWERS_WITHIN, async {
            let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(io::Error::other)?;
            let worked = tokio::task::spawn_blocking(move || {
                let worked = work();
                drop(turn);
                worked
            });
            worked.await.map_err(io::Error::other)?
        });
        worked.await.unwrap_or_else(|_late| {
            Err(io::Error::new(io::ErrorKind::TimedOut, "the folder does not answer"))
        })
    }
}

fn read(path: &Path) -> io::Result<Option<Bytes>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    // One byte more than there can be, so that what is too long is another file than the chain names.
    file.take(MAX_FILE as u64 + 1).read_to_end(&mut bytes)?;
    Ok(Some(bytes.into()))
}

/// Gives a file its name once all of it is on the disk; one of that name is the same, or damaged.
fn put(shared: &Path, own: &Path, (name, bytes): (&str, &[u8])) -> io::Result<()> {
    match fs::create_dir(own) {
        Ok(()) => sync_folder(shared)?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    let unfinished = format!("{name}.{}.unfinished", hex::encode(rand::random::<[u8; 8]>()));
    let unfinished = own.join(unfinished);
    let written = write_synced(&unfinished, bytes)
        .and_then(|()| fs::rename(&unfinished, own.join(name)))
        .and_then(|()| sync_folder(own));
    if written.is_err() {
        // Room for others; whether this works changes nothing.
        drop(fs::remove_file(&unfinished));
    }
    written
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: Name = Name { number: 7, digest: [1; 32] };

    #[tokio::test(start_paused = true)]
    async fn a_folder_that_hangs_costs_few_threads_and_nobody_waits_for_long() {
        let shared = tempfile::tempdir().unwrap();
        let place = Place::folder(shared.path().to_owned(), "part");
        let Place::Folder(folder) = &place else { panic!() };
        // As if as many were at work on it, and none of them came back.
        let mut hang = Vec::new();
        for _ in 0..AT_A_TIME {
            hang.push(Arc::clone(&folder.turns).acquire_owned().await.unwrap());
        }
        for _ in 0..10 {
            let late = place.get(NAME).await.unwrap_err();
            let ArchiveError::Folder(late) = late else { panic!("{late:?}") };
            assert_eq!(late.kind(), io::ErrorKind::TimedOut);
        }
        drop(hang);
        assert!(place.get(NAME).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_damaged_file_gets_its_bytes_again_and_no_other_content_has_its_name() {
        let shared = tempfile::tempdir().unwrap();
        let place = Place::folder(shared.path().to_owned(), "part");
        let bytes = Bytes::from_static(b"the right ones");
        place.put(NAME, bytes.clone()).await.unwrap();
        let path = shared.path().join("part").join(NAME.text());
        fs::write(&path, b"the right").unwrap();
        place.put(NAME, bytes.clone()).await.unwrap();
        assert_eq!(place.get(NAME).await.unwrap(), Some(bytes));
        assert_eq!(place.get(Name { digest: [2; 32], ..NAME }).await.unwrap(), None);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }
}
