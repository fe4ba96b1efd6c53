//! Signing in and out. A person is sent to an identity provider and comes back with a code; what the code stands for is
//! checked as every token is, and the browser keeps it, sealed. Nobody is let in by this page itself.

use super::{
    confirm::Confirmed,
    cookies::{self, Kept},
    layout::{Page, respond},
};
use crate::{
    api::{
        Api,
        caller::{Peer, unidentified},
        failure::{Answer, Failure},
    },
    app::Node,
    identify::{Attempt, SignInError},
};
use axum::{
    Extension,
    extract::{Path, Query, State},
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use cookie::time::Duration;
use countersign_api::problem::ProblemKind;
use maud::html;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// What the provider's word of a failure is cut at, in characters.
const MAX_REASON: usize = 200;
/// How long an attempt to sign in may take.
const ATTEMPT: Duration = Duration::minutes(10);

/// Where somebody wants to go behind the sign-in.
#[derive(Debug, Deserialize)]
pub(crate) struct To {
    #[serde(default)]
    to: Option<String>,
}

/// What the browser keeps of an attempt.
#[derive(Serialize, Deserialize)]
struct Begun {
    attempt: Attempt,
    to: String,
}

/// What the provider sends back (RFC 6749, section 4.1.2; RFC 9207).
#[derive(Debug, Deserialize)]
pub(crate) struct Returned {
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    state: Option<String>,
    /// Who says so, where the provider names itself.
    #[serde(default)]
    iss: Option<String>,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    error_description: Option<String>,
}

/// `GET /login`.
pub(crate) async fn choose(
    State(api): State<Api>,
    Query(To { to }): Query<To>,
) -> Answer<Response> {
    let providers = api.node()?.identify.sign_in_at();
    let to = local(to);
    let way =
        percent_encoding::utf8_percent_encode(&to, percent_encoding::NON_ALPHANUMERIC).to_string();
    let body = html! {
        section.sign-in {
            h1 { "Sign in" }
            @if providers.is_empty() {
                p { "No identity provider signs people in here yet. An administrator adds " code { "browser:" } " to an IdentityProvider." }
                p.hint { "Until then, " code { "countersignctl holds" } " does everything that this page does." }
            }
            @for provider in &providers {
                p { a.button href=(format!("/login/{provider}?to={way}")) { "Sign in with " (provider) } }
            }
        }
    };
    Ok(respond(StatusCode::OK, Page::plain("Sign in").with(body)))
}

/// `GET /login/{provider}`.
pub(crate) async fn begin(
    State(api): State<Api>,
    Path(provider): Path<String>,
    Query(To { to }): Query<To>,
    uri: Uri,
    headers: HeaderMap,
) -> Answer<Response> {
    let node = api.node()?;
    let host = host(&uri, &headers).ok_or_else(no_host)?;
    let _turn = api.sign_in_turn()?;
    let attempt = Attempt::new(&provider, format!("https://{host}/login/callback"));
    let way = node.identify.authorize(&attempt).await.map_err(|error| refused(&error))?;
    let begun = serde_json::to_vec(&Begun { attempt, to: local(to) })
        .map_err(|error| Failure::internal("an attempt to sign in cannot be written", &error))?;
    let kept = cookies::keep(node, Kept::Attempt, &begun, ATTEMPT)?;
    Ok(redirect(&way, kept))
}

/// `GET /login/callback`.
pub(crate) async fn finish(
    State(api): State<Api>,
    Extension(Peer(source)): Extension<Peer>,
    Query(returned): Query<Returned>,
    headers: HeaderMap,
) -> Answer<Response> {
    let node = api.node()?;
    let _turn = api.sign_in_turn()?;
    let Begun { attempt, to } = begun(node, &headers)?;
    let state = returned.state.as_deref().unwrap_or_default();
    let same = aws_lc_rs::constant_time::verify_slices_are_equal(
        state.as_bytes(),
        attempt.state.as_bytes(),
    );
    // Whoever can make a browser come here with a code of their own must not sign it in as themselves.
    same.map_err(|_| stale())?;
    if let Some(error) = returned.error {
        return Err(said_no(&error, returned.error_description.as_deref()));
    }
    let code = returned.code.ok_or_else(stale)?;
    let issuer = returned.iss.as_deref();
    let token =
        node.identify.redeem(&attempt, (&code, issuer)).await.map_err(|error| refused(&error))?;
    let lasts = accepted(&api, node, &token, (&attempt, source.ip())).await?;
    let mut kept = cookies::keep(node, Kept::Session, token.expose(), lasts)?;
    kept.extend(cookies::forget(Kept::Attempt)?);
    Ok(redirect(&local(Some(to)), kept))
}

/// `POST /logout`.
pub(crate) async fn leave(_: Confirmed<Nothing>) -> Answer<Response> {
    Ok(redirect("/login", cookies::forget(Kept::Session)?))
}

/// A form without fields of its own.
#[derive(Debug, Deserialize)]
pub(crate) struct Nothing {}

/// Whether the token makes somebody of who brought it, and for how long.
async fn accepted(
    api: &Api,
    node: &Node,
    token: &countersign_core::secret::Secret,
    (attempt, source): (&Attempt, IpAddr),
) -> Answer<Duration> {
    let person = node.identify.person(token, source).await.map_err(unidentified)?;
    if person.provider != attempt.provider {
        return Err(stale());
    }
    let left_ms = person.expires_at.0.saturating_sub(api.app.clock.now_ms());
    Ok(Duration::milliseconds(i64::try_from(left_ms).unwrap_or(i64::MAX)))
}

fn begun(node: &Node, headers: &HeaderMap) -> Answer<Begun> {
    let kept = cookies::open(node, headers, Kept::Attempt).ok_or_else(stale)?;
    serde_json::from_slice(kept.expose()).map_err(|_| stale())
}

fn redirect(to: &str, cookies: Vec<HeaderValue>) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    match HeaderValue::from_str(to) {
        Ok(to) => drop(response.headers_mut().insert(header::LOCATION, to)),
        Err(_unwritable) => *response.status_mut() = StatusCode::BAD_GATEWAY,
    }
    for cookie in cookies {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response.extensions_mut().insert(super::Rendered);
    response
}

/// A way on this site, and nowhere else: a path, which no browser takes for another host.
fn local(to: Option<String>) -> String {
    let is_path = |to: &String| {
        to.starts_with('/')
            && !to.starts_with("//")
            && !to.contains('\\')
            && to.chars().all(|c| c.is_ascii_graphic())
    };
    to.filter(is_path).unwrap_or_else(|| "/".to_owned())
}

/// The name that the browser knows this site by (RFC 9110, section 7.2; RFC 9113, section 8.3.1).
pub(super) fn host(uri: &Uri, headers: &HeaderMap) -> Option<String> {
    if let Some(authority) = uri.authority() {
        return Some(authority.as_str().to_owned());
    }
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return None };
    let host = host.to_str().ok()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
    (!host.is_empty() && host.chars().all(plain)).then(|| host.to_owned())
}

