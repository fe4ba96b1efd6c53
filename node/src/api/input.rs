//! Reading requests: bodies, queries and headers. What cannot be read is a problem that says where.

use super::failure::{Answer, Failure};
use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Query, Request, rejection::BytesRejection},
    http::{HeaderMap, StatusCode, Uri, header, request::Parts},
};
use countersign_api::{
    page::{DEFAULT_PAGE, MAX_PAGE},
    problem::{ProblemItem, ProblemKind},
};
use countersign_core::id::LogIndex;
use serde::{Deserialize, de::DeserializeOwned};

/// The largest body of a request, in bytes: a set of policies and targets.
pub(crate) const MAX_BODY: usize = 8 * 1024 * 1024;
/// The longest idempotency key.
const MAX_KEY: usize = 200;

/// A JSON body. An empty body is read as an empty object.
#[derive(Debug)]
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let is_json = request.headers().get(header::CONTENT_TYPE).is_some_and(is_json);
        let bytes = Bytes::from_request(request, state).await.map_err(unread)?;
        if bytes.is_empty() {
            return read(b"{}").map(Self);
        }
        if !is_json {
            return Err(Failure::new(
                ProblemKind::UnsupportedMediaType,
                "the body is not `application/json`",
            ));
        }
        read(&bytes).map(Self)
    }
}

pub(super) fn is_json(value: &header::HeaderValue) -> bool {
    let text = value.to_str().unwrap_or_default();
    let kind = text.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/json")
}

fn unread(rejection: BytesRejection) -> Failure {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return Failure::new(ProblemKind::TooLarge, format!("a body has at most {MAX_BODY} bytes"));
    }
    Failure::new(ProblemKind::BadRequest, "the body did not arrive whole")
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Answer<T> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let place = error.path().to_string();
        let inner = error.into_inner();
        let kind = if inner.is_data() { ProblemKind::Invalid } else { ProblemKind::BadRequest };
        Failure::new(kind, format!("the body cannot be read: {inner}")).errors(vec![ProblemItem {
            pointer: Some(place),
            line: Some(inner.line()),
            column: Some(inner.column()),
            message: inner.to_string(),
            ..ProblemItem::default()
        }])
    })?;
    json.end().map_err(|_| {
        Failure::new(ProblemKind::BadRequest, "something follows the JSON of the body")
    })?;
    Ok(value)
}

/// A query, and the index that every reading of the state may ask for. A parameter that the route does not know is an
/// error: it would be a filter that filters nothing.
#[derive(Debug)]
pub(crate) struct Asked<T> {
    pub(crate) query: T,
    pub(crate) min: MinIndex,
}

/// The query of a route that has none of its own.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        let all = parts.uri.query().unwrap_or_default();
        let is_min = |pair: &&str| pair.split('=').next() == Some("min_index");
        let (min, own): (Vec<&str>, Vec<&str>) =
            all.split('&').filter(|pair| !pair.is_empty()).partition(is_min);
        Ok(Self { query: query(&own)?, min: query(&min)? })
    }
}

fn query<T: DeserializeOwned>(pairs: &[&str]) -> Answer<T> {
    let unread = |why: String| {
        Failure::new(ProblemKind::BadRequest, format!("the query cannot be read: {why}"))
            .hint("/v1/openapi.json lists the parameters of every route")
    };
    let uri = Uri::builder().path_and_query(format!("/?{}", pairs.join("&"))).build();
    let uri = uri.map_err(|error| unread(error.to_string()))?;
    let Query(read) = Query::try_from_uri(&uri).map_err(|error| unread(error.body_text()))?;
    Ok(read)
}

/// `?min_index=`: the log index that the node must have applied before it answers.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MinIndex {
    min_index: Option<u64>,
}

impl MinIndex {
    pub(crate) fn get(self) -> Option<LogIndex> {
        self.min_index.map(LogIndex)
    }
}

/// How many items a page is to have.
pub(crate) fn page_size(limit: Option<usize>) -> Answer<usize> {
    match limit {
        None => Ok(DEFAULT_PAGE),
        Some(limit @ 1..=MAX_PAGE) => Ok(limit),
        Some(_) => Err(Failure::new(
            ProblemKind::BadRequest,
            format!("`limit` is a number from 1 to {MAX_PAGE}"),
        )),
    }
}

/// A cursor of ours is a number; a client does not look into it.
pub(crate) fn cursor(text: Option<&str>) -> Answer<Option<u64>> {
    text.map(|text| {
        text.parse().map_err(|_| {
            Failure::new(ProblemKind::BadRequest, "`cursor` is not one that a page gave")
        })
    })
    .transpose()
}

/// The `Idempotency-Key` of a request.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Answer<Option<&str>> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    match value.to_str() {
        Ok(key) if (1..=MAX_KEY).contains(&key.len()) => Ok(Some(key)),
        Ok(_) | Err(_) => Err(Failure::new(
            ProblemKind::BadRequest,
            format!("an idempotency key has 1 to {MAX_KEY} plain characters"),
        )),
    }
}
