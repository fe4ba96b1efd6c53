//! Who is it: tokens of agents and of reviewers, checked against the identity providers in force.
//!
//! A token is a JWT (RFC 7519) that a provider signed, checked as RFC 8725 advises. Its own words are never trusted to
//! say how to check it: issuer, audiences and algorithms come from the provider's definition, keys from the provider's
//! JWKS, and the key's type decides the algorithm. What an identified principal may do is not decided here.

mod browser;
mod claims;
mod failures;
mod fetch;
mod key_cache;
mod keys;
mod provider;
mod resource;
mod token;

pub use fetch::{Fetch, FetchError, Form, HttpsFetch};
pub use key_cache::KeyCache;
pub use provider::{Algorithm, Asserts, Browser, ClaimNames, MAX_LEEWAY_S, Plane, Provider};
pub use resource::providers;

pub(crate) use browser::{Attempt, SignInError};
pub(crate) use failures::{Failures, Throttle};

use crate::{clock::Clock, metrics::counters};
use arc_swap::ArcSwap;
use claims::Mapped;
use countersign_core::{agent::Agent, log_time::LogTime, reviewer::Reviewer, secret::Secret};
use countersign_raft_store::records::Voucher;
use std::{net::IpAddr, sync::Arc};
use token::{Presented, TokenError};

/// A person whose token was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The name of the `IdentityProvider` resource, which Bindings name.
    pub provider: String,
    /// Who.
    pub reviewer: Reviewer,
    /// When the token ends.
    pub expires_at: LogTime,
}

/// An agent whose token was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Automation {
    /// The provider.
    pub voucher: Voucher,
    /// Who.
    pub agent: Agent,
}

/// Why a token was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum IdentifyError {
    /// It is not accepted. The reason is for the log and the audit, not for who brought it.
    #[error("the token is not accepted")]
    NotAccepted(#[source] TokenError),
    /// It is not accepted, and too many others that came from there were not: it is not logged and not recorded.
    #[error("too many refused tokens from this address")]
    TooMany,
    /// The provider's keys cannot be had.
    #[error("the keys of the identity provider {provider} cannot be had")]
    Unavailable {
        /// The provider's name.
        provider: String,
        /// Why.
        #[source]
        source: Arc<FetchError>,
    },
}

/// Checks tokens.
#[derive(Debug)]
pub struct Identify {
    clock: Clock,
    fetch: Arc<dyn Fetch>,
    trusted: ArcSwap<Vec<Trusted>>,
    /// Counted apart, so that automation that fails keeps no people out, nor people automation.
    agents: Failures,
    reviewers: Failures,
}

/// A provider with its keys.
#[derive(Debug, Clone)]
struct Trusted {
    provider: Arc<Provider>,
    keys: Arc<KeyCache>,
}

impl Identify {
    /// Trusts nobody until [`trust`](Self::trust) says whom.
    pub fn new(clock: Clock, fetch: Arc<dyn Fetch>, failures_per_minute: u32) -> Self {
        Self {
            clock,
            fetch,
            trusted: ArcSwap::from_pointee(Vec::new()),
            agents: Failures::new(failures_per_minute),
            reviewers: Failures::new(failures_per_minute),
        }
    }

    /// Trusts exactly these providers from now on. The keys of a provider that did not change stay known.
    pub fn trust(&self, providers: Vec<Provider>) {
        let known = self.trusted.load();
        let trusted = providers
            .into_iter()
            .map(|provider| match known.iter().find(|known| *known.provider == provider) {
                Some(same) => same.clone(),
                None => Trusted::new(provider, Arc::clone(&self.fetch)),
            })
            .collect();
        self.trusted.store(Arc::new(trusted));
    }

    /// Checks an agent's token.
    pub async fn agent(&self, token: &Secret, source: IpAddr) -> Result<Automation, IdentifyError> {
        let Accepted { provider, mapped, expires_at } =
            self.accept(token, Plane::Agents, source).await?;
        let agent = mapped.into_agent(expires_at);
        Ok(Automation { voucher: provider.voucher(), agent })
    }

