//! Keys and certificates of the peer plane: one authority, one certificate a node, ECDSA P-256. The name in a certificate
//! says which node of which cluster holds the key; whatever a request asks for is ignored.

use super::ClusterError;
use countersign_core::id::NodeId;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData,
};
use sha2::{Digest, Sha256};
use std::fmt;

/// A key and a certificate for it.
#[derive(Clone)]
pub struct Made {
    /// The certificate, PEM.
    pub certificate_pem: String,
    /// The key, PEM.
    pub key_pem: String,
}

impl fmt::Debug for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Made").finish_non_exhaustive()
    }
}

/// The name that a node's certificate carries.
pub(super) fn node_name(cluster: &str, node: NodeId) -> String {
    format!("node-{node}.{cluster}.countersign.internal")
}

/// Makes an authority for a cluster. It signs nothing but certificates of nodes, and no further authorities.
pub(crate) fn authority(cluster: &str) -> Result<Made, ClusterError> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(DnType::CommonName, format!("Countersign peers of {cluster}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let certificate = params.self_signed(&key)?;
    Ok(Made { certificate_pem: certificate.pem(), key_pem: key.serialize_pem() })
}

/// A key and a request for a certificate.
pub(super) fn request() -> Result<(KeyPair, String), ClusterError> {
    let key = KeyPair::generate()?;
    let request = request_for(&key)?;
    Ok((key, request))
}

/// A request for a certificate of this key, PEM.
pub(super) fn request_for(key: &KeyPair) -> Result<String, ClusterError> {
    Ok(CertificateParams::new(Vec::new())?.serialize_request(key)?.pem()?)
}

/// The certificate of a node, for the key of its request.
pub(super) fn sign(
    ca_pem: &str,
    ca_key_pem: &str,
    request_pem: &str,
    name: &str,
) -> Result<String, ClusterError> {
    let issuer = Issuer::from_ca_cert_pem(ca_pem, KeyPair::from_pem(ca_key_pem)?)?;
    let request = CertificateSigningRequestParams::from_pem(request_pem)?;
    let mut params = CertificateParams::new(vec![name.to_owned()])?;
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    // RFC 5280, section 4.2.1.12: both sides of a connection between nodes present it.
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params.use_authority_key_identifier_extension = true;
    Ok(params.signed_by(&request.public_key, &issuer)?.pem())
}

/// SHA-256 of the public key in a request, whose signature is checked.
pub(super) fn requested_key(request_pem: &str) -> Result<[u8; 32], ClusterError> {
    let request = CertificateSigningRequestParams::from_pem(request_pem)?;
    Ok(Sha256::digest(request.public_key.der_bytes()).into())
}

/// SHA-256 of a certificate's DER.
pub(super) fn certificate_sha256(pem: &str) -> Option<[u8; 32]> {
    use rustls_pki_types::{CertificateDer, pem::PemObject};
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).ok()?;
    Some(Sha256::digest(&der).into())
}
