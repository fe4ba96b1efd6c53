//! SSH in a development cluster: the host that becomes a target, and the key by which clients know the nodes.

use super::directory::Directory;
use crate::{cli::UpOptions, failure::Failure, files};
use anyhow::{Context as _, bail};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use rcgen::{KeyPair, PKCS_ED25519, PublicKeyData as _};
use std::path::PathBuf;

/// The algorithm of the nodes' key, as SSH names it (RFC 8709).
const ALGORITHM: &str = "ssh-ed25519";

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

/// Makes the key of all nodes, and the file by which clients know it at these ports.
pub(super) fn make_own_key(directory: &Directory, ports: &[u16]) -> anyhow::Result<()> {
    let key = KeyPair::generate_for(&PKCS_ED25519).context("cannot make a key")?;
    let public = public_key(key.der_bytes())?;
    let known: Vec<_> = ports.iter().map(|port| format!("[127.0.0.1]:{port} {public}\n")).collect();
    files::write_private(&directory.ssh_host_key(), key.serialize_pem())?;
    files::write_private(&directory.ssh_known_hosts(), known.concat())
}

/// The line of a `.pub` file (RFC 8709, 4).
fn public_key(raw: &[u8]) -> anyhow::Result<String> {
    if raw.len() != 32 {
        bail!("an Ed25519 key has 32 bytes");
    }
    let blob: Vec<u8> = [ALGORITHM.as_bytes(), raw]
        .into_iter()
        .flat_map(|part| {
            // Both are far shorter than a length can say.
            let length = u32::try_from(part.len()).unwrap_or_default().to_be_bytes();
            [&length, part].concat()
        })
        .collect();
    Ok(format!("{ALGORITHM} {}", STANDARD.encode(blob)))
}