    /// An agent that was identified before, as the definitions in force see it: none when its provider does not speak for
    /// agents any more or is defined anew, and without the groups that do not count any more.
    pub(crate) fn again(&self, known: Automation) -> Option<Agent> {
        let Automation { voucher, agent } = known;
        let trusted = self.trusted.load();
        let provider = trusted.iter().map(|trusted| &trusted.provider).find(|trusted| {
            trusted.voucher() == voucher
                && trusted.plane == Plane::Agents
                && trusted.issuer == agent.identity.issuer
        })?;
        Some(Agent { groups: provider.asserts.of(agent.groups), ..agent })
    }

    /// Whether this source may still cost more than a look at what the node knows.
    pub(crate) fn may_try(&self, source: IpAddr) -> bool {
        self.agents.look(source) == Throttle::Within
    }

    /// Counts a proof of an agent's that was refused elsewhere.
    pub(crate) fn refused_agent(&self, source: IpAddr) -> Throttle {
        self.agents.count(source)
    }

    /// Checks a reviewer's token.
    pub async fn person(&self, token: &Secret, source: IpAddr) -> Result<Person, IdentifyError> {
        let Accepted { provider, mapped, expires_at } =
            self.accept(token, Plane::Reviewers, source).await?;
        let reviewer = mapped.into_reviewer();
        Ok(Person { provider: provider.name.clone(), reviewer, expires_at })
    }

    async fn accept(
        &self,
        token: &Secret,
        plane: Plane,
        source: IpAddr,
    ) -> Result<Accepted, IdentifyError> {
        let result = self.counted(token, plane, source).await;
        counters::login(plane, &result);
        result
    }

    async fn counted(
        &self,
        token: &Secret,
        plane: Plane,
        source: IpAddr,
    ) -> Result<Accepted, IdentifyError> {
        let result = self.check(token, plane).await;
        let Err(IdentifyError::NotAccepted(why)) = &result else { return result };
        // Only failures are throttled: whoever brings a good token gets in, however many bad ones came from beside it.
        let failures = match plane {
            Plane::Agents => &self.agents,
            Plane::Reviewers => &self.reviewers,
        };
        if failures.count(source) == Throttle::Over {
            return Err(IdentifyError::TooMany);
        }
        let cause = std::error::Error::source(why).map(ToString::to_string).unwrap_or_default();
        tracing::info!(source.address = %source, plane = plane.name(), %cause, "{why}");
        result
    }

    async fn check(&self, token: &Secret, plane: Plane) -> Result<Accepted, IdentifyError> {
        let presented = Presented::read(token).map_err(IdentifyError::NotAccepted)?;
        let trusted = self.choose(&presented, plane).map_err(IdentifyError::NotAccepted)?;
        let keys = trusted.keys.keys_for(presented.kid()).await.map_err(|source| {
            IdentifyError::Unavailable { provider: trusted.provider.name.clone(), source }
        })?;
        let provider = trusted.provider;
        let verified = presented
            .verify(&provider, &keys, self.clock.now_ms())
            .map_err(IdentifyError::NotAccepted)?;
        let expires_at = LogTime(verified.expires_at_ms);
        let mapped = Mapped::of(&provider, &verified.claims)
            .map_err(|error| IdentifyError::NotAccepted(TokenError::Claim(error)))?;
        Ok(Accepted { provider, mapped, expires_at })
    }

    /// The one provider of this plane that the token is meant for. A token that would do on both planes does on none.
    fn choose(&self, presented: &Presented, plane: Plane) -> Result<Trusted, TokenError> {
        let trusted = self.trusted.load();
        let meant: Vec<&Trusted> =
            trusted.iter().filter(|trusted| presented.is_meant_for(&trusted.provider)).collect();
        if meant.iter().any(|trusted| trusted.provider.plane != plane) {
            return Err(TokenError::OtherPlane);
        }
        match meant.as_slice() {
            [one] => Ok((*one).clone()),
            [] => Err(TokenError::NobodyTrusted),
            [_, _, ..] => Err(TokenError::Ambiguous),
        }
    }
}

impl Trusted {
    fn new(provider: Provider, fetch: Arc<dyn Fetch>) -> Self {
        let provider = Arc::new(provider);
        let keys = Arc::new(KeyCache::new(Arc::clone(&provider), fetch));
        Self { provider, keys }
    }
}

/// What an accepted token says.
struct Accepted {
    provider: Arc<Provider>,
    mapped: Mapped,
    expires_at: LogTime,
}

#[cfg(test)]
pub(crate) mod tests;
