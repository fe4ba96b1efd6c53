//! The keys by which SSH clients know the gateway: the cluster's own, which all its nodes have and which may be rotated, or
//! one of a file that the settings name, which is read once.

use crate::{
    clock::now_ms,
    cluster::ClusterKey,
    ssh_keys::{self, SshKeyError},
};
use countersign_edge::{SecretError, SecretReference};
use countersign_raft_store::handle::Store;
use countersign_ssh::{HostKey, HostKeys};
use ssh_key::{Certificate, PrivateKey};
use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// What stands behind the name of a key's file in that of its certificate, as `ssh-keygen` has it.
const CERTIFICATE: &str = "-cert.pub";
/// How long the cluster's keys are shown before they are looked up again, and certified anew. Whoever connects can make a
/// node do that.
const FRESH: Duration = Duration::from_secs(10);

/// Why a host key of the settings is not used.
#[derive(Debug, thiserror::Error)]
pub enum HostKeyError {
    /// One of its files cannot be read.
    #[error("{}", file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// Why.
        #[source]
        source: SecretError,
    },
    /// It is not known whether there is a certificate.
    #[error("{}", file.display())]
    Look {
        /// Which file it would be.
        file: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// One of its files holds something else.
    #[error("{}", file.display())]
    Content {
        /// Which.
        file: PathBuf,
        /// Why.
        #[source]
        source: ssh_key::Error,
    },
    /// The certificate is not one of this key as a host's.
    #[error("{} is no host certificate of the key beside it", file.display())]
    Certificate {
        /// Which.
        file: PathBuf,
    },
}

/// A host key of a file.
#[derive(Debug)]
pub(crate) struct HostKeyFile(HostKey);

impl HostKeyFile {
    /// Reads it, and its certificate where there is one.
    pub(crate) async fn read(file: &Path) -> Result<Self, HostKeyError> {
        let key = SecretReference::File(file.to_owned()).resolve().await;
        let key = key.map_err(|source| HostKeyError::File { file: file.to_owned(), source })?;
        let read = PrivateKey::from_openssh(key.expose())
            .map_err(|source| HostKeyError::Content { file: file.to_owned(), source })?;
        let mut beside = file.to_owned().into_os_string();
        beside.push(CERTIFICATE);
        let certificate = certificate(&read, PathBuf::from(beside)).await?;
        Ok(Self(HostKey { key, certificate }))
    }
}

impl HostKeys for HostKeyFile {
    fn current(&self) -> Vec<HostKey> {
        vec![self.0.clone()]
    }
}

async fn certificate(key: &PrivateKey, file: PathBuf) -> Result<Option<String>, HostKeyError> {
    match tokio::fs::try_exists(&file).await {
        Ok(true) => {}
        Ok(false) => return Ok(None),
        Err(source) => return Err(HostKeyError::Look { file, source }),
    }
    let text = match SecretReference::File(file.clone()).resolve().await {
        Ok(text) => text,
        Err(source) => return Err(HostKeyError::File { file, source }),
    };
    let line = text.expose_text().unwrap_or_default();
    let read = match Certificate::from_openssh(line) {
        Ok(read) => read,
        Err(source) => return Err(HostKeyError::Content { file, source }),
    };
    if !read.cert_type().is_host() || read.public_key() != key.public_key().key_data() {
        return Err(HostKeyError::Certificate { file });
    }
    Ok(Some(line.to_owned()))
}

/// The cluster's own keys.
#[derive(Debug)]
pub(crate) struct ClusterHostKeys {
    store: Store,
    cluster_key: Arc<ClusterKey>,
    /// Names of the gateway beside those of its nodes.
    names: Vec<String>,
    shown: Mutex<Option<(Instant, Vec<HostKey>)>>,
}

impl ClusterHostKeys {
    /// Those of this state.
    pub(crate) fn of(store: Store, cluster_key: Arc<ClusterKey>, names: Vec<String>) -> Self {
        Self { store, cluster_key, names, shown: Mutex::new(None) }
    }

    fn open(&self) -> Result<Vec<HostKey>, SshKeyError> {
        let view = self.store.view()?;
        ssh_keys::host_keys(&view, &self.cluster_key, &self.names, now_ms())
    }
}

impl HostKeys for ClusterHostKeys {
    fn current(&self) -> Vec<HostKey> {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        match &*shown {
            Some((since, keys)) if since.elapsed() < FRESH => return keys.clone(),
            Some(_) | None => {}
        }
        match self.open() {
            Ok(keys) => {
                *shown = Some((Instant::now(), keys.clone()));
                keys
            }
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, "the cluster's host keys for SSH cannot be had");
                Vec::new()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, process::Command};

    fn made(arguments: &[&str], folder: &Path) {
        let done =
            Command::new("ssh-keygen").arg("-q").args(arguments).current_dir(folder).status();
        assert!(done.unwrap().success(), "{arguments:?}");
    }

    #[tokio::test]
    async fn a_file_is_read_with_its_certificate_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["key", "other", "authority"] {
            made(&["-t", "ed25519", "-N", "", "-f", name], folder.path());
        }
        let read = HostKeyFile::read(&at("key")).await.unwrap().0;
        assert_eq!(read.certificate, None);
        made(&["-s", "authority", "-h", "-I", "gate", "-n", "gate.test", "key.pub"], folder.path());
        let read = HostKeyFile::read(&at("key")).await.unwrap().0;
        assert!(read.certificate.unwrap().starts_with("ssh-ed25519-cert-v01@openssh.com "));

        made(&["-s", "authority", "-h", "-I", "x", "-n", "x", "other.pub"], folder.path());
        fs::rename(at("other-cert.pub"), at("key-cert.pub")).unwrap();
        let another = HostKeyFile::read(&at("key")).await;
        assert!(matches!(another, Err(HostKeyError::Certificate { .. })), "{another:?}");
        made(&["-s", "authority", "-I", "x", "-n", "x", "key.pub"], folder.path());
        let users = HostKeyFile::read(&at("key")).await;
        assert!(matches!(users, Err(HostKeyError::Certificate { .. })), "{users:?}");
        fs::write(at("key-cert.pub"), "nothing").unwrap();
        let nothing = HostKeyFile::read(&at("key")).await;
        assert!(matches!(nothing, Err(HostKeyError::Content { .. })), "{nothing:?}");
        fs::write(at("key"), vec![b'x'; 1024 * 1024]).unwrap();
        let long = HostKeyFile::read(&at("key")).await;
        assert!(matches!(long, Err(HostKeyError::File { .. })), "{long:?}");
        let none = HostKeyFile::read(&at("none")).await;
        assert!(matches!(none, Err(HostKeyError::File { .. })), "{none:?}");
    }
}
