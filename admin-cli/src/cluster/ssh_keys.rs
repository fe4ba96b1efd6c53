//! `cluster ssh-keys` and `cluster rotate-ssh-key`: what agents and targets pin of the cluster's keys for SSH.

use crate::{
    cli::SshRole,
    failure::Failure,
    output::{self, Terminal},
};
use countersign_api::{
    Client,
    ssh_keys::{RotateRequest, SshKeyRole, SshKeys},
};
use std::time::Duration;

/// Shows the keys: as a table, or as lines of a `known_hosts` file for these hosts.
pub(super) async fn show(
    client: &Client,
    hosts: Option<&str>,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let keys = client.ssh_keys().await?.body;
    let Some(hosts) = hosts else { return answer(&keys, terminal) };
    for line in known_hosts(&keys, hosts) {
        terminal.line(&line)?;
    }
    Ok(())
}

/// Has a new key made.
pub(super) async fn rotate(
    client: &Client,
    role: SshRole,
    overlap: Duration,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let role = match role {
        SshRole::Host => SshKeyRole::Host,
        SshRole::HostAuthority => SshKeyRole::HostAuthority,
        SshRole::AgentAuthority => SshKeyRole::AgentAuthority,
        SshRole::SessionAuthority => SshKeyRole::SessionAuthority,
    };
    let request = RotateRequest { role, overlap_seconds: overlap.as_secs() };
    let keys = client.rotate_ssh_key(&request).await?.body;
    answer(&keys, terminal)
}

fn answer(keys: &SshKeys, terminal: &mut Terminal) -> Result<(), Failure> {
    terminal.answer(keys, |keys, _| {
        let rows = keys.keys.iter().map(|key| {
            [
                key.role.name().to_owned(),
                key.number.to_string(),
                key.used_from.to_string(),
                key.fingerprint.clone(),
                key.public_key.clone(),
            ]
        });
        output::table(["role", "number", "used from", "fingerprint", "key"], rows)
    })
}

/// The authority of host certificates, and the host keys themselves for clients that know no certificates.
pub(crate) fn known_hosts(keys: &SshKeys, hosts: &str) -> Vec<String> {
    let lines = keys.keys.iter().filter_map(|key| match key.role {
        SshKeyRole::Host => Some(format!("{hosts} {}", key.public_key)),
        SshKeyRole::HostAuthority => Some(format!("@cert-authority {hosts} {}", key.public_key)),
        SshKeyRole::AgentAuthority | SshKeyRole::SessionAuthority => None,
    });
    lines.collect()
}
