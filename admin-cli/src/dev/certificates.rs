//! The authority of a development cluster's listeners and the one certificate they share. Nodes among themselves use
//! the cluster's own authority, which this is not.

use super::directory::Directory;
use crate::files;
use anyhow::Context as _;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

/// Makes authority, certificate and key. The authority's key is not kept: nothing can be signed by it later.
pub(super) fn make(directory: &Directory) -> anyhow::Result<()> {
    let authority_key = KeyPair::generate().context("cannot make a key")?;
    let mut authority = CertificateParams::default();
    authority.distinguished_name.push(DnType::CommonName, "Countersign development");
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let authority_certificate =
        authority.self_signed(&authority_key).context("cannot make the authority")?;
    let issuer = Issuer::new(authority, authority_key);

    let key = KeyPair::generate().context("cannot make a key")?;
    let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let mut listener = CertificateParams::new(names).context("cannot make the certificate")?;
    listener.distinguished_name.push(DnType::CommonName, "Countersign development listener");
    listener.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    listener.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let certificate = listener.signed_by(&key, &issuer).context("cannot make the certificate")?;

    let tls = directory.tls();
    files::write_private(&directory.ca_file(), authority_certificate.pem())?;
    files::write_private(&tls.join("listener.crt"), certificate.pem())?;
    files::write_private(&tls.join("listener.key"), key.serialize_pem())
}
