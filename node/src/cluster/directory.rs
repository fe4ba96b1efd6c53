//! The data directory: whose it is, and the keys. Every file is written whole, synced, and renamed into place; what is
//! secret is readable by its owner only. The engine's folder beside it is the engine's own.

use super::{BOOTSTRAP_LIFE, ClusterError, ClusterKey, EnginePlan, recovery::OrderFile};
use crate::app::App;
use countersign_core::{id::NodeId, secret::Secret};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io::{ErrorKind, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

const MEMBER: &str = "member.json";
const JOINING: &str = "joining.json";
const FOUNDING: &str = "founding";
const ORDER: &str = "recovering.json";
const INIT_TOKEN: &str = "init-token";
const BOOTSTRAP_TOKEN: &str = "bootstrap-token";
const ENGINE: &str = "raft";
const CLUSTER_KEY: &str = "keys/cluster.key";
const CA: &str = "keys/peer-ca.crt";
const CERTIFICATE: &str = "keys/peer.crt";
const KEY: &str = "keys/peer.key";

/// The mode of folders that only the node's user may look into, and what of a mode is for others.
const PRIVATE: u32 = 0o700;
const OF_OTHERS: u32 = 0o077;

/// Whose the directory is. It is written last: with it, everything else is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberFile {
    /// The version of this file's format.
    pub version: u32,
    /// The cluster, hexadecimal.
    pub cluster_id: String,
    /// Its name.
    pub cluster_name: String,
    /// The node.
    pub node: u64,
}

/// A join that has begun. The same key and folder name are used until it succeeds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct JoiningFile {
    /// The version of this file's format.
    pub(super) version: u32,
    /// Names the engine's folder, hexadecimal.
    pub(super) storage: String,
}

/// The version of the files' format.
pub(super) const FILE_VERSION: u32 = 1;

/// The keys of a node.
#[derive(Debug)]
pub(super) struct Keys<'a> {
    pub(super) cluster_key: &'a ClusterKey,
    pub(super) ca_pem: &'a str,
    pub(super) certificate_pem: &'a str,
    pub(super) key_pem: &'a str,
}

/// The data directory.
#[derive(Debug, Clone)]
pub(super) struct Directory {
    path: PathBuf,
}

impl Directory {
    /// Opens it, making it where it is not there. What is left of a founding that was never finished is cleared away:
    /// nobody was told of that cluster.
    pub(super) async fn open(path: &Path) -> Result<Self, ClusterError> {
        let directory = Self { path: path.to_owned() };
        directory.blocking(Self::prepare).await?;
        Ok(directory)
    }

    /// Whether it is a member's.
    pub(super) fn is_member(path: &Path) -> bool {
        path.join(MEMBER).exists()
    }

    fn prepare(&self) -> Result<(), ClusterError> {
        let keys = self.path.join("keys");
        DirBuilder::new().recursive(true).mode(PRIVATE).create(&keys).map_err(at(&keys))?;
        fs::set_permissions(&keys, Permissions::from_mode(PRIVATE)).map_err(at(&keys))?;
        let mode = fs::metadata(&self.path).map_err(at(&self.path))?.permissions().mode();
        if mode & OF_OTHERS != 0 {
            tracing::warn!(
                path = %self.path.display(),
                "other users of this machine may look into the data directory: give it mode 0700"
            );
        }
        if self.path.join(MEMBER).exists() {
            self.forget_outlived_token()?;
        }
        if !self.path.join(FOUNDING).exists() {
            return Ok(());
        }
        if !self.path.join(MEMBER).exists() {
            self.forget_now(BOOTSTRAP_TOKEN)?;
            let engine = self.path.join(ENGINE);
            match fs::remove_dir_all(&engine) {
                Ok(()) => tracing::warn!("what an unfinished `cluster init` had left was removed"),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(at(&engine)(error)),
            }
        }
        self.forget_now(FOUNDING)
    }

