//! What a login can be bound to: the TLS channel to the target, by the hash of the target's certificate
//! (`tls-server-end-point`, RFC 5929, section 4), and the gateway's own certificate, if it has one. It does not log in.

use super::DialError;
use crate::target::{ChannelBinding, ClientCertificate};
use postgres_protocol::authentication::sasl::{self, SCRAM_SHA_256, SCRAM_SHA_256_PLUS};
use rustls::{
    SignatureScheme, client::ResolvesClientCert, crypto::CryptoProvider, sign::CertifiedKey,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use sha2::{Digest, Sha256, Sha384, Sha512};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use x509_parser::{
    oid_registry::{
        OID_HASH_SHA1, OID_NIST_HASH_SHA256, OID_NIST_HASH_SHA384, OID_NIST_HASH_SHA512,
        OID_PKCS1_MD5WITHRSAENC, OID_PKCS1_RSASSAPSS, OID_PKCS1_SHA1WITHRSA,
        OID_PKCS1_SHA256WITHRSA, OID_PKCS1_SHA384WITHRSA, OID_PKCS1_SHA512WITHRSA,
        OID_SIG_ECDSA_WITH_SHA256, OID_SIG_ECDSA_WITH_SHA384, OID_SIG_ECDSA_WITH_SHA512,
    },
    parse_x509_certificate,
    signature_algorithm::RsaSsaPssParams,
    x509::AlgorithmIdentifier,
};

/// The channel of a connection to a target.
#[derive(Debug)]
pub(super) enum Channel {
    /// No TLS.
    Clear,
    /// TLS, with the hash of the target's certificate where one is defined for it.
    Tls { end_point: Option<Vec<u8>>, required: ChannelBinding },
}

impl Channel {
    /// The mechanism to log in with, of those that the target offers, and what it is bound to.
    ///
    /// The flag in the binding is what keeps anybody in between from taking the better mechanism out of the offer: "If the
    /// flag is set to 'y' and the server supports channel binding, the server MUST fail authentication" (RFC 5802,
    /// section 6).
    pub(super) fn mechanism(
        &self,
        offered: &[String],
    ) -> Result<(&'static str, sasl::ChannelBinding), DialError> {
        let offers = |mechanism: &str| offered.iter().any(|offer| offer == mechanism);
        let (end_point, required) = match self {
            // A target in clear that offers it believes that it speaks TLS: with somebody in between.
            Self::Clear if offers(SCRAM_SHA_256_PLUS) => {
                return Err(DialError::Downgrade("channel binding without TLS"));
            }
            Self::Clear => (None, ChannelBinding::Preferred),
            Self::Tls { end_point, required } => (end_point.clone(), *required),
        };
        match (end_point, required) {
            (Some(hash), _) if offers(SCRAM_SHA_256_PLUS) => {
                Ok((SCRAM_SHA_256_PLUS, sasl::ChannelBinding::tls_server_end_point(hash)))
            }
            (_, ChannelBinding::Required) => Err(DialError::Downgrade("no channel binding")),
            (_, ChannelBinding::Preferred) if !offers(SCRAM_SHA_256) => {
                Err(DialError::Downgrade("a mechanism other than SCRAM-SHA-256"))
            }
            (Some(_), ChannelBinding::Preferred) => {
                Ok((SCRAM_SHA_256, sasl::ChannelBinding::unrequested()))
            }
            (None, ChannelBinding::Preferred) => {
                Ok((SCRAM_SHA_256, sasl::ChannelBinding::unsupported()))
            }
        }
    }

    /// Whether a login that asks for no password will do.
    pub(super) fn without_password(&self) -> Result<(), DialError> {
        match self {
            Self::Clear | Self::Tls { required: ChannelBinding::Preferred, .. } => Ok(()),
            Self::Tls { required: ChannelBinding::Required, .. } => {
                Err(DialError::Downgrade("no channel binding"))
            }
        }
    }
}

/// The hash of a target's certificate: by the hash function of the certificate's signature, SHA-256 in place of those that
/// are too weak. None where that function is not one, as with Ed25519: then the binding is undefined.
pub(super) fn end_point(certificate: &CertificateDer<'_>) -> Option<Vec<u8>> {
    let (_, read) = parse_x509_certificate(certificate).ok()?;
    hash(&read.signature_algorithm).map(|hash| hash(certificate))
}

type Hash = fn(&[u8]) -> Vec<u8>;

fn hash(signature: &AlgorithmIdentifier<'_>) -> Option<Hash> {
    let (sha256, sha384, sha512): (Hash, Hash, Hash) = (
        |bytes| Sha256::digest(bytes).to_vec(),
        |bytes| Sha384::digest(bytes).to_vec(),
        |bytes| Sha512::digest(bytes).to_vec(),
    );
    let (algorithm, pss);
    if signature.algorithm == OID_PKCS1_RSASSAPSS {
        pss = RsaSsaPssParams::try_from(signature.parameters()?).ok()?;
        algorithm = pss.hash_algorithm_oid();
    } else {
        algorithm = &signature.algorithm;
    }
    let is = |oids: &[x509_parser::der_parser::Oid<'_>]| oids.contains(algorithm);
    if is(&[OID_PKCS1_SHA256WITHRSA, OID_SIG_ECDSA_WITH_SHA256, OID_NIST_HASH_SHA256])
        || is(&[OID_PKCS1_MD5WITHRSAENC, OID_PKCS1_SHA1WITHRSA, OID_HASH_SHA1])
    {
        Some(sha256)
    } else if is(&[OID_PKCS1_SHA384WITHRSA, OID_SIG_ECDSA_WITH_SHA384, OID_NIST_HASH_SHA384]) {
        Some(sha384)
    } else if is(&[OID_PKCS1_SHA512WITHRSA, OID_SIG_ECDSA_WITH_SHA512, OID_NIST_HASH_SHA512]) {
        Some(sha512)
    } else {
        None
    }
}

/// The gateway's certificate at a target, for one connection. It knows whether the target has asked for it: a target that
/// has not lets anybody in.
#[derive(Debug)]
pub(super) struct Presenting {
    key: Arc<CertifiedKey>,
    asked: AtomicBool,
}

impl Presenting {
    pub(super) async fn read(
        certificate: &ClientCertificate,
        provider: &CryptoProvider,
    ) -> Result<Arc<Self>, DialError> {
        let chain = certificate.chain.resolve().await?;
        let chain = CertificateDer::pem_slice_iter(chain.expose())
            .collect::<Result<Vec<_>, _>>()
            .map_err(DialError::OwnPem)?;
        let key = certificate.key.resolve().await?;
        let key = PrivateKeyDer::from_pem_slice(key.expose()).map_err(DialError::OwnPem)?;
        let key =
            CertifiedKey::from_der(chain, key, provider).map_err(DialError::OwnCertificate)?;
        Ok(Arc::new(Self { key: Arc::new(key), asked: AtomicBool::new(false) }))
    }

    /// Refuses a target that did not ask.
    pub(super) fn was_asked(&self) -> Result<(), DialError> {
        if self.asked.load(Ordering::Acquire) {
            Ok(())
        } else {
            Err(DialError::Downgrade("no certificate"))
        }
    }
}

impl ResolvesClientCert for Presenting {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.asked.store(true, Ordering::Release);
        Some(Arc::clone(&self.key))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, SignatureAlgorithm};

    fn certificate(algorithm: &'static SignatureAlgorithm) -> CertificateDer<'static> {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let params = CertificateParams::new(vec!["target".to_owned()]).unwrap();
        params.self_signed(&key).unwrap().der().clone()
    }

    #[test]
    fn the_end_point_is_hashed_as_its_signature_is() {
        let one = certificate(&rcgen::PKCS_ECDSA_P256_SHA256);
        assert_eq!(end_point(&one).unwrap(), Sha256::digest(&one).to_vec());
        let one = certificate(&rcgen::PKCS_ECDSA_P384_SHA384);
        assert_eq!(end_point(&one).unwrap(), Sha384::digest(&one).to_vec());
        assert_eq!(end_point(&certificate(&rcgen::PKCS_ED25519)), None);
        assert_eq!(end_point(&CertificateDer::from(b"none".to_vec())), None);
    }

    fn chosen(channel: &Channel, offered: &[&str]) -> Option<&'static str> {
        let offered: Vec<String> = offered.iter().map(|one| (*one).to_owned()).collect();
        channel.mechanism(&offered).ok().map(|(mechanism, _)| mechanism)
    }

    #[test]
    fn the_best_mechanism_that_the_channel_can_have_is_taken_and_none_below_what_is_required() {
        let tls = |end_point: Option<Vec<u8>>, required| Channel::Tls { end_point, required };
        let (some, none) = (Some(vec![1; 32]), None);
        let (both, plain, plus) = (
            &[SCRAM_SHA_256_PLUS, SCRAM_SHA_256][..],
            &[SCRAM_SHA_256][..],
            &[SCRAM_SHA_256_PLUS][..],
        );
        let (preferred, required) = (ChannelBinding::Preferred, ChannelBinding::Required);
        let (is_plus, is_plain) = (Some(SCRAM_SHA_256_PLUS), Some(SCRAM_SHA_256));
        for (channel, offered, expected) in [
            (tls(some.clone(), preferred), both, is_plus),
            (tls(some.clone(), preferred), plus, is_plus),
            (tls(some.clone(), preferred), plain, is_plain),
            (tls(some.clone(), preferred), &["PLAIN"][..], None),
            (tls(none.clone(), preferred), both, is_plain),
            (tls(none.clone(), preferred), plus, None),
            (tls(some.clone(), required), both, is_plus),
            (tls(some, required), plain, None),
            (tls(none, required), both, None),
            (Channel::Clear, plain, is_plain),
            (Channel::Clear, both, None),
            (Channel::Clear, &[][..], None),
        ] {
            assert_eq!(chosen(&channel, offered), expected, "{channel:?} {offered:?}");
        }
    }
}
