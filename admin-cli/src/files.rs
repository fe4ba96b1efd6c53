//! Files that hold secrets or state: written whole or not at all, readable by their owner only.

use anyhow::Context as _;
use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::Path,
};

/// The largest document, token or state file that is read.
pub(crate) const MAX_FILE_BYTES: u64 = 16 * 1024 * 1024;

/// Replaces a file by `contents`, mode 0600.
pub(crate) fn write_private(path: &Path, contents: impl AsRef<[u8]>) -> anyhow::Result<()> {
    let cannot = || format!("cannot write {}", path.display());
    let folder = path.parent().unwrap_or(Path::new("."));
    make_private_dir(folder)?;
    // tempfile makes files of mode 0600.
    let mut file = tempfile::NamedTempFile::new_in(folder).with_context(cannot)?;
    file.write_all(contents.as_ref()).with_context(cannot)?;
    file.persist(path).with_context(cannot)?;
    Ok(())
}

/// Makes a directory of mode 0700, and what it lies in. One that exists is left as it is.
pub(crate) fn make_private_dir(path: &Path) -> anyhow::Result<()> {
    if path.as_os_str().is_empty() || path.is_dir() {
        return Ok(());
    }
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .with_context(|| format!("cannot make the directory {}", path.display()))
}

/// The text of a file, or of stdin for `-`.
pub(crate) fn read_text(path: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    let read = if path.as_os_str() == "-" {
        std::io::stdin().lock().take(MAX_FILE_BYTES).read_to_string(&mut text)
    } else {
        fs::File::open(path).and_then(|file| file.take(MAX_FILE_BYTES).read_to_string(&mut text))
    };
    let length = read.with_context(|| format!("cannot read {}", path.display()))?;
    if length as u64 == MAX_FILE_BYTES {
        anyhow::bail!("{} is larger than {MAX_FILE_BYTES} bytes", path.display());
    }
    Ok(text)
}

/// Whether others than the owner may read a file.
pub(crate) fn is_open_to_others(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|about| about.permissions().mode() & 0o077 != 0)
}
