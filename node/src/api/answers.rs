//! What every answer carries: the request's id, the node, the applied index, and headers that keep browsers honest.

use super::{Api, failure::Failure};
use crate::{metrics::counters, page::Rendered};
use axum::{
    body::Body,
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use countersign_api::problem::ProblemKind;
use futures::FutureExt;
use std::{panic::AssertUnwindSafe, time::Duration};
use tokio::time::{Instant, timeout};

/// How long a request may take until its answer begins. Streams may go on after that.
const MAX_DURATION: Duration = Duration::from_secs(30);
/// The longest request id that is taken over from a caller.
const MAX_REQUEST_ID: usize = 64;

/// Around every route.
pub(crate) async fn around(State(api): State<Api>, request: Request, next: Next) -> Response {
    let id = request_id(request.headers());
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let route = request.extensions().get::<MatchedPath>().map(|route| route.as_str().to_owned());
    let begun = Instant::now();
    let answered = AssertUnwindSafe(next.run(request)).catch_unwind();
    let mut response = match timeout(MAX_DURATION, answered).await {
        Ok(Ok(response)) => response,
        // The panic itself is in the log; a caller hears of it like of any other fault of ours.
        Ok(Err(_panic)) => {
            tracing::error!(request.id = %id, %method, path, "a handler panicked");
            Failure::new(ProblemKind::Internal, "the node could not do it; its log says why")
                .into_response()
        }
        Err(_late) => Failure::new(
            ProblemKind::RequestTimeout,
            "the request did not arrive, or was not done, in time",
        )
        .into_response(),
    };
    if let Some(failure) = problem_of(&response) {
        response = with_instance(response, failure, &id);
    }
    let policies = match response.extensions().get::<Rendered>() {
        Some(Rendered) => Rendered::POLICIES,
        None => ("default-src 'none'; frame-ancestors 'none'", "no-referrer"),
    };
    mark(&api, response.headers_mut(), (&id, policies));
    let status = response.status().as_u16();
    counters::api_answered(route.as_deref().unwrap_or("none"), status);
    // The path of an identified route holds ids and names, never statements.
    tracing::debug!(request.id = %id, %method, path, status, took_ms = begun.elapsed().as_millis(), "answered");
    response
}

fn request_id(headers: &HeaderMap) -> String {
    let plain = |id: &&str| {
        (1..=MAX_REQUEST_ID).contains(&id.len())
            && id.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
    };
    match headers.get("x-request-id").and_then(|value| value.to_str().ok()).filter(plain) {
        Some(id) => id.to_owned(),
        None => format!("req_{}", hex::encode(rand::random::<[u8; 16]>())),
    }
}

/// The problem of an answer: ours, or one made of what the framework says.
fn problem_of(response: &Response) -> Option<Failure> {
    if let Some(failure) = response.extensions().get::<Failure>() {
        return Some(failure.clone());
    }
    if response.extensions().get::<Rendered>().is_some() {
        return None;
    }
    let kind = match response.status() {
        StatusCode::NOT_FOUND => (ProblemKind::NotFound, "there is no such path"),
        StatusCode::METHOD_NOT_ALLOWED => {
            (ProblemKind::MethodNotAllowed, "the path has other methods; see /v1/openapi.json")
        }
        StatusCode::PAYLOAD_TOO_LARGE => (ProblemKind::TooLarge, "the request is too large"),
        StatusCode::BAD_REQUEST => (ProblemKind::BadRequest, "the path cannot be read"),
        _other => return None,
    };
    Some(Failure::new(kind.0, kind.1))
}

fn with_instance(response: Response, mut failure: Failure, id: &str) -> Response {
    failure.0.instance = Some(format!("urn:countersign:request:{id}"));
    let allow = response.headers().get(header::ALLOW).cloned();
    let mut response = failure.into_response();
    if let Some(allow) = allow {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    response
}

fn mark(api: &Api, headers: &mut HeaderMap, (id, policies): (&str, (&'static str, &'static str))) {
    let (content, referrer) = policies;
    let fixed = [
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, content),
        (header::STRICT_TRANSPORT_SECURITY, "max-age=31536000"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, referrer),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(value) = HeaderValue::from_str(id) {
        headers.insert(HeaderName::from_static("x-request-id"), value);
    }
    if let Some(node) = api.app.node() {
        headers.insert(HeaderName::from_static("x-countersign-node"), HeaderValue::from(node.id.0));
        let applied = node.store.status().applied.0;
        headers.insert(
            HeaderName::from_static("x-countersign-applied-index"),
            HeaderValue::from(applied),
        );
    }
}

/// Nothing is at this path.
pub(crate) async fn nothing_here(_: axum::http::Request<Body>) -> Failure {
    Failure::new(ProblemKind::NotFound, "there is no such path")
        .hint("/v1/openapi.json lists all of them")
}
