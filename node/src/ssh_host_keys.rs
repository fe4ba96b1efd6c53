//! The gateway's SSH host key, from a file that the settings name. The same file on every node makes the nodes one host to
//! clients.

use countersign_core::secret::Secret;
use countersign_ssh::{HostKey, HostKeys};
use std::path::PathBuf;

/// What stands behind the name of a key's file in that of its certificate, as `ssh-keygen` has it.
const CERTIFICATE: &str = "-cert.pub";

/// The file of the host key.
#[derive(Debug)]
pub(crate) struct HostKeyFile(Option<PathBuf>);

impl HostKeyFile {
    pub(crate) fn of(file: Option<PathBuf>) -> Self {
        Self(file)
    }
}

impl HostKeys for HostKeyFile {
    fn current(&self) -> Vec<HostKey> {
        let Some(file) = &self.0 else { return Vec::new() };
        let mut certificate = file.clone().into_os_string();
        certificate.push(CERTIFICATE);
        match std::fs::read(file) {
            Ok(key) => {
                let certificate = std::fs::read_to_string(certificate).ok();
                vec![HostKey { key: Secret::new(key), certificate }]
            }
            Err(error) => {
                tracing::error!(%error, "the file of listen.ssh_host_key_file cannot be read");
                Vec::new()
            }
        }
    }
}
