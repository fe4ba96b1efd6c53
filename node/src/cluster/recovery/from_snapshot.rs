//! Going on from a snapshot, on an empty disk, under a number that no node had.

use super::{Lone, RecoverError, blocking, order};
use crate::{
    cluster::{
        ClusterKey, MemberFile, Purpose,
        directory::{Directory, FILE_VERSION},
    },
    config::Config,
};
use countersign_api::snapshot_file::SnapshotReader;
use countersign_core::{id::NodeId, secret::Secret};
use countersign_raft_store::{
    offline::Owner,
    recovery::{self, Contents},
};
use std::{
    fs::{self, File, OpenOptions},
    io::{BufReader, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// The opened snapshot, while it is being restored.
const OPENED: &str = "restoring.snapshot";

/// Makes a cluster of one node of a snapshot file, if the order names it.
pub async fn restore(
    config: &Config,
    (file, passphrase): (PathBuf, Secret),
    confirmed: Option<&str>,
) -> Result<String, RecoverError> {
    let directory = Directory::open(&config.data_dir).await?;
    let opened_path = config.data_dir.join(OPENED);
    for taken in [directory.engine(), config.data_dir.join("member.json")] {
        if taken.exists() {
            return Err(RecoverError::NotEmpty { path: taken });
        }
    }
    let path = opened_path.clone();
    let opened = blocking(move || open(&file, &passphrase, &path)).await;
    let done = match opened {
        Ok(opened) => begin(config, &directory, opened, confirmed).await,
        Err(error) => Err(error),
    };
    // It is the state in clear.
    match fs::remove_file(&opened_path) {
        Err(source) if done.is_ok() => Err(RecoverError::Io { path: opened_path, source }),
        Ok(()) | Err(_) => done,
    }
}

/// An opened snapshot.
struct Opened {
    path: PathBuf,
    contents: Contents,
    key: ClusterKey,
    taken: String,
}

/// Opens a snapshot file into `to`, and proves it to its last byte.
fn open(file: &Path, passphrase: &Secret, to: &Path) -> Result<Opened, RecoverError> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| RecoverError::Io { path, source }
    };
    let input = BufReader::new(File::open(file).map_err(at(file))?);
    let reader = SnapshotReader::new(input)?;
    let head = reader.head().clone();
    let (mut pieces, key) = reader.open(passphrase.expose())?;
    let mut output = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(to)
        .map_err(at(to))?;
    while let Some(piece) = pieces.piece()? {
        output.write_all(&piece).map_err(at(to))?;
    }
    output.sync_all().map_err(at(to))?;
    let contents = recovery::contents(File::open(to).map_err(at(to))?)?;
    let key = ClusterKey::of(key.expose()).ok_or(RecoverError::OtherCluster)?;
    let id = contents.cluster.id;
    let fits = key.open(Purpose::PeerAuthority, &id, &contents.cluster.sealed_ca_key);
    if hex::encode(id) != head.cluster_id || fits.is_err() {
        return Err(RecoverError::OtherCluster);
    }
    let taken = format!("the snapshot that node {} took at {}", head.node, head.taken_at);
    Ok(Opened { path: to.to_owned(), contents, key, taken })
}

async fn begin(
    config: &Config,
    directory: &Directory,
    opened: Opened,
    confirmed: Option<&str>,
) -> Result<String, RecoverError> {
    let Opened { path, contents, key, taken } = opened;
    let cluster = contents.cluster.name;
    let source = format!("{taken}, up to entry {}", contents.index);
    if confirmed != Some(cluster.as_str()) {
        let found = format!("Found: {source}, of cluster {cluster}.");
        return Err(RecoverError::NotConfirmed { found, cluster });
    }
    let node = NodeId(contents.last_node.0 + 1);
    if let Some(wanted) = config.node_id.filter(|wanted| *wanted != node.0) {
        return Err(RecoverError::OtherNumber { wanted, next: node.0 });
    }
    let storage: [u8; 16] = rand::random();
    let (id, name) = (contents.cluster.id, cluster.as_str());
    let lone = Lone { cluster_id: &id, cluster_name: name, node, storage, key: &key };
    order(directory, lone, source.clone()).await?;
    let (folder, named, owner) =
        (directory.engine(), (config.advertise(), storage), cluster.clone());
    blocking(move || {
        let owner = Owner { cluster: &owner, node: node.0 };
        Ok(recovery::restore(&folder, owner, named, &path)?)
    })
    .await?;
    // Last: with it, everything else is there.
    let member = MemberFile {
        version: FILE_VERSION,
        cluster_id: hex::encode(id),
        cluster_name: cluster,
        node: node.0,
    };
    directory.become_member(member).await?;
    Ok(source)
}
