//! The authority of agents' credentials: made with the cluster, its key sealed in the replicated state and opened for the
//! moment of signing.

use crate::cluster::{ClusterError, ClusterKey, Made, Purpose};
use countersign_core::id::CredentialId;
use countersign_raft_store::{records::ClusterRecord, reply::CredentialLife};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData,
    SerialNumber, date_time_ymd,
};
use sha2::{Digest, Sha256};
use std::time::Duration;

/// How far before its issue a certificate counts: the clocks of the nodes differ.
const BACKDATED: Duration = Duration::from_mins(1);
/// The longest common name (RFC 5280, appendix A.1, `ub-common-name`), in characters.
const MAX_COMMON_NAME: usize = 64;
/// The first byte of a serial number, which keeps it positive and of one length; the credential's id follows.
pub(super) const SERIAL_BEGINS: u8 = 1;

/// Makes the authority of a cluster.
pub(crate) fn make_authority(cluster: &str) -> Result<Made, ClusterError> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(Vec::new())?;
    let name = format!("Countersign credentials of {cluster}");
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let certificate = params.self_signed(&key)?;
    Ok(Made { certificate_pem: certificate.pem(), key_pem: key.serialize_pem() })
}

/// A key that somebody has, and wants a certificate for. Whatever else the request asks for is ignored.
pub(crate) struct Bearer(CertificateSigningRequestParams);

impl Bearer {
    /// Reads a request (PKCS#10, PEM), whose signature shows that its sender has the key.
    pub(crate) fn of(request_pem: &str) -> Result<Self, rcgen::Error> {
        CertificateSigningRequestParams::from_pem(request_pem).map(Self)
    }

    /// SHA-256 of the public key.
    pub(crate) fn key_sha256(&self) -> [u8; 32] {
        Sha256::digest(self.0.public_key.der_bytes()).into()
    }
}

/// The authority of a cluster.
#[derive(Debug)]
pub(crate) struct CredentialAuthority<'a> {
    cluster: &'a ClusterRecord,
    key: &'a ClusterKey,
}

impl<'a> CredentialAuthority<'a> {
    pub(crate) fn of(cluster: &'a ClusterRecord, key: &'a ClusterKey) -> Self {
        Self { cluster, key }
    }

    /// The certificate of a credential that is in the state, PEM. The name in it is for people.
    pub(crate) fn sign(
        &self,
        bearer: &Bearer,
        (id, name): (CredentialId, &str),
        life: CredentialLife,
    ) -> Result<String, ClusterError> {
        let sealed = &self.cluster.sealed_credential_ca_key;
        let opened = self.key.open(Purpose::CredentialAuthority, &self.cluster.id, sealed)?;
        let ca_key = opened.expose_text().ok_or(ClusterError::Sealing)?;
        let issuer = Issuer::from_ca_cert_pem(
            &self.cluster.credential_ca_cert_pem,
            KeyPair::from_pem(ca_key)?,
        )?;
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name = DistinguishedName::new();
        let name: String = name.chars().take(MAX_COMMON_NAME).collect();
        params.distinguished_name.push(DnType::CommonName, name);
        params.serial_number =
            Some(SerialNumber::from([&[SERIAL_BEGINS][..], id.as_bytes()].concat()));
        let at = |ms: u64| date_time_ymd(1970, 1, 1) + Duration::from_millis(ms);
        params.not_before = at(life.issued_at.0) - BACKDATED;
        params.not_after = at(life.expires_at.0);
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        Ok(params.signed_by(&bearer.0.public_key, &issuer)?.pem())
    }
}
