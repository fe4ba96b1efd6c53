//! The algorithms that both sides of the gateway use: current ones only.
//!
//! Every cipher here is safe whether or not the peer knows strict key exchange: CVE-2023-48795 needs ChaCha20-Poly1305, or a
//! MAC over the ciphertext, and neither is offered. SHA-1 is not used for anything. What is compressed can be made to be a
//! hundred times as much, so nothing is.

use russh::{
    Preferred, cipher, compression, kex,
    keys::{Algorithm, EcdsaCurve, HashAlg, PublicKey},
    mac,
};
use std::borrow::Cow;

/// With a key that a quantum computer does not find, where the peer knows how.
const KEY_EXCHANGES: &[kex::Name] = &[
    kex::MLKEM768X25519_SHA256,
    kex::CURVE25519,
    kex::CURVE25519_PRE_RFC_8731,
    kex::DH_G18_SHA512,
    kex::DH_G16_SHA512,
    kex::EXTENSION_SUPPORT_AS_CLIENT,
    kex::EXTENSION_SUPPORT_AS_SERVER,
    kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT,
    kex::EXTENSION_OPENSSH_STRICT_KEX_AS_SERVER,
];

const CIPHERS: &[cipher::Name] =
    &[cipher::AES_256_GCM, cipher::AES_128_GCM, cipher::AES_256_CTR, cipher::AES_128_CTR];

const MACS: &[mac::Name] = &[mac::HMAC_SHA512, mac::HMAC_SHA256];

const COMPRESSIONS: &[compression::Name] = &[compression::NONE];

/// For signatures, of hosts and of users. An RSA key signs with SHA-2.
const SIGNATURES: &[Algorithm] = &[
    Algorithm::Ed25519,
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 },
    Algorithm::Rsa { hash: Some(HashAlg::Sha512) },
    Algorithm::Rsa { hash: Some(HashAlg::Sha256) },
];

/// Whether a peer is asked for a certificate of its host key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum HostCertificates {
    /// Some authority is trusted to have signed one.
    Asked,
    /// There is nobody whose signature would say anything.
    NotAsked,
}

/// What is offered, most preferred first.
pub(crate) fn preferred(certificates: HostCertificates) -> Preferred {
    Preferred {
        kex: Cow::Borrowed(KEY_EXCHANGES),
        key: Cow::Borrowed(SIGNATURES),
        host_key_certificates: match certificates {
            HostCertificates::Asked => Cow::Borrowed(SIGNATURES),
            HostCertificates::NotAsked => Cow::Borrowed(&[]),
        },
        cipher: Cow::Borrowed(CIPHERS),
        mac: Cow::Borrowed(MACS),
        compression: Cow::Borrowed(COMPRESSIONS),
    }
}

/// Whether a signature of this algorithm proves anything.
pub(crate) fn is_accepted(signature: &Algorithm) -> bool {
    SIGNATURES.contains(signature)
}

/// Whether one of the keys is of the kind that signs with this algorithm.
pub(crate) fn has_kind(keys: &[PublicKey], signature: &Algorithm) -> bool {
    keys.iter().any(|key| match (key.algorithm(), signature) {
        (Algorithm::Rsa { .. }, Algorithm::Rsa { .. }) => true,
        (kind, signature) => kind == *signature,
    })
}