fn no_host() -> Failure {
    Failure::new(ProblemKind::BadRequest, "the request does not say which host it is for")
}

fn stale() -> Failure {
    Failure::new(ProblemKind::BadRequest, "this sign-in was begun elsewhere, or too long ago")
        .hint("sign in again")
}

fn said_no(error: &str, description: Option<&str>) -> Failure {
    let said: String = description.unwrap_or(error).chars().take(MAX_REASON).collect();
    let said = super::text::shown(&said);
    Failure::new(
        ProblemKind::Forbidden,
        format!("the identity provider did not sign you in: {said}"),
    )
    .hint("sign in again, or ask whoever runs the identity provider")
}

/// What a person hears; the cause is for the log.
fn refused(error: &SignInError) -> Failure {
    let kind = match error {
        SignInError::NoSuchProvider(_) => ProblemKind::NotFound,
        SignInError::Unavailable(_) | SignInError::Secret(_) | SignInError::Answer(_) => {
            ProblemKind::ProviderUnavailable
        }
    };
    tracing::info!(error = error as &dyn std::error::Error, "a person could not be signed in");
    Failure::new(kind, error.to_string())
        .hint("sign in again; if it stays, an administrator finds the cause in this node's log")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_led_to_another_site_behind_the_sign_in() {
        for elsewhere in [
            "https://evil.example",
            "//evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "evil",
            "",
            "/a\nb",
            "/a b",
            "javascript:alert(1)",
        ] {
            assert_eq!(local(Some(elsewhere.to_owned())), "/", "{elsewhere}");
        }
        assert_eq!(local(Some("/holds/hold_1?x=y".to_owned())), "/holds/hold_1?x=y");
        assert_eq!(local(None), "/");
    }
}
