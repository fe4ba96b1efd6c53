//! Files that are either there, whole and on the disk, or not there: written beside their place, synced, renamed, and the
//! folder synced. Deliberately without retries; a caller that cannot go on without the file halts.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// The ending of files that are not finished. They are removed at start.
pub(crate) const PARTIAL: &str = "partial";

/// Writes a small file in one step.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let partial = path.with_extension(PARTIAL);
    let mut file = File::create(&partial)?;
    file.write_all(bytes)?;
    finish(&file, &partial, path)
}

/// Syncs a finished file and gives it its name.
pub(crate) fn finish(file: &File, partial: &Path, path: &Path) -> io::Result<()> {
    file.sync_all()?;
    fs::rename(partial, path)?;
    match path.parent() {
        Some(folder) => sync_folder(folder),
        None => Ok(()),
    }
}

/// Makes the names in a folder durable.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Removes what a crash left unfinished in a folder.
pub(crate) fn remove_partial(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == PARTIAL) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}
