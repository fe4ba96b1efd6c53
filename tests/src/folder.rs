//! A folder of its own for each test, named after the process, so that the next run can tell what a killed one left.

use crate::process;
use anyhow::Context as _;
use rustix::process::{Pid, Signal};
use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

const PREFIX: &str = "countersign-it-";

/// A folder that goes away with its value. Its path is short: sockets live in it, and theirs may have 107 bytes at most.
#[derive(Debug)]
pub struct Folder {
    held: TempDir,
}

impl Folder {
    /// Makes one, after sweeping what runs that are dead have left.
    pub fn new() -> anyhow::Result<Self> {
        sweep();
        let prefix = format!("{PREFIX}{}-", std::process::id());
        let held =
            tempfile::Builder::new().prefix(&prefix).tempdir().context("no temporary folder")?;
        // PostgreSQL's own user must get through.
        fs::set_permissions(held.path(), fs::Permissions::from_mode(0o755))?;
        Ok(Self { held })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.held.path()
    }
}

/// Stops and removes what test processes that are no more have left. Nothing that cannot be done here is an error.
fn sweep() {
    let Ok(entries) = fs::read_dir(std::env::temp_dir()) else { return };
    for folder in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        if owner(&folder).is_some_and(|owner| !Path::new(&format!("/proc/{owner}")).exists()) {
            for pid in process::mentioning(&folder) {
                process::signal(pid, Signal::KILL);
            }
            drop(fs::remove_dir_all(&folder));
        }
    }
}

/// The test process that made the folder.
fn owner(folder: &PathBuf) -> Option<u32> {
    let name = Path::new(folder).file_name()?.to_str()?;
    let pid: u32 = name.strip_prefix(PREFIX)?.split('-').next()?.parse().ok()?;
    Pid::from_raw(i32::try_from(pid).ok()?).map(|_| pid)
}
