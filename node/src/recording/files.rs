//! Segments on this node's disk: a file each, named by the digest of its bytes, never changed.
//!
//! A file has its name only once its bytes are on the disk: written under another name, synced, renamed, and the folder
//! synced. What a crash leaves under another name is removed at the next start; nobody knows of it. What is taken of the disk
//! is counted, and limited: room is taken before anything is written.

use countersign_core::recording::{SegmentDigest, segment::MAX_SEGMENT};
use rustix::fs::statvfs;
use std::{
    collections::HashSet,
    fs::{self, DirEntry, File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

/// The ending of segments.
const ENDING: &str = "segment";
/// The ending of what is still being written.
const UNFINISHED: &str = "unfinished";
/// The part of the room, in percent, above which it is short.
const SHORT_ABOVE: u64 = 80;
/// How many digits of a digest name the folder that it lies in.
const SHELF_DIGITS: usize = 2;

/// The segments on this node's disk. Cheap to clone. Everything here blocks.
#[derive(Debug, Clone)]
pub(super) struct SegmentFiles {
    folder: Arc<Path>,
    /// Tells files apart that are being written.
    writing: Arc<AtomicU64>,
    room: Room,
    /// The bytes of all segments here, and of those that are being written.
    taken: Arc<AtomicU64>,
    /// Held while a name gets or loses its file, so that each file is counted once.
    names: Arc<Mutex<()>>,
}

/// What segments may take of the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// The most that they have in all, in bytes.
    pub most: u64,
    /// What must be left free for the log and the state, in bytes.
    pub reserve: u64,
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
    pub(super) fn open(folder: PathBuf, room: Room) -> io::Result<Self> {
        fs::create_dir_all(&folder)?;
        if let Some(above) = folder.parent() {
            sync_folder(above)?;
        }
        let mut taken = 0;
        for shelf in fs::read_dir(&folder)? {
            let shelf = shelf?.path();
            if !shelf.is_dir() {
                continue;
            }
            for file in fs::read_dir(&shelf)? {
                let file = file?;
                if file.path().extension().is_some_and(|ending| ending == UNFINISHED) {
                    fs::remove_file(file.path())?;
                } else {
                    taken += file.metadata()?.len();
                }
            }
        }
        let taken = Arc::new(AtomicU64::new(taken));
        let (writing, names) = (Arc::default(), Arc::default());
        Ok(Self { folder: folder.into(), writing, room, taken, names })
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
        let size = bytes.len() as u64;
        self.take_room(size)?;
        let put = self.write(digest, bytes);
        match &put {
            // The file that had the name is none any more.
            Ok(before) => self.gives_back(*before),
            Err(_) => self.gives_back(size),
        }
        put.map(drop)?;
        sync_folder(&self.shelf(&digest.to_string()))
    }

    /// Writes a file, and gives it its name; the length of the file that had it.
    fn write(&self, digest: SegmentDigest, bytes: &[u8]) -> io::Result<u64> {
        let number = self.writing.fetch_add(1, Ordering::Relaxed);
        let shelf = self.shelf(&digest.to_string());
        if !shelf.is_dir() {
            fs::create_dir_all(&shelf)?;
            sync_folder(&self.folder)?;
        }
        let unfinished = shelf.join(format!("{digest}-{number}.{UNFINISHED}"));
        let written = write_synced(&unfinished, bytes).and_then(|()| {
            let _names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
            let before = self.size(digest)?.unwrap_or(0);
            fs::rename(&unfinished, self.path(digest)).map(|()| before)
        });
        if written.is_err() {
            // Room for others; whether this works changes nothing.
            drop(fs::remove_file(&unfinished));
        }
        written
    }

    fn free(&self) -> io::Result<u64> {
        let disk = statvfs(&*self.folder)?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    /// Takes room for so many bytes, before they are written: many are written at a time.
    fn take_room(&self, size: u64) -> io::Result<()> {
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        if self.free()? < self.room.reserve.saturating_add(size) {
            return Err(full());
        }
        let more = |taken: u64| taken.checked_add(size).filter(|all| *all <= self.room.most);
        let taken = self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        taken.map(drop).map_err(|_| full())
    }

    /// Whether most of the room is taken: of what the settings give, or of what the disk has.
    pub(super) fn is_short(&self) -> io::Result<bool> {
        let taken = self.taken();
        let left = self.free()?.saturating_sub(self.room.reserve);
        let room = self.room.most.min(taken.saturating_add(left));
        Ok(taken >= room / 100 * SHORT_ABOVE)
    }

    /// The bytes that segments have here.
    pub(super) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    fn gives_back(&self, size: u64) {
        let less = |taken: u64| Some(taken.saturating_sub(size));
        // Never refused.
        let (Ok(_) | Err(_)) = self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    /// The length of a segment's file, without a look at its bytes; none where there is no file.
    pub(super) fn size(&self, digest: SegmentDigest) -> io::Result<Option<u64>> {
        match fs::metadata(self.path(digest)) {
            Ok(file) => Ok(Some(file.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Removes a segment that others have.
    pub(super) fn remove(&self, digest: SegmentDigest) -> io::Result<()> {
        let _names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let path = self.path(digest);
        let Some(size) = self.size(digest)? else { return Ok(()) };
        fs::remove_file(path)?;
        self.gives_back(size);
        Ok(())
    }

    /// The segments of a shelf that are not among `named` and were written before this time.
    pub(super) fn unnamed(
        &self,
        shelf: u8,
        named: &HashSet<SegmentDigest>,
        before_ms: u64,
    ) -> io::Result<HashSet<SegmentDigest>> {
        let before = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(before_ms));
        let mut found = HashSet::new();
        let files = match fs::read_dir(self.folder.join(hex::encode([shelf]))) {
            Ok(files) => files,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
            Err(error) => return Err(error),
        };
        for file in files {
            let file = file?;
            let Some(digest) = digest_of(&file) else { continue };
            let written = file.metadata()?.modified()?;
            if !named.contains(&digest) && before.is_some_and(|before| written < before) {
                found.insert(digest);
            }
        }
        Ok(found)
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

/// The segment that a file is, by its name.
fn digest_of(file: &DirEntry) -> Option<SegmentDigest> {
    let name = file.file_name().into_string().ok()?;
    let digits = name.strip_suffix(ENDING)?.strip_suffix('.')?;
    let mut digest = [0; 32];
    hex::decode_to_slice(digits, &mut digest).ok()?;
    Some(SegmentDigest(digest))
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
