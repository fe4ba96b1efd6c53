//! The certificate of the API and protocol listeners. The nodes among themselves use another one, of another authority,
//! which `raft-store` handles.

use crate::config::Tls;
use countersign_postgres::AnyCertificate;
use rustls::{ConfigBuilder, ServerConfig, crypto::CryptoProvider, server::WantsServerCert};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// Why a listener has no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is not the PEM it should be.
    #[error("cannot read {what} from {}", path.display())]
    Pem {
        /// What was looked for.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: rustls_pki_types::pem::Error,
    },
    /// A file holds no certificate.
    #[error("there is no certificate in {}", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The certificate and the key cannot be used together.
    #[error("the certificate and the key cannot be used")]
    Unusable(#[source] rustls::Error),
    /// No provider of cryptography was installed.
    #[error("no provider of cryptography is installed")]
    NoProvider,
}

/// Installs aws-lc as the provider of cryptography of the whole process. Does nothing the second time.
pub fn install_provider() {
    // An error says that one is installed already: by an earlier call, as nothing else in the process installs one.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
}

/// Whether clients are asked for a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clients {
    /// They are not.
    Unasked,
    /// They are, and may have none. Whose it is looks the gate at.
    Asked,
}

fn begun(clients: Clients) -> Result<ConfigBuilder<ServerConfig, WantsServerCert>, TlsError> {
    let provider = CryptoProvider::get_default().ok_or(TlsError::NoProvider)?;
    let config = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Unusable)?;
    Ok(match clients {
        Clients::Unasked => config.with_no_client_auth(),
        Clients::Asked => {
            config.with_client_cert_verifier(Arc::new(AnyCertificate::new(Arc::clone(provider))))
        }
    })
}

/// TLS of a listener that offers the protocols `alpn` (RFC 7301), in order of preference.
pub fn server_config(
    settings: &Tls,
    alpn: &[&[u8]],
    clients: Clients,
) -> Result<Arc<ServerConfig>, TlsError> {
    let chain = certificates(&settings.cert_file)?;
    let key = PrivateKeyDer::from_pem_file(&settings.key_file).map_err(|source| TlsError::Pem {
        what: "a private key",
        path: settings.key_file.clone(),
        source,
    })?;
    let mut config = begun(clients)?.with_single_cert(chain, key).map_err(TlsError::Unusable)?;
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(Arc::new(config))
}

/// The certificates of a PEM file, of which there must be one at least.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = |source| TlsError::Pem { what: "certificates", path: path.to_owned(), source };
    let found = CertificateDer::pem_file_iter(path)
        .map_err(pem)?
        .collect::<Result<Vec<_>, _>>()
        .map_err(pem)?;
    if found.is_empty() { Err(TlsError::Empty { path: path.to_owned() }) } else { Ok(found) }
}