    /// A bootstrap token that has outlived its hour is of no use to anyone.
    fn forget_outlived_token(&self) -> Result<(), ClusterError> {
        let path = self.path.join(BOOTSTRAP_TOKEN);
        let age = match fs::metadata(&path).and_then(|about| about.modified()) {
            Ok(written) => written.elapsed().unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(at(&path)(error)),
        };
        if age < BOOTSTRAP_LIFE { Ok(()) } else { self.forget_now(BOOTSTRAP_TOKEN) }
    }

    /// Runs file work where blocking is allowed.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, ClusterError> + Send + 'static,
    ) -> Result<T, ClusterError> {
        let directory = self.clone();
        let done = tokio::task::spawn_blocking(move || work(&directory)).await;
        done.unwrap_or(Err(ClusterError::Stopped))
    }

    pub(super) async fn member(&self) -> Result<Option<MemberFile>, ClusterError> {
        self.blocking(|directory| directory.json(MEMBER)).await
    }

    pub(super) async fn joining(&self) -> Result<Option<JoiningFile>, ClusterError> {
        self.blocking(|directory| directory.json(JOINING)).await
    }

    /// The key of a join that has begun.
    pub(super) async fn peer_key(&self) -> Result<String, ClusterError> {
        self.blocking(|directory| directory.text(KEY)).await
    }

    pub(super) async fn begin_joining(
        &self,
        joining: JoiningFile,
        key_pem: String,
    ) -> Result<(), ClusterError> {
        self.blocking(move |directory| {
            directory.write(KEY, key_pem.as_bytes())?;
            directory.write_json(JOINING, &joining)
        })
        .await
    }

    /// Says that a cluster is being founded here.
    pub(super) async fn begin_founding(&self) -> Result<(), ClusterError> {
        self.blocking(|directory| directory.write(FOUNDING, b"")).await
    }

    pub(super) async fn write_init_token(&self, token: &Secret) -> Result<PathBuf, ClusterError> {
        let bytes = Secret::new([token.expose(), b"\n"].concat());
        self.blocking(move |directory| {
            directory.write(INIT_TOKEN, bytes.expose())?;
            Ok(directory.path.join(INIT_TOKEN))
        })
        .await
    }

    /// Keeps the bootstrap token where an administrator of the machine finds it when the answer to `init` was lost.
    pub(super) async fn write_bootstrap_token(&self, token: &Secret) -> Result<(), ClusterError> {
        let bytes = Secret::new([token.expose(), b"\n"].concat());
        self.blocking(move |directory| directory.write(BOOTSTRAP_TOKEN, bytes.expose())).await
    }

    pub(super) async fn write_keys(&self, keys: Keys<'_>) -> Result<(), ClusterError> {
        let files = [
            (CLUSTER_KEY, Secret::new(keys.cluster_key.expose())),
            (CA, Secret::new(keys.ca_pem)),
            (CERTIFICATE, Secret::new(keys.certificate_pem)),
            (KEY, Secret::new(keys.key_pem)),
        ];
        self.blocking(move |directory| {
            files.iter().try_for_each(|(name, content)| directory.write(name, content.expose()))
        })
        .await
    }

    /// The directory is a member's from now on.
    pub(super) async fn become_member(&self, member: MemberFile) -> Result<(), ClusterError> {
        self.blocking(move |directory| {
            directory.write_json(MEMBER, &member)?;
            [INIT_TOKEN, JOINING, FOUNDING].iter().try_for_each(|name| directory.forget_now(name))
        })
        .await
    }

    pub(super) async fn cluster_key(&self) -> Result<ClusterKey, ClusterError> {
        self.blocking(|directory| {
            let path = directory.path.join(CLUSTER_KEY);
            let bytes = fs::read(&path).map_err(at(&path))?;
            ClusterKey::of(&bytes).ok_or(ClusterError::Damaged { path })
        })
        .await
    }

    /// The engine's folder.
    pub(super) fn engine(&self) -> PathBuf {
        self.path.join(ENGINE)
    }

    /// The order of a recovery that is not carried out yet.
    pub(super) async fn order(&self) -> Result<Option<OrderFile>, ClusterError> {
        self.blocking(|directory| directory.json(ORDER)).await
    }

    pub(super) async fn write_order(&self, order: OrderFile) -> Result<(), ClusterError> {
        self.blocking(move |directory| directory.write_json(ORDER, &order)).await
    }

    pub(super) async fn forget_order(&self) -> Result<(), ClusterError> {
        self.blocking(|directory| directory.forget_now(ORDER)).await
    }

    pub(super) fn damaged_order(&self) -> ClusterError {
        ClusterError::Damaged { path: self.path.join(ORDER) }
    }

    /// Looks that the log of a member is there.
    pub(super) fn has_log(&self) -> Result<(), ClusterError> {
        let path = self.path.join(ENGINE);
        if path.is_dir() { Ok(()) } else { Err(ClusterError::LostLog { path }) }
    }

    /// What the engine of this member is started with.
    pub(super) async fn engine_plan(
        &self,
        app: &App,
        member: &MemberFile,
    ) -> Result<EnginePlan, ClusterError> {
        if member.version != FILE_VERSION {
            return Err(ClusterError::Damaged { path: self.path.join(MEMBER) });
        }
        let (ca_pem, certificate_pem, key_pem) = self
            .blocking(|directory| {
                Ok((directory.text(CA)?, directory.text(CERTIFICATE)?, directory.text(KEY)?))
            })
            .await?;
        let cluster = &app.config.cluster;
        Ok(EnginePlan {
            folder: self.path.join(ENGINE),
            cluster_name: member.cluster_name.clone(),
            node: NodeId(member.node),
            storage: None,
            ca_pem,
            certificate_pem,
            key_pem,
            listen: cluster.listen,
            // `check` has refused a configuration whose entries cannot be read.
            peer_overrides: app.config.peer_overrides().unwrap_or_default(),
            heartbeat: Duration::from_millis(cluster.heartbeat_ms),
            election: (
                Duration::from_millis(cluster.election_min_ms),
                Duration::from_millis(cluster.election_max_ms),
            ),
        })
    }

    fn text(&self, name: &str) -> Result<String, ClusterError> {
        let path = self.path.join(name);
        fs::read_to_string(&path).map_err(at(&path))
    }

    fn json<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, ClusterError> {
        let path = self.path.join(name);
        match fs::read(&path) {
            Ok(bytes) => {
                serde_json::from_slice(&bytes).map(Some).map_err(|_| ClusterError::Damaged { path })
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(at(&path)(error)),
        }
    }

    fn write_json(&self, name: &str, value: &impl Serialize) -> Result<(), ClusterError> {
        let damaged = |_| ClusterError::Damaged { path: self.path.join(name) };
        self.write(name, &serde_json::to_vec_pretty(value).map_err(damaged)?)
    }

    /// Writes a file whole: temporary file, sync, rename, sync of the folder.
    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), ClusterError> {
        let path = self.path.join(name);
        let temporary = path.with_extension("new");
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temporary)
            .map_err(at(&temporary))?;
        file.write_all(bytes).and_then(|()| file.sync_all()).map_err(at(&temporary))?;
        fs::rename(&temporary, &path).map_err(at(&path))?;
        sync_folder(&path)
    }

    fn forget_now(&self, name: &str) -> Result<(), ClusterError> {
        let path = self.path.join(name);
        match fs::remove_file(&path) {
            Ok(()) => sync_folder(&path),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(at(&path)(error)),
        }
    }
}

fn sync_folder(path: &Path) -> Result<(), ClusterError> {
    let folder = path.parent().unwrap_or(path);
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(at(folder))
}

fn at(path: &Path) -> impl FnOnce(std::io::Error) -> ClusterError {
    let path = path.to_owned();
    move |source| ClusterError::File { path, source }
}
