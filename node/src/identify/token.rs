//! One token: read without trust, then verified. The order of the checks is: size and form, header, signature by a key of
//! the provider, issuer and audience, times.

use super::{claims::ClaimError, keys::Keys, provider::Provider};
use countersign_core::secret::Secret;
use jsonwebtoken::{Header, Validation, decode, decode_header};
use serde_json::{Map, Value};

/// The longest token, in bytes. PostgreSQL clients send it as a password.
const MAX_TOKEN: usize = 16 * 1024;
/// The longest key id: it is only a lookup key.
const MAX_KID: usize = 256;
/// Token types that mean an identity (RFC 7519 section 5.1, RFC 9068 section 2.1). Others are tokens for another purpose.
const TYPES: &[&str] = &["jwt", "at+jwt"];

/// Why a token is not accepted. For the log: who brought it hears none of this.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// It is longer than a token can be.
    #[error("the token is longer than {MAX_TOKEN} bytes")]
    TooLong,
    /// It is not a JWT.
    #[error("it is not a JSON web token")]
    Form,
    /// Its header cannot be accepted.
    #[error("its header {0}")]
    Header(&'static str),
    /// No provider in force issues tokens with this issuer and audience.
    #[error("no identity provider in force has its issuer and audience")]
    NobodyTrusted,
    /// It is meant for the other plane: an agent's token is not a reviewer's.
    #[error("it is meant for the other plane")]
    OtherPlane,
    /// More than one provider fits.
    #[error("more than one identity provider fits it")]
    Ambiguous,
    /// The provider has no key with its key id.
    #[error("its provider has no such key")]
    UnknownKey,
    /// Its algorithm is not the key's, or not one the provider is trusted with.
    #[error("its algorithm is not the one of its key")]
    Algorithm,
    /// The signature or a required claim is wrong.
    #[error("its signature or a required claim is wrong")]
    Signature(#[source] jsonwebtoken::errors::Error),
    /// It is meant for several audiences, and its authorised party is not this gateway.
    #[error("it has several audiences, and azp is none of ours")]
    AuthorisedParty,
    /// A time is missing, is not a number, or does not fit now.
    #[error("its time `{0}` is missing, unreadable, or does not fit now")]
    Time(&'static str),
    /// A claim cannot be used.
    #[error("a claim cannot be used")]
    Claim(#[source] ClaimError),
}

/// A token as it was brought. Nothing it says is trusted.
#[derive(Debug)]
pub(super) struct Presented {
    token: Secret,
    header: Header,
    issuer: String,
    audiences: Vec<String>,
}

/// A token that a provider signed for this gateway, and whose time is now.
#[derive(Debug)]
pub(super) struct Verified {
    pub(super) claims: Map<String, Value>,
    pub(super) expires_at_ms: u64,
}

impl Presented {
    pub(super) fn read(token: &Secret) -> Result<Self, TokenError> {
        if token.expose().len() > MAX_TOKEN {
            return Err(TokenError::TooLong);
        }
        let text = token.expose_text().ok_or(TokenError::Form)?;
        let header = decode_header(text).map_err(|_| TokenError::Form)?;
        check_header(&header)?;
        let claims: Map<String, Value> =
            jsonwebtoken::dangerous::insecure_decode_claims(text).map_err(|_| TokenError::Form)?;
        let issuer = claims.get("iss").and_then(Value::as_str).ok_or(TokenError::Form)?.to_owned();
        let audiences = audiences(&claims).ok_or(TokenError::Form)?;
        Ok(Self { token: token.clone(), header, issuer, audiences })
    }

    pub(super) fn kid(&self) -> Option<&str> {
        self.header.kid.as_deref()
    }

    /// Whether it claims to be issued by this provider for this gateway. Only to choose whom to ask.
    pub(super) fn is_meant_for(&self, provider: &Provider) -> bool {
        self.issuer == provider.issuer
            && self.audiences.iter().any(|audience| provider.audiences.contains(audience))
    }

    pub(super) fn verify(
        &self,
        provider: &Provider,
        keys: &Keys,
        now_ms: u64,
    ) -> Result<Verified, TokenError> {
        let key = keys.find(&self.header)?;
        if !provider.algorithms.contains(&key.algorithm) {
            return Err(TokenError::Algorithm);
        }
        let mut rules = Validation::new(key.algorithm.of_jwt());
        rules.set_required_spec_claims(&["exp", "iss", "aud"]);
        rules.set_issuer(&[&provider.issuer]);
        rules.set_audience(&provider.audiences.iter().collect::<Vec<_>>());
        // Times are judged below, by this crate's clock.
        rules.validate_exp = false;
        rules.validate_nbf = false;
        let claims = decode::<Map<String, Value>>(self.token.expose(), &key.decoding, &rules)
            .map_err(TokenError::Signature)?
            .claims;
        // The library also takes a list of issuers; OpenID Connect Core 1.0, section 2 has exactly one.
        if claims.get("iss").and_then(Value::as_str) != Some(provider.issuer.as_str()) {
            return Err(TokenError::NobodyTrusted);
        }
        authorised_party(&claims, &self.audiences, provider)?;
        let expires_at_ms = times(&claims, provider.leeway_s, now_ms)?;
        Ok(Verified { claims, expires_at_ms })
    }
}

fn check_header(header: &Header) -> Result<(), TokenError> {
    if header.crit.is_some() {
        // RFC 7515, section 4.1.11: what is critical and not understood makes the token invalid. We understand none.
        return Err(TokenError::Header("has critical parameters"));
    }
    if header.jku.is_some() || header.x5u.is_some() || header.jwk.is_some() {
        return Err(TokenError::Header("brings its own key"));
    }
    if header.enc.is_some() || header.zip.is_some() {
        return Err(TokenError::Header("is that of an encrypted token"));
    }
    if header.kid.as_ref().is_some_and(|kid| kid.len() > MAX_KID) {
        return Err(TokenError::Header("has a key id that is too long"));
    }
    let kind = header.typ.as_deref().unwrap_or("JWT").to_ascii_lowercase();
    let kind = kind.strip_prefix("application/").unwrap_or(&kind);
    if TYPES.contains(&kind) { Ok(()) } else { Err(TokenError::Header("is of another type")) }
}

/// One audience or a list (RFC 7519, section 4.1.3).
fn audiences(claims: &Map<String, Value>) -> Option<Vec<String>> {
    match claims.get("aud")? {
        Value::String(one) => Some(vec![one.clone()]),
        Value::Array(list) => list.iter().map(|one| one.as_str().map(str::to_owned)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
    }
}

/// OpenID Connect Core 1.0, section 3.1.3.7, rules 4 and 5: a token that others may use too must name us as the party it
/// was issued to, or one of those others could bring it here.
fn authorised_party(
    claims: &Map<String, Value>,
    audiences: &[String],
    provider: &Provider,
) -> Result<(), TokenError> {
    let foreign = audiences.iter().any(|audience| !provider.audiences.contains(audience));
    let ours = claims
        .get("azp")
        .and_then(Value::as_str)
        .is_some_and(|party| provider.audiences.contains(party));
    if foreign && !ours { Err(TokenError::AuthorisedParty) } else { Ok(()) }
}

/// When the token ends, in milliseconds. It must have begun (`nbf`, or `iat` where the provider leaves that out) and not
/// have ended. A time that is not a number is wrong, never absent.
fn times(claims: &Map<String, Value>, leeway_s: u64, now_ms: u64) -> Result<u64, TokenError> {
    let leeway_ms = leeway_s.saturating_mul(1000);
    let expires_at_ms = time(claims, "exp")?.ok_or(TokenError::Time("exp"))?;
    let issued_at_ms = time(claims, "iat")?;
    let begins_at_ms = match time(claims, "nbf")? {
        Some(begins_at_ms) => begins_at_ms,
        None => issued_at_ms.ok_or(TokenError::Time("nbf"))?,
    };
    if now_ms >= expires_at_ms.saturating_add(leeway_ms) {
        return Err(TokenError::Time("exp"));
    }
    if begins_at_ms > now_ms.saturating_add(leeway_ms) {
        return Err(TokenError::Time("nbf"));
    }
    Ok(expires_at_ms)
}

fn time(claims: &Map<String, Value>, claim: &'static str) -> Result<Option<u64>, TokenError> {
    let Some(value) = claims.get(claim) else { return Ok(None) };
    // RFC 7519, section 2, NumericDate: seconds, perhaps with a fraction, which is cut off.
    let seconds = value
        .as_u64()
        .or_else(|| value.as_f64().and_then(whole_seconds))
        .ok_or(TokenError::Time(claim))?;
    Ok(Some(seconds.saturating_mul(1000)))
}

fn whole_seconds(seconds: f64) -> Option<u64> {
    // Through text, because there is no checked conversion: what is negative, infinite or too great does not parse.
    format!("{:.0}", seconds.floor()).parse().ok()
}
