//! People who sign in with a browser: the authorization code flow with PKCE (OpenID Connect Core 1.0, section 3.1; RFC 7636).
//! What comes out is a token like any other, and is checked like any other; who keeps it, and how, is the page's business.

use super::{
    FetchError, Form, Identify, Trusted,
    key_cache::discover,
    provider::{Browser, Plane, Provider},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign_core::secret::Secret;
use countersign_edge::SecretError;
use reqwest::Url;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// What a name that is no provider's is cut at when it is told, in characters.
const MAX_NAME: usize = 200;

/// One attempt to sign in. Whoever began it keeps it until the provider sends the person back.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Attempt {
    /// The provider's name.
    pub(crate) provider: String,
    /// What the provider gives back with the person: nobody else can finish this attempt.
    pub(crate) state: String,
    /// What the token must say: it was made for this attempt.
    pub(crate) nonce: String,
    /// What turns the code into a token, and never leaves the gateway and this browser before.
    pub(crate) verifier: String,
    /// Where the provider sends the person back to.
    pub(crate) redirect: String,
}

/// Why somebody is not signed in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SignInError {
    /// No provider of this name signs people in with browsers.
    #[error("no identity provider `{0}` signs people in here")]
    NoSuchProvider(String),
    /// The provider cannot be asked.
    #[error("the identity provider cannot be reached, or does not say where people sign in")]
    Unavailable(#[source] FetchError),
    /// The secret that the gateway proves itself with is not there.
    #[error("the gateway's own secret for the identity provider cannot be read")]
    Secret(#[source] SecretError),
    /// What came back is no token of this attempt.
    #[error("the identity provider's answer {0}")]
    Answer(&'static str),
}

impl Attempt {
    /// Begins one.
    pub(crate) fn new(provider: &str, redirect: String) -> Self {
        Self {
            provider: provider.to_owned(),
            state: random(),
            nonce: random(),
            verifier: random(),
            redirect,
        }
    }

    /// RFC 7636, section 4.2, `S256`.
    fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(self.verifier.as_bytes()))
    }
}

fn random() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>())
}

/// What a token endpoint answers (OpenID Connect Core 1.0, section 3.1.3.3).
#[derive(Deserialize)]
struct Redeemed {
    id_token: Option<String>,
}

impl Identify {
    /// The providers at which people sign in with their browsers, by name.
    pub(crate) fn sign_in_at(&self) -> Vec<String> {
        let trusted = self.trusted.load();
        let names = trusted.iter().filter(|one| signs_in(&one.provider).is_some());
        names.map(|one| one.provider.name.clone()).collect()
    }

    /// Where to send a person who wants to sign in.
    ///
    /// # Errors
    /// [`SignInError`]: nobody can sign in there now.
    pub(crate) async fn authorize(&self, attempt: &Attempt) -> Result<String, SignInError> {
        let (provider, browser) = self.signing_in(&attempt.provider)?;
        let discovery =
            discover(&provider, &*self.fetch).await.map_err(SignInError::Unavailable)?;
        let mut url = endpoint(discovery.authorization_endpoint)?;
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &browser.client_id)
            .append_pair("redirect_uri", &attempt.redirect)
            .append_pair("scope", &browser.scopes.join(" "))
            .append_pair("state", &attempt.state)
            .append_pair("nonce", &attempt.nonce)
            .append_pair("code_challenge", &attempt.challenge())
            .append_pair("code_challenge_method", "S256");
        Ok(url.into())
    }

    /// The token that a code stands for, given by `issuer` where it names itself (RFC 9207): no other provider is shown a code,
    /// and with it the verifier, that was meant for this one. Whether it is accepted is asked apart, by [`Identify::person`].
    ///
    /// # Errors
    /// [`SignInError`]: the code is worth nothing, or what it is worth was not made for this attempt.
    pub(crate) async fn redeem(
        &self,
        attempt: &Attempt,
        (code, issuer): (&str, Option<&str>),
    ) -> Result<Secret, SignInError> {
        let (provider, browser) = self.signing_in(&attempt.provider)?;
        if issuer.is_some_and(|issuer| issuer != provider.issuer) {
            return Err(SignInError::Answer("was given by another issuer"));
        }
        let discovery =
            discover(&provider, &*self.fetch).await.map_err(SignInError::Unavailable)?;
        let url = endpoint(discovery.token_endpoint)?;
        let secret = match &browser.client_secret {
            None => None,
            Some(reference) => Some(reference.resolve().await.map_err(SignInError::Secret)?),
        };
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &attempt.redirect),
            ("code_verifier", &attempt.verifier),
        ];
        if secret.is_none() {
            fields.push(("client_id", &browser.client_id));
        }
        let client = secret.as_ref().map(|secret| (browser.client_id.as_str(), secret));
        let form = Form { fields: &fields, client };
        let answer = self.fetch.submit(&provider, url.as_str(), form).await;
        let answer = answer.map_err(SignInError::Unavailable)?;
        let redeemed: Redeemed = serde_json::from_slice(&answer)
            .map_err(|_| SignInError::Answer("is not what a token endpoint answers"))?;
        let token = redeemed.id_token.ok_or(SignInError::Answer("has no ID token"))?;
        is_for(&token, attempt, &provider)?;
        Ok(Secret::new(token))
    }

    fn signing_in(&self, name: &str) -> Result<(Arc<Provider>, Browser), SignInError> {
        let none = || SignInError::NoSuchProvider(name.chars().take(MAX_NAME).collect());
        let trusted = self.trusted.load();
        let found = trusted.iter().find(|one| one.provider.name == name).ok_or_else(none)?;
        let Trusted { provider, keys: _ } = found;
        let browser = signs_in(provider).ok_or_else(none)?;
        Ok((Arc::clone(provider), browser.clone()))
    }
}

/// An agent has no browser, whatever a definition says.
fn signs_in(provider: &Provider) -> Option<&Browser> {
    match provider.plane {
        Plane::Agents => None,
        Plane::Reviewers => provider.browser.as_ref(),
    }
}

fn endpoint(found: Option<String>) -> Result<Url, SignInError> {
    let url = found.and_then(|text| Url::parse(&text).ok());
    url.filter(|url| url.scheme() == "https" && url.username().is_empty())
        .ok_or(SignInError::Answer("names no https endpoint for people who sign in with a browser"))
}

/// Whether the token says that it was made for this attempt, and by this provider: nobody else's, and none of another attempt,
/// can be slipped into it. That it says so truly is checked with its signature.
fn is_for(token: &str, attempt: &Attempt, provider: &Provider) -> Result<(), SignInError> {
    let claims: Map<String, Value> = jsonwebtoken::dangerous::insecure_decode_claims(token)
        .map_err(|_| SignInError::Answer("has an ID token that cannot be read"))?;
    let says = |claim: &str| claims.get(claim).and_then(Value::as_str);
    if says("iss") != Some(&provider.issuer) {
        return Err(SignInError::Answer("has another issuer's token"));
    }
    match says("nonce") {
        Some(nonce) if nonce == attempt.nonce => Ok(()),
        Some(_) | None => {
            Err(SignInError::Answer("has a token that was not made for this sign-in"))
        }
    }
}
