//! A certificate that an agent showed: whether this cluster issued it for an agent, whether it counts now, for this login and
//! from here, and which credential it is. That the agent has its key was seen by the adapter; whose it is says the state.

use super::{
    SourceList,
    certificate::{SOURCE_ADDRESS, counts_for},
};
use countersign_core::id::CredentialId;
use sha2::{Digest, Sha256};
use ssh_key::{Certificate, Fingerprint};
use std::net::IpAddr;

/// The longest certificate that is looked at, in bytes. One of ours for the longest key has a quarter of it.
const MAX_CERTIFICATE: usize = 16 * 1024;

/// What a certificate says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PresentedSsh {
    /// Which credential it is.
    pub(crate) credential: CredentialId,
    /// SHA-256 of its public key, as it is sent.
    pub(crate) key_sha256: [u8; 32],
}

/// Why a certificate is not accepted. For the log: who showed it hears none of this.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SshCertificateError {
    #[error("it is longer than {MAX_CERTIFICATE} bytes")]
    TooLong,
    #[error("it cannot be read")]
    Unreadable,
    #[error("it is a host's")]
    Host,
    #[error("it is not an agent's certificate of this cluster, or its time is not now")]
    Authority,
    #[error("it does not count for this login")]
    Principal,
    #[error("it has a critical option that is not understood")]
    Option,
    #[error("it does not count from this address")]
    Address,
    #[error("it names no credential")]
    KeyId,
}

impl PresentedSsh {
    /// Checks a certificate by the authorities of agents' certificates.
    pub(crate) fn read(
        certificate: &[u8],
        authorities: &[Fingerprint],
        (user, from, now_ms): (&str, IpAddr, u64),
    ) -> Result<Self, SshCertificateError> {
        if certificate.len() > MAX_CERTIFICATE {
            return Err(SshCertificateError::TooLong);
        }
        let read = Certificate::from_bytes(certificate)
            .map_err(|_unreadable| SshCertificateError::Unreadable)?;
        if !read.cert_type().is_user() {
            return Err(SshCertificateError::Host);
        }
        read.validate_at(now_ms / 1000, authorities)
            .map_err(|_invalid| SshCertificateError::Authority)?;
        // PROTOCOL.certkeys: without principals a certificate counts for all. We sign none, and take none.
        if !read.valid_principals().iter().any(|principal| counts_for(principal, user)) {
            return Err(SshCertificateError::Principal);
        }
        for (name, value) in read.critical_options().iter() {
            // "If an implementation does not recognise an option, then the validating party should refuse".
            if name != SOURCE_ADDRESS {
                return Err(SshCertificateError::Option);
            }
            let list = SourceList::read(value).ok_or(SshCertificateError::Option)?;
            if !list.has(from) {
                return Err(SshCertificateError::Address);
            }
        }
        let credential: CredentialId =
            read.key_id().parse().map_err(|_| SshCertificateError::KeyId)?;
        let key = ssh_key::PublicKey::from(read.public_key().clone());
        let key = key.to_bytes().map_err(|_unreadable| SshCertificateError::Unreadable)?;
        Ok(Self { credential, key_sha256: Sha256::digest(&key).into() })
    }
}

#[cfg(test)]
mod tests;
