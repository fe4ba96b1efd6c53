//! Segments on this node's disk: a file each, named by the digest of its bytes, never changed.
//!
//! A file has its name only once its bytes are on the disk: written under another name, synced, renamed, and the folder
//! synced. What a crash leaves under another name is removed at the next start; nobody knows of it.

use countersign_core::recording::{SegmentDigest, segment::MAX_SEGMENT};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// The ending of segments.
const ENDING: &str = "segment";
/// The ending of what is still being written.
const UNFINISHED: &str = "unfinished";
/// How many digits of a digest name the folder that it lies in.
const SHELF_DIGITS: usize = 2;

/// The segments on this node's disk. Cheap to clone. Everything here blocks.
#[derive(Debug, Clone)]
pub(super) struct SegmentFiles {
    folder: Arc<Path>,
    /// Tells files apart that are being written.
    writing: Arc<AtomicU64>,
}

/// A segment as it was found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Its bytes, which have its digest.
    Whole(Vec<u8>),
    /// There is a file, and its bytes are others.
    Damaged,
    /// There is none.
    Absent,
}

impl SegmentFiles {
    /// Opens the folder, makes it where it is not there, and removes what is unfinished.
    pub(super) fn open(folder: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&folder)?;
        if let Some(above) = folder.parent() {
            sync_folder(above)?;
        }
        for shelf in fs::read_dir(&folder)? {
            let shelf = shelf?.path();
            if !shelf.is_dir() {
                continue;
            }
            for file in fs::read_dir(&shelf)? {
                let file = file?.path();
                if file.extension().is_some_and(|ending| ending == UNFINISHED) {
                    fs::remove_file(file)?;
                }
            }
        }
        Ok(Self { folder: folder.into(), writing: Arc::default() })
    }

    fn shelf(&self, digest: &str) -> PathBuf {
        self.folder.join(digest.get(..SHELF_DIGITS).unwrap_or(digest))
    }

    fn path(&self, digest: SegmentDigest) -> PathBuf {
        let digest = digest.to_string();
        self.shelf(&digest).join(format!("{digest}.{ENDING}"))
    }

    /// Writes a segment. It is on the disk, under its name, when this returns; otherwise it is not there.
    pub(super) fn put(&self, digest: SegmentDigest, bytes: &[u8]) -> io::Result<()> {
        let path = self.path(digest);
        let number = self.writing.fetch_add(1, Ordering::Relaxed);
        let shelf = self.shelf(&digest.to_string());
        if !shelf.is_dir() {
            fs::create_dir_all(&shelf)?;
            sync_folder(&self.folder)?;
        }
        let unfinished = shelf.join(format!("{digest}-{number}.{UNFINISHED}"));
        let written =
            write_synced(&unfinished, bytes).and_then(|()| fs::rename(&unfinished, &path));
        if let Err(error) = written {
            // Room for others; whether this works changes nothing.
            drop(fs::remove_file(&unfinished));
            return Err(error);
        }
        sync_folder(&shelf)
    }

    /// Reads a segment.
    pub(super) fn get(&self, digest: SegmentDigest) -> io::Result<Found> {
        let file = match File::open(self.path(digest)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Absent),
            Err(error) => return Err(error),
        };
        let mut bytes = Vec::new();
        // One byte more than there can be, so that what is too long is seen to be.
        file.take(MAX_SEGMENT as u64 + 1).read_to_end(&mut bytes)?;
        if SegmentDigest::of(&bytes) == digest {
            Ok(Found::Whole(bytes))
        } else {
            Ok(Found::Damaged)
        }
    }
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
