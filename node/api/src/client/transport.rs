//! One call: sent to the preferred endpoint first, then to the others where that is safe, with a pause between rounds.

use super::{Client, ClientError, Shared};
use crate::problem::Problem;
use backon::{BackoffBuilder, ExponentialBuilder};
use countersign_core::secret::Secret;
use reqwest::{Method, RequestBuilder, Response, Url, header};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::{ops::Deref, sync::atomic::Ordering, time::Duration};

/// The largest answer that is read, in bytes: a page of the largest audit events.
const MAX_ANSWER: usize = 256 * 1024 * 1024;
/// The pause after the first round in vain; it doubles with every round.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// The longest pause between two rounds.
const MAX_PAUSE: Duration = Duration::from_secs(3);

/// An answer, with what its headers say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer<T> {
    /// The body.
    pub body: T,
    /// The request's id.
    pub request_id: Option<String>,
    /// The node that answered.
    pub node: Option<u64>,
    /// The last log index that the node had applied; pass it to [`Client::at_least`] to read it elsewhere.
    pub applied_index: Option<u64>,
}

impl<T> Deref for Answer<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.body
    }
}

/// Whether a call may be sent again when it is not known what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    /// It does the same once or twice.
    Safe,
    /// Only when it was never sent.
    OnlyUnsent,
}

/// A call.
#[derive(Debug, Clone)]
pub(super) struct Call {
    method: Method,
    path: Vec<String>,
    query: Vec<(String, String)>,
    body: Option<Value>,
    headers: Vec<(header::HeaderName, String)>,
    repeat: Repeat,
    /// A status beside 2xx whose body is an answer too.
    answers_with: Option<u16>,
    /// How long the answer may take at least, whatever the client is configured with.
    patience: Duration,
}

impl Call {
    pub(super) fn get(path: &[&str]) -> Self {
        Self::new(Method::GET, path, Repeat::Safe)
    }

    pub(super) fn new(method: Method, path: &[&str], repeat: Repeat) -> Self {
        Self {
            method,
            path: path.iter().map(|part| (*part).to_owned()).collect(),
            query: Vec::new(),
            body: None,
            headers: Vec::new(),
            repeat,
            answers_with: None,
            patience: Duration::ZERO,
        }
    }

    /// A body with this status is an answer too.
    pub(super) fn answering_with(mut self, status: u16) -> Self {
        self.answers_with = Some(status);
        self
    }

    /// The answer may take this long, whatever the client is configured with.
    pub(super) fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The fields of `query` that are set, as the query of the URL.
    pub(super) fn query(mut self, query: &impl Serialize) -> Self {
        if let Ok(Value::Object(fields)) = serde_json::to_value(query) {
            self.query.extend(fields.into_iter().filter_map(|(name, value)| match value {
                Value::Null | Value::Array(_) | Value::Object(_) => None,
                Value::String(text) => Some((name, text)),
                Value::Bool(_) | Value::Number(_) => Some((name, value.to_string())),
            }));
        }
        self
    }

    pub(super) fn json(mut self, body: &impl Serialize) -> Result<Self, ClientError> {
        let body = serde_json::to_value(body)
            .map_err(|error| ClientError::Configuration { problem: error.to_string() })?;
        self.body = Some(body);
        Ok(self)
    }

    pub(super) fn header(mut self, name: header::HeaderName, value: impl ToString) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }

    fn url(&self, endpoint: &Url) -> Url {
        let mut url = endpoint.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(&self.path);
        }
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.query);
        }
        url
    }
}

impl Client {
    /// Sends a call and reads its JSON answer.
    pub(super) async fn send<T: DeserializeOwned>(
        &self,
        call: Call,
    ) -> Result<Answer<T>, ClientError> {
        let (endpoint, response) = self.respond(call).await?;
        let number = |name: &str| text(&response, name)?.parse().ok();
        let request_id = text(&response, "x-request-id").map(str::to_owned);
        let (node, applied_index) =
            (number("x-countersign-node"), number("x-countersign-applied-index"));
        let bytes = whole_body(&endpoint, response).await?;
        // An empty answer (204) is read as null, which a unit takes.
        let json: &[u8] = if bytes.is_empty() { b"null" } else { &bytes };
        let body = serde_json::from_slice(json)
            .map_err(|error| ClientError::Answer { endpoint, detail: error.to_string() })?;
        Ok(Answer { body, request_id, node, applied_index })
    }

