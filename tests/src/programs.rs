//! Where the programs are that the tests start. They are never searched for on the `PATH` where ours could be mistaken for
//! an installed one.

use anyhow::{Context as _, ensure};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// One of our own programs, from the build that this test belongs to.
pub fn ours(name: &str) -> anyhow::Result<PathBuf> {
    let test = std::env::current_exe().context("where is this test?")?;
    // target/debug/deps/it-0123456789abcdef
    let folder = test
        .parent()
        .and_then(Path::parent)
        .context("the test lies outside of a target directory")?;
    let program = folder.join(name);
    ensure!(
        program.is_file(),
        "{} is not built: run `cargo build --workspace --all-targets` first, as tests/run.sh does",
        program.display()
    );
    Ok(program)
}

/// One of PostgreSQL's server programs, of the newest version installed.
pub fn postgres(name: &str) -> anyhow::Result<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .context("PostgreSQL's server is not installed")?
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let version = path.file_name()?.to_str()?.parse().ok()?;
            let program = path.join("bin").join(name);
            program.is_file().then_some((version, program))
        })
        .collect();
    versions.sort();
    versions.pop().map(|(_, program)| program).with_context(|| format!("{name} is not installed"))
}

/// The Kubernetes API server that deploy/kube-apiserver.sh builds.
pub fn api_server() -> anyhow::Result<PathBuf> {
    let folder = |name| std::env::var_os(name).map(PathBuf::from);
    let cache = folder("XDG_CACHE_HOME").or_else(|| Some(folder("HOME")?.join(".cache")));
    let program = cache.context("no home")?.join("countersign/tools/bin/kube-apiserver");
    ensure!(program.is_file(), "no API server: run `bash deploy/kube-apiserver.sh` first");
    Ok(program)
}
