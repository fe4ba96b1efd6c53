//! The keys of one provider, remembered. They are fetched again when they grow old and, at most every ten seconds, when a
//! token names a key that is not among them; a provider that cannot be reached is trusted with its last keys for a
//! bounded time and then not at all.

use super::{
    fetch::{Fetch, FetchError},
    keys::Keys,
    provider::Provider,
};
use serde::Deserialize;
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{Mutex, RwLock},
    time::Instant,
};

/// Keys older than this are fetched again before the next token is judged.
const FRESH: Duration = Duration::from_mins(5);
/// Keys older than this are not used even when the provider cannot be reached.
const STALE: Duration = Duration::from_hours(1);
/// The least time between two fetches, whatever tokens name.
const PAUSE: Duration = Duration::from_secs(10);

/// The keys of one provider.
#[derive(Debug)]
pub struct KeyCache {
    provider: Arc<Provider>,
    fetch: Arc<dyn Fetch>,
    known: RwLock<Option<Known>>,
    /// One fetch at a time; remembers when the last began and how it failed.
    last: Mutex<Option<Attempt>>,
}

#[derive(Debug, Clone)]
struct Known {
    keys: Arc<Keys>,
    at: Instant,
}

#[derive(Debug)]
struct Attempt {
    at: Instant,
    failure: Option<Arc<FetchError>>,
}

/// The part of a discovery document that is used (OpenID Connect Discovery 1.0, section 3).
#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

impl KeyCache {
    /// No keys are known yet.
    pub fn new(provider: Arc<Provider>, fetch: Arc<dyn Fetch>) -> Self {
        Self { provider, fetch, known: RwLock::new(None), last: Mutex::new(None) }
    }

    /// The keys to judge a token with that names the key `kid`.
    pub async fn keys_for(&self, kid: Option<&str>) -> Result<Arc<Keys>, Arc<FetchError>> {
        if let Some(keys) = self.known_with(kid).await {
            return Ok(keys);
        }
        let mut last = self.last.lock().await;
        // Another task may have fetched while this one waited for its turn.
        if let Some(keys) = self.known_with(kid).await {
            return Ok(keys);
        }
        if last.as_ref().is_none_or(|attempt| attempt.at.elapsed() >= PAUSE) {
            let failure = self.renew().await.err().map(Arc::new);
            if let Some(failure) = &failure {
                let cause = std::error::Error::source(failure.as_ref()).map(ToString::to_string);
                tracing::warn!(provider = %self.provider.name, ?cause, "{failure}");
            }
            *last = Some(Attempt { at: Instant::now(), failure });
        }
        match (self.usable().await, last.as_ref().and_then(|attempt| attempt.failure.clone())) {
            (Some(keys), _) => Ok(keys),
            (None, Some(failure)) => Err(failure),
            // Keys went stale within the pause after a good fetch, which STALE > PAUSE rules out: no keys, no trust.
            (None, None) => Ok(Arc::new(Keys::default())),
        }
    }

    /// The known keys, if they are fresh and have this one.
    async fn known_with(&self, kid: Option<&str>) -> Option<Arc<Keys>> {
        let known = self.known.read().await;
        let known = known.as_ref().filter(|known| known.at.elapsed() < FRESH)?;
        known.keys.find(kid).is_some().then(|| Arc::clone(&known.keys))
    }

    async fn usable(&self) -> Option<Arc<Keys>> {
        let known = self.known.read().await;
        known
            .as_ref()
            .filter(|known| known.at.elapsed() < STALE)
            .map(|known| Arc::clone(&known.keys))
    }

    async fn renew(&self) -> Result<(), FetchError> {
        let url = discovery_url(&self.provider.issuer);
        let document = self.fetch.fetch(&self.provider, &url).await?;
        let unusable =
            |url: &str, problem: String| FetchError::Document { url: url.to_owned(), problem };
        let discovery: Discovery =
            serde_json::from_slice(&document).map_err(|error| unusable(&url, error.to_string()))?;
        // OpenID Connect Discovery 1.0, section 4.3: the issuer in the document MUST be exactly the one asked for.
        if discovery.issuer != self.provider.issuer {
            return Err(unusable(&url, "it names another issuer".to_owned()));
        }
        let document = self.fetch.fetch(&self.provider, &discovery.jwks_uri).await?;
        let keys = Keys::read(&document, &self.provider)
            .map_err(|error| unusable(&discovery.jwks_uri, error.to_string()))?;
        if keys.is_empty() {
            let problem = "it has no key of an algorithm that the provider is trusted with";
            return Err(unusable(&discovery.jwks_uri, problem.to_owned()));
        }
        *self.known.write().await = Some(Known { keys: Arc::new(keys), at: Instant::now() });
        Ok(())
    }
}

fn discovery_url(issuer: &str) -> String {
    format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'))
}
