//! The keys of one provider, remembered. They are fetched again when they grow old and, at most every ten seconds, when a
//! token names a key that is not among them. Nobody waits for a fetch where the last keys still do: they serve a bounded
//! time while they are renewed behind, and while the provider cannot be reached, and then not at all.

use super::{
    fetch::{Fetch, FetchError},
    keys::Keys,
    provider::Provider,
};
use serde::Deserialize;
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{Mutex, OwnedMutexGuard, RwLock},
    time::Instant,
};

/// Keys older than this are renewed.
const FRESH: Duration = Duration::from_mins(5);
/// Keys older than this do not serve while they are renewed: a key that was withdrawn in a long silence must not.
const LATE: Duration = Duration::from_mins(10);
/// Keys older than this are not used even when the provider cannot be reached.
const STALE: Duration = Duration::from_hours(1);
/// The least time between two fetches, whatever tokens name.
const PAUSE: Duration = Duration::from_secs(10);

/// The keys of one provider.
#[derive(Debug)]
pub struct KeyCache {
    provider: Arc<Provider>,
    fetch: Arc<dyn Fetch>,
    known: RwLock<Known>,
    /// Held during a fetch: one at a time. Remembers the last.
    last: Arc<Mutex<Option<Attempt>>>,
}

#[derive(Debug, Default)]
struct Known {
    keys: Option<(Arc<Keys>, Instant)>,
    provider: Reached,
}

/// How the last fetch ended.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Reached {
    #[default]
    Yes,
    No,
}

#[derive(Debug)]
struct Attempt {
    at: Instant,
    failure: Option<Arc<FetchError>>,
}

/// The right to fetch.
type Turn = OwnedMutexGuard<Option<Attempt>>;

/// The part of a discovery document that is used (OpenID Connect Discovery 1.0, section 3).
#[derive(Deserialize)]
pub(super) struct Discovery {
    issuer: String,
    /// Where people sign in; a provider of automation has none.
    pub(super) authorization_endpoint: Option<String>,
    /// Where codes become tokens.
    pub(super) token_endpoint: Option<String>,
    jwks_uri: String,
}

impl KeyCache {
    /// No keys are known yet.
    pub fn new(provider: Arc<Provider>, fetch: Arc<dyn Fetch>) -> Self {
        Self { provider, fetch, known: RwLock::default(), last: Arc::default() }
    }

    /// The keys to judge a token with that names the key `kid`.
    pub async fn keys_for(
        self: &Arc<Self>,
        kid: Option<&str>,
    ) -> Result<Arc<Keys>, Arc<FetchError>> {
        if let Some(keys) = self.at_once(kid).await {
            return Ok(keys);
        }
        let turn = Arc::clone(&self.last).lock_owned().await;
        // Another task may have fetched while this one waited for its turn.
        if let Some(keys) = self.at_once(kid).await {
            return Ok(keys);
        }
        let failure = if is_due(turn.as_ref()) {
            // A task of its own: a login that is given up does not give up the fetch that others wait for.
            tokio::spawn(Arc::clone(self).renew(turn)).await.unwrap_or_default()
        } else {
            turn.as_ref().and_then(|attempt| attempt.failure.clone())
        };
        match (self.usable().await, failure) {
            (Some(keys), _) => Ok(keys),
            (None, Some(failure)) => Err(failure),
            // Keys went stale within the pause after a good fetch, which STALE > PAUSE rules out: no keys, no trust.
            (None, None) => Ok(Arc::new(Keys::default())),
        }
    }

    /// The known keys, if they have this one and need not be waited for.
    async fn at_once(self: &Arc<Self>, kid: Option<&str>) -> Option<Arc<Keys>> {
        let known = self.known.read().await;
        let (keys, at) = known.keys.as_ref().filter(|(keys, _)| keys.has(kid))?;
        let age = at.elapsed();
        if age >= FRESH {
            let serves = age < LATE || (age < STALE && known.provider == Reached::No);
            if !serves {
                return None;
            }
            if let Ok(turn) = Arc::clone(&self.last).try_lock_owned()
                && is_due(turn.as_ref())
            {
                tokio::spawn(Arc::clone(self).renew(turn));
            }
        }
        Some(Arc::clone(keys))
    }

    async fn usable(&self) -> Option<Arc<Keys>> {
        let known = self.known.read().await;
        let (keys, at) = known.keys.as_ref()?;
        (at.elapsed() < STALE).then(|| Arc::clone(keys))
    }

    /// Fetches the keys, and says why that failed.
    async fn renew(self: Arc<Self>, mut turn: Turn) -> Option<Arc<FetchError>> {
        let failure = match self.fetched().await {
            Ok(keys) => {
                let keys = Some((Arc::new(keys), Instant::now()));
                *self.known.write().await = Known { keys, provider: Reached::Yes };
                None
            }
            Err(failure) => {
                let cause = std::error::Error::source(&failure).map(ToString::to_string);
                tracing::warn!(provider = %self.provider.name, ?cause, "{failure}");
                self.known.write().await.provider = Reached::No;
                Some(Arc::new(failure))
            }
        };
        *turn = Some(Attempt { at: Instant::now(), failure: failure.clone() });
        failure
    }

    async fn fetched(&self) -> Result<Keys, FetchError> {
        let unusable =
            |url: &str, problem: String| FetchError::Document { url: url.to_owned(), problem };
        let discovery = discover(&self.provider, &*self.fetch).await?;
        let document = self.fetch.fetch(&self.provider, &discovery.jwks_uri).await?;
        let keys = Keys::read(&document, &self.provider)
            .map_err(|error| unusable(&discovery.jwks_uri, error.to_string()))?;
        if keys.is_empty() {
            let problem = "it has no key of an algorithm that the provider is trusted with";
            return Err(unusable(&discovery.jwks_uri, problem.to_owned()));
        }
        Ok(keys)
    }
}

fn is_due(last: Option<&Attempt>) -> bool {
    last.is_none_or(|attempt| attempt.at.elapsed() >= PAUSE)
}

/// The provider's discovery document, as it is now.
pub(super) async fn discover(
    provider: &Provider,
    fetch: &dyn Fetch,
) -> Result<Discovery, FetchError> {
    let issuer = provider.issuer.trim_end_matches('/');
    let url = format!("{issuer}/.well-known/openid-configuration");
    let document = fetch.fetch(provider, &url).await?;
    let unusable = |problem: String| FetchError::Document { url: url.clone(), problem };
    let discovery: Discovery =
        serde_json::from_slice(&document).map_err(|error| unusable(error.to_string()))?;
    // OpenID Connect Discovery 1.0, section 4.3: the issuer in the document MUST be exactly the one asked for.
    if discovery.issuer != provider.issuer {
        return Err(unusable("it names another issuer".to_owned()));
    }
    Ok(discovery)
}
