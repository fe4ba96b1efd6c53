//! Proving a file: its lines, one after the other, in constant memory. Where the bytes come from, and whether they were
//! compressed, is the caller's.

use super::{ExportError, MAX_LINE_BYTES, Proof, Reading};
use countersign_core::record::AuditEvent;
use std::io::{self, BufRead, Read as _};

/// Why a file is not proved, and where.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("line {line}: it cannot be read")]
    Io {
        /// The line that is not there.
        line: u64,
        /// Why.
        source: io::Error,
    },
    /// A line does not hold.
    #[error("line {line}: {error}")]
    Line {
        /// The line.
        line: u64,
        /// Why.
        error: ExportError,
    },
    /// It does not end as an export ends.
    #[error(transparent)]
    End(ExportError),
}

/// Proves a file, and gives out its events as it goes; they are proved only when all of it is. The second is the beginning of the file that follows it.
pub fn prove(
    mut bytes: impl BufRead,
    mut reading: Reading,
    mut each: impl FnMut(AuditEvent),
) -> Result<(Proof, Reading), FileError> {
    let (mut line, mut buffer) = (0, Vec::new());
    loop {
        line += 1;
        buffer.clear();
        let read = (&mut bytes).take(MAX_LINE_BYTES).read_until(b'\n', &mut buffer);
        if read.map_err(|source| FileError::Io { line, source })? == 0 {
            return reading.finish().map_err(FileError::End);
        }
        let at = |error| FileError::Line { line, error };
        let whole = buffer.strip_suffix(b"\n").ok_or(at(ExportError::TornLine))?;
        let text = std::str::from_utf8(whole)
            .map_err(|error| at(ExportError::NoLine(error.to_string())))?;
        if let Some(event) = reading.line(text).map_err(at)? {
            each(event);
        }
    }
}
