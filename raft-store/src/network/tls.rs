//! The TLS of connections between nodes: both sides present a certificate of the cluster's own authority, TLS 1.3 only,
//! and the material can be exchanged while connections are open (they keep what they have; new ones use the new).

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::peer_name::ClusterName;
use crate::raft_types::NodeId;

/// HTTP/2, the only protocol spoken.
const ALPN: &[u8] = b"h2";

/// Certificates and key as PEM.
#[derive(Clone)]
pub struct TlsMaterial {
    /// The authority (or authorities, during a change) that signs the nodes' certificates, and nothing else.
    pub authority_pem: String,
    /// This node's certificate and what leads from it to the authority.
    pub chain_pem: String,
    /// The key of that certificate.
    pub key_pem: String,
}

impl std::fmt::Debug for TlsMaterial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsMaterial").finish_non_exhaustive()
    }
}

/// Why material is refused.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Not PEM, or not what is expected there.
    #[error("the {what} cannot be read")]
    Pem {
        /// Which of the three.
        what: &'static str,
        /// What is wrong with it.
        #[source]
        source: rustls_pki_types::pem::Error,
    },
    /// A part has nothing in it.
    #[error("the {0} is empty")]
    Empty(&'static str),
    /// The parts do not fit together.
    #[error("the certificates and the key do not fit")]
    Unfit(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The certificate is another node's.
    #[error("the certificate is not that of {0}")]
    AnotherName(String),
}

struct Configs {
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
}

/// The material in use.
pub(crate) struct Tls {
    cluster: ClusterName,
    node: NodeId,
    configs: ArcSwap<Configs>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls")
            .field("cluster", &self.cluster)
            .field("node", &self.node)
            .finish_non_exhaustive()
    }
}

impl Tls {
    pub(crate) fn new(
        cluster: ClusterName,
        node: NodeId,
        material: &TlsMaterial,
    ) -> Result<Self, TlsError> {
        let configs = ArcSwap::from_pointee(configs(&cluster, node, material)?);
        Ok(Self { cluster, node, configs })
    }

    /// Uses other material from the next connection on. Nothing changes when it is refused.
    pub(crate) fn replace(&self, material: &TlsMaterial) -> Result<(), TlsError> {
        self.configs.store(Arc::new(configs(&self.cluster, self.node, material)?));
        Ok(())
    }

    pub(crate) fn cluster(&self) -> &ClusterName {
        &self.cluster
    }

    pub(crate) fn client(&self) -> Arc<ClientConfig> {
        self.configs.load().client.clone()
    }

    pub(crate) fn server(&self) -> Arc<ServerConfig> {
        self.configs.load().server.clone()
    }
}

fn configs(
    cluster: &ClusterName,
    node: NodeId,
    material: &TlsMaterial,
) -> Result<Configs, TlsError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let authority = certificates("authority", &material.authority_pem)?;
    let chain = certificates("certificate chain", &material.chain_pem)?;
    if chain.first().and_then(|leaf| cluster.node_of(leaf)) != Some(node) {
        return Err(TlsError::AnotherName(cluster.node_name(node)));
    }
    let key = PrivateKeyDer::from_pem_slice(material.key_pem.as_bytes())
        .map_err(|source| TlsError::Pem { what: "key", source })?;
    let mut roots = RootCertStore::empty();
    for certificate in authority {
        roots.add(certificate).map_err(unfit)?;
    }
    let roots = Arc::new(roots);
    let client = client(provider.clone(), roots.clone(), chain.clone(), key.clone_key())?;
    let server = server(provider, roots, chain, key)?;
    Ok(Configs { client: Arc::new(client), server: Arc::new(server) })
}

fn client(
    provider: Arc<CryptoProvider>,
    roots: Arc<RootCertStore>,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<ClientConfig, TlsError> {
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(unfit)?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .map_err(unfit)?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(config)
}

fn server(
    provider: Arc<CryptoProvider>,
    roots: Arc<RootCertStore>,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<ServerConfig, TlsError> {
    let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider.clone())
        .build()
        .map_err(unfit)?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(unfit)?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .map_err(unfit)?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    // A resumed session would keep a peer's old certificate alive.
    config.send_tls13_tickets = 0;
    Ok(config)
}

fn unfit(source: impl std::error::Error + Send + Sync + 'static) -> TlsError {
    TlsError::Unfit(Box::new(source))
}

fn certificates(what: &'static str, pem: &str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates = CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|source| TlsError::Pem { what, source })?;
    if certificates.is_empty() { Err(TlsError::Empty(what)) } else { Ok(certificates) }
}
