//! What the state holds of the archive of the audit: which files there are, and what each has.

use countersign_core::{log_time::LogTime, record::ChainHead};

/// A file of the archive. Its events may have left the state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ArchiveFile {
    /// 1 for the first.
    pub number: u64,
    /// The event before its first one.
    pub after: u64,
    /// Its last event.
    pub last: ChainHead,
    /// Log time of its first event.
    pub from: LogTime,
    /// Log time of its last event.
    pub to: LogTime,
    /// SHA-256 of its bytes.
    pub digest: [u8; 32],
    /// Their number.
    pub size: u64,
}
