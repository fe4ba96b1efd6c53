//! A certificate that a client showed: whether this cluster issued it for a client, whether its time is now, and which
//! credential it is. That the client has its key was seen in the handshake; whose it is says the state.

use super::authority::SERIAL_BEGINS;
use countersign_core::id::CredentialId;
use rustls::{
    RootCertStore,
    crypto::CryptoProvider,
    server::{VerifierBuilderError, WebPkiClientVerifier},
};
use rustls_pki_types::{CertificateDer, UnixTime, pem::PemObject};
use sha2::{Digest, Sha256};
use std::{sync::Arc, time::Duration};
use x509_parser::parse_x509_certificate;

/// The longest certificate that is looked at, in bytes. One of ours has a tenth of it.
const MAX_CERTIFICATE: usize = 16 * 1024;

/// What a certificate says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Presented {
    /// Which credential it is.
    pub(crate) credential: CredentialId,
    /// SHA-256 of its public key.
    pub(crate) key_sha256: [u8; 32],
}

/// Why a certificate is not accepted. For the log: who showed it hears none of this.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CertificateError {
    #[error("it is longer than {MAX_CERTIFICATE} bytes")]
    TooLong,
    #[error("the authority of the cluster's credentials cannot be used")]
    Authority(#[source] VerifierBuilderError),
    #[error("there is no authority of the cluster's credentials")]
    NoAuthority,
    #[error("no provider of cryptography is installed")]
    NoProvider,
    #[error("it is not a client's certificate of this cluster, or its time is not now")]
    Chain(#[source] rustls::Error),
    #[error("it cannot be read")]
    Unreadable,
    #[error("its serial number names no credential")]
    Serial,
}

impl Presented {
    /// Checks a certificate. Others that came with it are not looked at: the authority signs credentials directly.
    pub(crate) fn read(
        certificate: &[u8],
        authority_pem: &str,
        now_ms: u64,
    ) -> Result<Self, CertificateError> {
        if certificate.len() > MAX_CERTIFICATE {
            return Err(CertificateError::TooLong);
        }
        let shown = CertificateDer::from(certificate);
        let mut roots = RootCertStore::empty();
        let authority = CertificateDer::from_pem_slice(authority_pem.as_bytes())
            .map_err(|_| CertificateError::NoAuthority)?;
        roots.add(authority).map_err(CertificateError::Chain)?;
        let provider = CryptoProvider::get_default().ok_or(CertificateError::NoProvider)?;
        let now = UnixTime::since_unix_epoch(Duration::from_millis(now_ms));
        // Chain, times, basic constraints and extended key usage, as for any client (RFC 5280, section 6).
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
            .build()
            .map_err(CertificateError::Authority)?
            .verify_client_cert(&shown, &[], now)
            .map_err(CertificateError::Chain)?;
        let (_, read) =
            parse_x509_certificate(certificate).map_err(|_| CertificateError::Unreadable)?;
        let credential = match read.raw_serial() {
            [SERIAL_BEGINS, id @ ..] => id.try_into().map(CredentialId::from_bytes),
            _other => return Err(CertificateError::Serial),
        };
        Ok(Self {
            credential: credential.map_err(|_| CertificateError::Serial)?,
            key_sha256: Sha256::digest(&read.public_key().subject_public_key.data).into(),
        })
    }
}
