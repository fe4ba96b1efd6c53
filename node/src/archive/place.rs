//! Where the files of the archive are. A file is created whole or not at all, and never replaced.

use super::ArchiveError;
use crate::bucket::{Bucket, BucketError};
use bytes::Bytes;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

/// The longest file, in bytes.
pub(super) const MAX_FILE: usize = 8 * 1024 * 1024;

/// Where the files of the archive are.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    /// In the bucket.
    Bucket(Bucket),
    /// In a folder that every node sees. It is never made here: a folder that is missing is one that nobody has mounted.
    Folder(PathBuf),
}

/// The name of a file: in the order of names they follow each other.
fn name(number: u64) -> String {
    format!("{number:010}.jsonl.zst")
}

impl Place {
    /// The file of this number; none where there is none.
    pub(super) async fn get(&self, number: u64) -> Result<Option<Bytes>, ArchiveError> {
        match self {
            Self::Bucket(bucket) => {
                let name = format!("audit/{}", name(number));
                Ok(bucket.get(&name, MAX_FILE as u64).await?)
            }
            Self::Folder(folder) => {
                let path = folder.join(name(number));
                let read = tokio::task::spawn_blocking(move || read(&path));
                Ok(read.await.map_err(io::Error::other)??)
            }
        }
    }

    /// Puts the file of this number, unless there is one.
    pub(super) async fn create(&self, number: u64, bytes: Bytes) -> Result<(), ArchiveError> {
        match self {
            Self::Bucket(bucket) => {
                match bucket.create(&format!("audit/{}", name(number)), bytes).await {
                    Ok(()) => Ok(()),
                    Err(error) if error.is_taken() => Ok(()),
                    Err(error) => Err(error.into()),
                }
            }
            Self::Folder(folder) => {
                let (folder, name) = (folder.clone(), name(number));
                let put = tokio::task::spawn_blocking(move || create(&folder, &name, &bytes));
                Ok(put.await.map_err(io::Error::other)??)
            }
        }
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

/// A link is made only where there is nothing of its name, on shared file systems too; a file may be renamed over another.
fn create(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let unfinished =
        folder.join(format!("{name}.{}.unfinished", hex::encode(rand::random::<[u8; 8]>())));
    let written = write_synced(&unfinished, bytes)
        .and_then(|()| match fs::hard_link(&unfinished, folder.join(name)) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            linked => linked,
        })
        .and_then(|()| File::open(folder)?.sync_all());
    // Room for others; whether this works changes nothing.
    drop(fs::remove_file(&unfinished));
    written
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

impl BucketError {
    /// Whether there is an object of that name already.
    fn is_taken(&self) -> bool {
        matches!(self, Self::Failed(object_store::Error::AlreadyExists { .. }))
    }
}
