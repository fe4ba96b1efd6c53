//! Fetching a provider's documents over HTTPS: bounded in time and size, never following a redirect.

use super::provider::Provider;
use countersign_core::{gate::BoxFuture, secret::Secret};
use reqwest::{Certificate, Client, Url, redirect::Policy};
use std::{path::PathBuf, time::Duration};

/// How long one document may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// The longest document, in bytes.
const MAX_DOCUMENT: usize = 256 * 1024;

/// Why a provider's document is not there.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The address is not one we fetch from.
    #[error("`{url}` is not an https URL")]
    Address {
        /// The address.
        url: String,
    },
    /// The provider's authority cannot be read.
    #[error("cannot read ca_file {}", path.display())]
    Authority {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The exchange failed.
    #[error("cannot fetch {url}")]
    Exchange {
        /// The address.
        url: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// The answer is no document.
    #[error("{url} answered with {problem}")]
    Answer {
        /// The address.
        url: String,
        /// What was wrong.
        problem: String,
    },
    /// The document is not what it should be.
    #[error("the document of {url} is not usable: {problem}")]
    Document {
        /// The address.
        url: String,
        /// What was wrong.
        problem: String,
    },
}

/// Fetches documents of identity providers.
pub trait Fetch: Send + Sync + std::fmt::Debug {
    /// The document at `url`, trusting whom `provider` says.
    fn fetch<'a>(
        &'a self,
        provider: &'a Provider,
        url: &'a str,
    ) -> BoxFuture<'a, Result<Vec<u8>, FetchError>>;

    /// What `url` answers to a form, sent as the client that `provider` knows the gateway as.
    fn submit<'a>(
        &'a self,
        provider: &'a Provider,
        url: &'a str,
        form: Form<'a>,
    ) -> BoxFuture<'a, Result<Vec<u8>, FetchError>>;
}

/// A form for a provider's token endpoint.
#[derive(Debug, Clone, Copy)]
pub struct Form<'a> {
    /// Names and values.
    pub fields: &'a [(&'a str, &'a str)],
    /// The client's id and secret, for a client that has one (RFC 6749, section 2.3.1).
    pub client: Option<(&'a str, &'a Secret)>,
}

/// Fetches over HTTPS.
#[derive(Debug, Clone, Copy, Default)]
pub struct HttpsFetch;

impl Fetch for HttpsFetch {
    fn fetch<'a>(
        &'a self,
        provider: &'a Provider,
        url: &'a str,
    ) -> BoxFuture<'a, Result<Vec<u8>, FetchError>> {
        Box::pin(exchange(provider, url, None))
    }

    fn submit<'a>(
        &'a self,
        provider: &'a Provider,
        url: &'a str,
        form: Form<'a>,
    ) -> BoxFuture<'a, Result<Vec<u8>, FetchError>> {
        Box::pin(exchange(provider, url, Some(form)))
    }
}

async fn exchange(
    provider: &Provider,
    url: &str,
    form: Option<Form<'_>>,
) -> Result<Vec<u8>, FetchError> {
    let address = Url::parse(url)
        .ok()
        .filter(|address| address.scheme() == "https" && address.username().is_empty())
        .ok_or_else(|| FetchError::Address { url: url.to_owned() })?;
    let failed = |source| FetchError::Exchange { url: url.to_owned(), source };
    let client = client(provider).await.map_err(|error| match error {
        ClientError::Fetch(error) => error,
        ClientError::Build(source) => failed(source),
    })?;
    let request = match form {
        None => client.get(address),
        Some(Form { fields, client: of }) => {
            let form = client.post(address).form(fields);
            match of {
                None => form,
                Some((id, secret)) => {
                    form.basic_auth(encoded(id), secret.expose_text().map(encoded))
                }
            }
        }
    };
    let mut answer = request.send().await.map_err(failed)?;
    if answer.status() != reqwest::StatusCode::OK {
        let problem = format!("status {}", answer.status().as_u16());
        return Err(FetchError::Answer { url: url.to_owned(), problem });
    }
    let mut document = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(failed)? {
        if document.len() + chunk.len() > MAX_DOCUMENT {
            let problem = format!("more than {MAX_DOCUMENT} bytes");
            return Err(FetchError::Answer { url: url.to_owned(), problem });
        }
        document.extend_from_slice(&chunk);
    }
    Ok(document)
}

/// RFC 6749, section 2.3.1: id and secret are form-encoded before they become user and password.
fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

enum ClientError {
    Fetch(FetchError),
    Build(reqwest::Error),
}

/// A client for one exchange: keys are fetched every few minutes, and a changed `ca_file` counts at once.
async fn client(provider: &Provider) -> Result<Client, ClientError> {
    let mut builder = Client::builder()
        .https_only(true)
        .redirect(Policy::none())
        // Keys decide who is trusted: they come straight from the provider, whatever the environment says of proxies.
        .no_proxy()
        .timeout(TIMEOUT)
        .connect_timeout(CONNECT_TIMEOUT);
    if let Some(path) = &provider.ca_file {
        let pem = tokio::fs::read(path).await.map_err(|source| {
            ClientError::Fetch(FetchError::Authority { path: path.clone(), source })
        })?;
        let authorities = Certificate::from_pem_bundle(&pem).map_err(ClientError::Build)?;
        builder = builder.tls_certs_only(authorities);
    }
    builder.build().map_err(ClientError::Build)
}
