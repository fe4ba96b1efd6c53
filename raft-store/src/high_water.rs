//! How far this node has ever acknowledged its log and its vote, in a small file of its own. At start it is held against
//! the log: the log's own recovery cannot tell a tail that was never acknowledged from one that was and is gone.
//!
//! The order that makes it exact: the log is synced first, then this file, then the peers are answered. So a crash never
//! leaves the file ahead of the log (no false refusal), and nothing was acknowledged that the file does not cover (no
//! missed loss). Before entries are taken back, the file is lowered and synced first.
//!
//! Two places in the file are written in turns, so a write torn by a crash leaves the one before it; what the torn one
//! would have said was not acknowledged yet.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::encoding::{Encoded, EncodingError};
use crate::raft_types::{LogId, Vote};

/// Each place has a disk sector of its own, so that tearing one cannot touch the other.
const PLACE_BYTES: u64 = 4096;
/// Checksum (4), length (1), record, zeros.
const RECORD_BYTES: usize = 128;

/// What peers were told is durable here.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Acknowledged {
    pub(crate) last: Option<LogId>,
    pub(crate) vote: Option<Vote>,
}

/// The open file.
#[derive(Debug)]
pub(crate) struct HighWater {
    file: File,
    sequence: u64,
    now: Acknowledged,
}

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HighWaterError {
    /// It could not be read or written.
    #[error("the high-water file cannot be used")]
    Io(#[from] io::Error),
    /// Neither place holds a record.
    #[error("the high-water file is damaged")]
    Damaged,
    /// There is a log, but the file is gone.
    #[error("the high-water file is missing beside an existing log")]
    Missing,
}

impl HighWater {
    /// Makes the file of a new log.
    pub(crate) fn create(path: &Path) -> Result<Self, HighWaterError> {
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)?;
        let mut fresh = Self { file, sequence: 0, now: Acknowledged::default() };
        // Both places, so that the file never grows again and a sync need not touch its metadata.
        fresh.write(Acknowledged::default())?;
        fresh.write(Acknowledged::default())?;
        fresh.file.sync_all()?;
        if let Some(folder) = path.parent() {
            crate::durable_file::sync_folder(folder)?;
        }
        Ok(fresh)
    }

    /// Opens the file of an existing log.
    pub(crate) fn open(path: &Path) -> Result<Self, HighWaterError> {
        let file = match OpenOptions::new().read(true).write(true).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(HighWaterError::Missing);
            }
            Err(error) => return Err(error.into()),
        };
        let (sequence, now) = [0, 1]
            .into_iter()
            .filter_map(|place| read_place(&file, place))
            .max_by_key(|(sequence, _)| *sequence)
            .ok_or(HighWaterError::Damaged)?;
        Ok(Self { file, sequence, now })
    }

    /// What was last recorded.
    pub(crate) fn now(&self) -> Acknowledged {
        self.now
    }

    /// Records and syncs; nothing is done when nothing changed.
    pub(crate) fn record(&mut self, acknowledged: Acknowledged) -> Result<(), HighWaterError> {
        if acknowledged != self.now {
            self.write(acknowledged)?;
            self.file.sync_data()?;
        }
        Ok(())
    }

    fn write(&mut self, acknowledged: Acknowledged) -> io::Result<()> {
        self.sequence += 1;
        let place = self.sequence % 2;
        let record = seal(&(self.sequence, acknowledged).encode()?)?;
        self.file.write_all_at(&record, place * PLACE_BYTES)?;
        self.now = acknowledged;
        Ok(())
    }
}

#[cfg(test)]
impl HighWater {
    /// An existing file that cannot be written.
    pub(crate) fn read_only(path: &Path) -> Self {
        let Self { sequence, now, .. } = Self::open(path).unwrap();
        Self { file: File::open(path).unwrap(), sequence, now }
    }
}

/// Puts checksum and length before a record and zeros behind it.
fn seal(body: &[u8]) -> Result<[u8; RECORD_BYTES], EncodingError> {
    let length =
        u8::try_from(body.len()).map_err(|_| EncodingError::Impossible("a long record"))?;
    let mut record = [0; RECORD_BYTES];
    let sealed = std::iter::once(length).chain(body.iter().copied());
    if body.len() + 5 > RECORD_BYTES {
        return Err(EncodingError::Impossible("a long record"));
    }
    record.iter_mut().skip(4).zip(sealed).for_each(|(to, byte)| *to = byte);
    let checksum = record.get(4..).map_or(0, crc32fast::hash);
    record.iter_mut().zip(checksum.to_le_bytes()).for_each(|(to, byte)| *to = byte);
    Ok(record)
}

/// The record of a place, if it is whole.
fn read_place(file: &File, place: u64) -> Option<(u64, Acknowledged)> {
    let mut record = [0; RECORD_BYTES];
    file.read_exact_at(&mut record, place * PLACE_BYTES).ok()?;
    let (checksum, rest) = record.split_first_chunk::<4>()?;
    if u32::from_le_bytes(*checksum) != crc32fast::hash(rest) {
        return None;
    }
    let (length, body) = rest.split_first()?;
    Encoded::decode(body.get(..usize::from(*length))?).ok()
}

#[cfg(test)]
mod tests;
