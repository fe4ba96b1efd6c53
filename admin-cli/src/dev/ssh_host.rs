//! SSH in a development cluster: the host that becomes a target, and the key by which clients know the nodes.

use super::directory::Directory;
use crate::{cli::UpOptions, cluster::known_hosts, failure::Failure, files};
use anyhow::Context as _;
use countersign_api::Client;
use std::path::PathBuf;

/// A host that becomes a target.
#[derive(Debug)]
pub(super) struct SshHost {
    pub(super) address: String,
    pub(super) user: String,
    pub(super) key: PathBuf,
    pub(super) host_keys: Vec<String>,
}

/// The host that was asked for. Its key must be given with it: no key is believed unseen.
pub(super) fn read(wanted: &UpOptions) -> Result<Option<SshHost>, Failure> {
    let Some(address) = wanted.ssh.clone() else { return Ok(None) };
    let (Some(key), Some(known)) = (&wanted.ssh_key, &wanted.ssh_host_key) else {
        let message = "--ssh needs --ssh-key (to log in with) and --ssh-host-key (its own)";
        return Err(Failure::usage(message));
    };
    let text = files::read_text(known)?;
    let host_keys: Vec<_> =
        text.lines().map(str::to_owned).filter(|line| !line.is_empty()).collect();
    let key = std::path::absolute(key).context("cannot use --ssh-key")?;
    let Some(user) = wanted.ssh_user.clone().or_else(|| std::env::var("USER").ok()) else {
        return Err(Failure::usage("say --ssh-user: USER is not set"));
    };
    Ok(Some(SshHost { address, user, key, host_keys }))
}

/// Writes the file by which clients know the cluster's key at these ports.
pub(super) async fn write_known_hosts(
    directory: &Directory,
    client: &Client,
    ports: &[u16],
) -> Result<(), Failure> {
    let keys = client.ssh_keys().await?.body;
    let hosts: Vec<_> = ports.iter().map(|port| format!("[127.0.0.1]:{port}")).collect();
    let text = known_hosts(&keys, &hosts.join(",")).join("\n") + "\n";
    Ok(files::write_private(&directory.ssh_known_hosts(), text)?)
}
