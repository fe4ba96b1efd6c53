//! Free ports of loopback for a development cluster, outside the range from which the kernel takes the ports of outgoing
//! connections: a port in that range may be taken between the look and the start of whoever is to listen there.
//!
//! A cluster has a block of ports to itself for as long as its folder is there, also while its nodes do not run: another
//! cluster that starts at the same time, or while a node is dead, does not get them.

use anyhow::{Context as _, bail};
use rustix::process::getuid;
use std::{
    fs::{self, DirBuilder, File},
    io,
    net::{Ipv4Addr, TcpListener},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _},
    path::{Path, PathBuf},
};

/// The lowest port that is given.
const FIRST: u16 = 15_000;
/// Where the kernel's range begins when it does not say (Linux's default).
const USUAL_EPHEMERAL: u16 = 32_768;
/// The ports of one cluster. The largest, of five nodes, takes 41.
const BLOCK: u16 = 64;

/// So many ports that nothing listens on now, for the cluster in this folder.
pub(super) fn free(count: usize, cluster: &Path) -> anyhow::Result<Vec<u16>> {
    let blocks = usize::from(ephemeral_begin().saturating_sub(FIRST) / BLOCK);
    if blocks == 0 {
        return listenable(std::iter::repeat_n(0, count), count)
            .with_context(|| format!("there are no {count} free ports on 127.0.0.1"));
    }
    let book = Book::open().context("the ports that other clusters have cannot be known")?;
    let begin = rand::random_range(0..blocks);
    for block in (0..blocks).map(|n| (begin + n) % blocks) {
        let first = FIRST + BLOCK * u16::try_from(block)?;
        if book.has_other(first, cluster) {
            continue;
        }
        if let Some(ports) = listenable(first..first + BLOCK, count) {
            book.note(first, cluster).context("the ports cannot be noted as taken")?;
            return Ok(ports);
        }
    }
    bail!("there are no {count} free ports on 127.0.0.1 between {FIRST} and {}", ephemeral_begin())
}

/// The first of these ports that nothing listens on. All are held open until the last is known, so that none is given twice.
fn listenable(ports: impl Iterator<Item = u16>, count: usize) -> Option<Vec<u16>> {
    let free = ports.filter_map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok());
    let held: Vec<TcpListener> = free.take(count).collect();
    if held.len() < count {
        return None;
    }
    held.iter().map(|listener| Some(listener.local_addr().ok()?.port())).collect()
}

/// Where the range of outgoing connections begins (ip-sysctl: `ip_local_port_range`).
fn ephemeral_begin() -> u16 {
    let text = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    text.split_whitespace().next().and_then(|low| low.parse().ok()).unwrap_or(USUAL_EPHEMERAL)
}

/// Which block belongs to which cluster: a file a block, which names the cluster's folder. One process reads and writes it
/// at a time.
struct Book {
    folder: PathBuf,
    _lock: File,
}

impl Book {
    fn open() -> io::Result<Self> {
        let user = getuid().as_raw();
        let folder = std::env::temp_dir().join(format!("countersign-ports-{user}"));
        match DirBuilder::new().mode(0o700).create(&folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            Ok(()) | Err(_) => {}
        }
        if fs::symlink_metadata(&folder)?.uid() != user {
            let whose = format!("{} belongs to another user", folder.display());
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, whose));
        }
        let lock = File::create(folder.join("lock"))?;
        lock.lock()?;
        Ok(Self { folder, _lock: lock })
    }

    fn page(&self, first: u16) -> PathBuf {
        self.folder.join(first.to_string())
    }

    fn has_other(&self, first: u16, cluster: &Path) -> bool {
        let Ok(named) = fs::read_to_string(self.page(first)) else { return false };
        let named = Path::new(&named);
        named != cluster && named.exists()
    }

    fn note(&self, first: u16, cluster: &Path) -> io::Result<()> {
        fs::write(self.page(first), cluster.to_string_lossy().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn ports_are_given_once_and_outside_the_range_of_outgoing_connections() {
        let cluster = tempfile::tempdir().unwrap();
        let ports = free(30, cluster.path()).unwrap();
        assert!(ephemeral_begin() <= FIRST || ports.iter().all(|port| *port < ephemeral_begin()));
        assert_eq!(ports.iter().collect::<BTreeSet<_>>().len(), 30);
    }

    #[test]
    fn clusters_share_no_ports_as_long_as_their_folders_are_there() {
        let clusters: Vec<_> = (0..40).map(|_| tempfile::tempdir().unwrap()).collect();
        let mut given = BTreeSet::new();
        for cluster in &clusters {
            let ports = free(30, cluster.path()).unwrap();
            assert!(ports.into_iter().all(|port| given.insert(port)));
        }
    }
}