    /// Sends a call; the answer's body is still to be read. Problems are errors.
    pub(super) async fn respond(&self, call: Call) -> Result<(String, Response), ClientError> {
        let mut call = call;
        if let Some(index) = self.min_index.filter(|_| call.method == Method::GET) {
            call.query.push(("min_index".to_owned(), index.to_string()));
        }
        let rounds = usize::try_from(self.shared.rounds).unwrap_or(usize::MAX);
        let mut pauses = ExponentialBuilder::default()
            .with_min_delay(FIRST_PAUSE)
            .with_max_delay(MAX_PAUSE)
            .with_jitter()
            .with_max_times(rounds.saturating_sub(1))
            .build();
        loop {
            let failed = match self.round(&call).await {
                Ok(answered) => return Ok(answered),
                Err(failed) => failed,
            };
            let again = failed.is_passing() && (call.repeat == Repeat::Safe || failed.was_unsent());
            match pauses.next() {
                Some(pause) if again => tokio::time::sleep(pause).await,
                Some(_) | None => return Err(failed),
            }
        }
    }

    /// Goes once through the endpoints.
    async fn round(&self, call: &Call) -> Result<(String, Response), ClientError> {
        let shared = &*self.shared;
        let first = shared.preferred.load(Ordering::Relaxed);
        let mut failed = ClientError::Configuration { problem: "there is no endpoint".to_owned() };
        for step in 0..shared.endpoints.len() {
            let place = (first + step) % shared.endpoints.len();
            let Some(endpoint) = shared.endpoints.get(place) else { continue };
            match shared.attempt(endpoint, call, self.token.as_ref()).await {
                Ok(response) => {
                    shared.preferred.store(place, Ordering::Relaxed);
                    return Ok((endpoint.to_string(), response));
                }
                Err(error) => failed = error,
            }
            let again = failed.is_passing() && (call.repeat == Repeat::Safe || failed.was_unsent());
            if !again {
                return Err(failed);
            }
        }
        Err(failed)
    }
}

impl Shared {
    async fn attempt(
        &self,
        endpoint: &Url,
        call: &Call,
        token: Option<&Secret>,
    ) -> Result<Response, ClientError> {
        let transport = |source| ClientError::Transport { endpoint: endpoint.to_string(), source };
        let request = self.request(endpoint, call, token)?;
        let response = request.send().await.map_err(transport)?;
        let status = response.status();
        if status.is_success() || call.answers_with == Some(status.as_u16()) {
            return Ok(response);
        }
        let bytes = whole_body(endpoint.as_str(), response).await?;
        match serde_json::from_slice::<Problem>(&bytes) {
            Ok(problem) => Err(ClientError::Problem(Box::new(problem))),
            Err(_) => Err(ClientError::Answer {
                endpoint: endpoint.to_string(),
                detail: format!("HTTP status {status} without a problem document"),
            }),
        }
    }

    fn request(
        &self,
        endpoint: &Url,
        call: &Call,
        token: Option<&Secret>,
    ) -> Result<RequestBuilder, ClientError> {
        let mut request = self.http.request(call.method.clone(), call.url(endpoint));
        // A stream has no end: its silence is watched where it is read.
        if !call.headers.iter().any(|(_, value)| value == super::events::EVENT_STREAM) {
            request = request.timeout(self.timeout.max(call.patience));
        }
        if let Some(token) = token {
            let text = token.expose_text().ok_or_else(|| ClientError::Configuration {
                problem: "the token is not text".to_owned(),
            })?;
            request = request.bearer_auth(text.trim());
        }
        for (name, value) in &call.headers {
            request = request.header(name, value);
        }
        Ok(match &call.body {
            Some(body) => request.json(body),
            None => request,
        })
    }
}

fn text<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response.headers().get(name)?.to_str().ok()
}

async fn whole_body(endpoint: &str, mut response: Response) -> Result<Vec<u8>, ClientError> {
    let mut body = Vec::new();
    let transport = |source| ClientError::Transport { endpoint: endpoint.to_owned(), source };
    while let Some(chunk) = response.chunk().await.map_err(transport)? {
        if body.len() + chunk.len() > MAX_ANSWER {
            let detail = format!("more than {MAX_ANSWER} bytes");
            return Err(ClientError::Answer { endpoint: endpoint.to_owned(), detail });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
