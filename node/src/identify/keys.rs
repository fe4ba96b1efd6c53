//! The keys of a provider, from its JWKS (RFC 7517). A key serves one algorithm, which its own type decides: an RSA key
//! never verifies anything but RS256, and a symmetric key is never taken.

use super::{
    provider::{Algorithm, Provider},
    token::TokenError,
};
use jsonwebtoken::{
    DecodingKey, Header,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse},
};
use serde::Deserialize;
use std::fmt;

/// The most keys of one set; providers have two or three.
const MAX_KEYS: usize = 64;
/// The least RSA modulus, in bytes (NIST SP 800-131A: 2048 bits), written in base64url.
const MIN_MODULUS_BASE64: usize = 2048 / 8 * 4 / 3;

/// The usable keys of a set.
#[derive(Debug, Default)]
pub struct Keys {
    keys: Vec<Key>,
}

/// One key.
pub(super) struct Key {
    kid: Option<String>,
    pub(super) algorithm: Algorithm,
    pub(super) decoding: DecodingKey,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({:?}, {})", self.kid, self.algorithm.name())
    }
}

#[derive(Deserialize)]
struct Document {
    /// Kept as values: one key that cannot be read must not take the others with it.
    keys: Vec<serde_json::Value>,
}

impl Keys {
    /// The keys of a JWKS document that `provider` may sign with. Others are left out.
    pub(super) fn read(document: &[u8], provider: &Provider) -> Result<Self, serde_json::Error> {
        let document: Document = serde_json::from_slice(document)?;
        let keys = document
            .keys
            .into_iter()
            .take(MAX_KEYS)
            .filter_map(|value| serde_json::from_value::<Jwk>(value).ok())
            .filter_map(|jwk| Key::of(&jwk))
            .filter(|key| provider.algorithms.contains(&key.algorithm))
            .collect();
        Ok(Self { keys })
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The keys that a token names, or all where it names none. RFC 7517, section 4.5: keys of different types may have one
    /// key id.
    fn named(&self, kid: Option<&str>) -> impl Iterator<Item = &Key> {
        self.keys.iter().filter(move |key| kid.is_none() || key.kid.as_deref() == kid)
    }

    /// Whether there is a key that the token names.
    pub(super) fn has(&self, kid: Option<&str>) -> bool {
        self.named(kid).next().is_some()
    }

    /// The one key that a token with this header can be signed with.
    pub(super) fn find(&self, header: &Header) -> Result<&Key, TokenError> {
        let kid = header.kid.as_deref();
        let mut fit = self.named(kid).filter(|key| key.algorithm.of_jwt() == header.alg);
        match (fit.next(), fit.next()) {
            (Some(key), None) => Ok(key),
            (None, _) if self.has(kid) && kid.is_some() => Err(TokenError::Algorithm),
            (Some(_), Some(_)) | (None, _) => Err(TokenError::UnknownKey),
        }
    }
}

impl Key {
    fn of(jwk: &Jwk) -> Option<Self> {
        let algorithm = algorithm(jwk)?;
        let for_signatures =
            matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature));
        let agrees = match jwk.common.key_algorithm {
            None => true,
            Some(KeyAlgorithm::RS256) => algorithm == Algorithm::Rs256,
            Some(KeyAlgorithm::ES256) => algorithm == Algorithm::Es256,
            Some(_) => false,
        };
        if !for_signatures || !agrees {
            return None;
        }
        let decoding = DecodingKey::from_jwk(jwk).ok()?;
        Some(Self { kid: jwk.common.key_id.clone(), algorithm, decoding })
    }
}

fn algorithm(jwk: &Jwk) -> Option<Algorithm> {
    match &jwk.algorithm {
        AlgorithmParameters::RSA(rsa) if rsa.n.len() >= MIN_MODULUS_BASE64 => {
            Some(Algorithm::Rs256)
        }
        AlgorithmParameters::EllipticCurve(ec) if ec.curve == EllipticCurve::P256 => {
            Some(Algorithm::Es256)
        }
        // The list is another crate's and may grow: what is not named here is not taken.
        AlgorithmParameters::RSA(_)
        | AlgorithmParameters::EllipticCurve(_)
        | AlgorithmParameters::OctetKey(_)
        | AlgorithmParameters::OctetKeyPair(_)
        | AlgorithmParameters::Other(_)
        | _ => None,
    }
}
