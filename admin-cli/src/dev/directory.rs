//! Where a development cluster keeps its things, and the names of those things.

use anyhow::Context as _;
use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

/// The directory of one development cluster.
#[derive(Debug, Clone)]
pub(super) struct Directory(PathBuf);

impl Directory {
    /// The one that was asked for, or the default.
    pub(super) fn chosen(asked: Option<PathBuf>) -> anyhow::Result<Self> {
        let path = match asked {
            Some(path) => path,
            None => default_path()?,
        };
        let path = std::path::absolute(&path)
            .with_context(|| format!("cannot use the directory {}", path.display()))?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// What runs, on which ports. Its presence marks the directory as ours.
    pub(super) fn state_file(&self) -> PathBuf {
        self.0.join("dev.json")
    }

    pub(super) fn tls(&self) -> PathBuf {
        self.0.join("tls")
    }

    /// The authority of all listeners.
    pub(super) fn ca_file(&self) -> PathBuf {
        self.tls().join("ca.crt")
    }

    pub(super) fn issuer(&self) -> PathBuf {
        self.0.join("issuer")
    }

    pub(super) fn resources(&self) -> PathBuf {
        self.0.join("resources")
    }

    pub(super) fn links_socket(&self) -> PathBuf {
        self.0.join("links.sock")
    }

    pub(super) fn target_password(&self) -> PathBuf {
        self.0.join("target-password")
    }

    /// What nodes log in to the Kubernetes target with.
    pub(super) fn kubernetes(&self) -> PathBuf {
        self.0.join("kubernetes")
    }

    /// The key by which SSH clients know the nodes, as OpenSSH reads it.
    pub(super) fn ssh_known_hosts(&self) -> PathBuf {
        self.tls().join("ssh_known_hosts")
    }

    /// A node's folder: its configuration, its log and its data.
    pub(super) fn node(&self, id: u64) -> PathBuf {
        self.0.join(format!("node-{id}"))
    }

    pub(super) fn node_file(&self, id: u64) -> PathBuf {
        self.node(id).join("node.toml")
    }

    pub(super) fn node_data(&self, id: u64) -> PathBuf {
        self.node(id).join("data")
    }

    pub(super) fn logs(&self) -> PathBuf {
        self.0.join("logs")
    }

    /// What a process wrote to stdout and stderr.
    pub(super) fn log(&self, process: &str) -> PathBuf {
        self.logs().join(format!("{process}.log"))
    }

    /// Removes what is ours; the directory itself only when nothing else is in it.
    pub(super) fn remove(&self) -> anyhow::Result<()> {
        let entries = fs::read_dir(&self.0).with_context(|| self.cannot_remove())?;
        for entry in entries {
            let path = entry.with_context(|| self.cannot_remove())?.path();
            if is_ours(&path) {
                remove(&path).with_context(|| self.cannot_remove())?;
            }
        }
        // It stays when there is something in it that is not ours.
        drop(fs::remove_dir(&self.0));
        Ok(())
    }

    fn cannot_remove(&self) -> String {
        format!("cannot remove {}", self.0.display())
    }
}

fn is_ours(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    matches!(
        name,
        "dev.json" | "tls" | "issuer" | "resources" | "links.sock" | "target-password" | "logs"
    ) || name.strip_prefix("node-").is_some_and(|id| id.parse::<u64>().is_ok())
}

fn remove(path: &Path) -> io::Result<()> {
    if path.symlink_metadata()?.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
}

/// XDG base directory specification: state goes to `$XDG_STATE_HOME`, else to `~/.local/state`.
fn default_path() -> anyhow::Result<PathBuf> {
    let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute("XDG_STATE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))
        .context("neither XDG_STATE_HOME nor HOME is set: say --dir")?;
    Ok(state.join("countersign/dev"))
}
