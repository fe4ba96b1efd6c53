//! SSH targets as the adapter uses them.

use super::Unusable;
use countersign_api::resource::{SshRole, SshTarget as Definition};
use countersign_core::target::TargetName;
use countersign_edge::{Keepalive, SecretError, SecretReference};
use countersign_ssh::{HostTrust, RoleProof, SshTarget, TargetRole};

/// The target that is defined.
pub(super) fn target(
    name: TargetName,
    definition: Definition,
    keepalive: Keepalive,
) -> Result<SshTarget, Unusable> {
    let (host, port) = definition.address().ok_or(countersign_api::resource::AddressError)?;
    let Definition { host_keys, host_authorities, host_name, roles, address: _ } = definition;
    let certified = host_name.unwrap_or_else(|| host.clone());
    let trust = HostTrust::new(&host_keys, &host_authorities, certified)?;
    let roles = roles
        .into_iter()
        .map(|(name, definition)| Ok((name, role(definition)?)))
        .collect::<Result<_, SecretError>>()?;
    Ok(SshTarget { name, host, port, trust, roles, keepalive })
}

fn role(SshRole { user, key, certificate, default }: SshRole) -> Result<TargetRole, SecretError> {
    let read =
        |reference: Option<String>| reference.as_deref().map(SecretReference::parse).transpose();
    let proof = match (read(key)?, read(certificate)?) {
        (Some(key), Some(certificate)) => RoleProof::Certificate { key, certificate },
        (Some(key), None) => RoleProof::Key(key),
        // A certificate without its key is refused where it is defined.
        (None, Some(_) | None) => RoleProof::Certified,
    };
    Ok(TargetRole { user, proof, is_default: default })
}
