//! A client of the HTTP API. It knows several nodes and goes on with another one where repeating a request is safe.
//!
//! Repeating is safe for reads, for what is idempotent by its content (a decision, a withdrawal, ending a session), and for
//! anything that was never sent. Everything else is tried once, and an unclear end is the caller's to look into.

mod calls;
mod download;
mod error;
mod events;
mod sse;
mod transport;

pub use download::Download;
pub use error::ClientError;
pub use events::HoldEvents;
pub use transport::Answer;

use countersign_core::secret::Secret;
use reqwest::Url;
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

/// How long an answer may take when the configuration does not say: longer than a leader change.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How many times all endpoints are gone through when the configuration does not say.
pub const DEFAULT_ROUNDS: u32 = 3;
/// The most endpoints.
const MAX_ENDPOINTS: usize = 32;

/// What a client needs to know.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// The URLs of the nodes' APIs, such as `https://127.0.0.1:7443`; the first is asked first.
    pub endpoints: Vec<String>,
    /// The bearer token.
    pub token: Option<Secret>,
    /// The certificates to trust (PEM); the system's when it is not given.
    pub ca_pem: Option<Vec<u8>>,
    /// How long an answer may take.
    pub timeout: Duration,
    /// How many times all endpoints are gone through before a call fails; at least once.
    pub rounds: u32,
}

impl ClientConfig {
    /// A configuration with the documented defaults.
    pub fn new(endpoints: Vec<String>) -> Self {
        Self {
            endpoints,
            token: None,
            ca_pem: None,
            timeout: DEFAULT_TIMEOUT,
            rounds: DEFAULT_ROUNDS,
        }
    }
}

/// A client. Cheap to clone; clones share connections.
#[derive(Debug, Clone)]
pub struct Client {
    shared: Arc<Shared>,
    token: Option<Secret>,
    min_index: Option<u64>,
}

#[derive(Debug)]
struct Shared {
    http: reqwest::Client,
    endpoints: Vec<Url>,
    /// The endpoint that answered last, which is asked first.
    preferred: AtomicUsize,
    timeout: Duration,
    rounds: u32,
}

impl Client {
    /// A client of the configured nodes. Nothing is connected yet.
    pub fn new(config: ClientConfig) -> Result<Self, ClientError> {
        let ClientConfig { endpoints, token, ca_pem, timeout, rounds } = config;
        let endpoints =
            endpoints.iter().map(|text| endpoint(text)).collect::<Result<Vec<_>, _>>()?;
        if endpoints.is_empty() || endpoints.len() > MAX_ENDPOINTS {
            let problem = format!("name 1 to {MAX_ENDPOINTS} endpoints");
            return Err(ClientError::Configuration { problem });
        }
        let shared = Shared {
            http: http_client(ca_pem.as_deref())?,
            endpoints,
            preferred: AtomicUsize::new(0),
            timeout,
            rounds: rounds.max(1),
        };
        Ok(Self { shared: Arc::new(shared), token, min_index: None })
    }

    /// The same client with another token.
    #[must_use]
    pub fn with_token(&self, token: Secret) -> Self {
        Self { token: Some(token), ..self.clone() }
    }

    /// The same client, whose reads wait until the asked node has applied the log up to `index`.
    #[must_use]
    pub fn at_least(&self, index: u64) -> Self {
        Self { min_index: Some(index), ..self.clone() }
    }

    /// The endpoint that is asked first.
    pub fn preferred_endpoint(&self) -> Option<&Url> {
        self.shared.endpoints.get(self.shared.preferred.load(Ordering::Relaxed))
    }
}

fn endpoint(text: &str) -> Result<Url, ClientError> {
    let wrong = || ClientError::Configuration {
        problem: format!("`{text}` is not the https URL of a node, such as https://node1:7443"),
    };
    let url: Url = text.parse().map_err(|_| wrong())?;
    let plain = url.scheme() == "https" && url.username().is_empty() && url.password().is_none();
    if plain && url.query().is_none() && url.fragment().is_none() { Ok(url) } else { Err(wrong()) }
}

fn http_client(ca_pem: Option<&[u8]>) -> Result<reqwest::Client, ClientError> {
    // reqwest panics without a provider; a provider that the process chose before stays in force.
    let _already_chosen = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let mut builder = reqwest::Client::builder()
        .https_only(true)
        .connect_timeout(CONNECT_TIMEOUT)
        // Whoever looks after a cluster wants to see when its certificates run out.
        .tls_info(true)
        .redirect(reqwest::redirect::Policy::none())
        // The token must not travel through a proxy that an environment variable happens to name.
        .no_proxy();
    if let Some(pem) = ca_pem {
        let found = reqwest::Certificate::from_pem_bundle(pem)
            .ok()
            .filter(|found| !found.is_empty())
            .ok_or_else(|| ClientError::Configuration {
                problem: "the CA file holds no certificate in PEM".to_owned(),
            })?;
        builder = builder.tls_certs_only(found);
    }
    builder.build().map_err(|source| ClientError::Setup { source })
}

#[cfg(test)]
mod tests;
