//! People who sign in with a browser: the authorization code flow with PKCE (OpenID Connect Core 1.0, section 3.1; RFC 7636),
//! for public clients on loopback only. A code is good once and for a minute.

use crate::{
    keys::KeyRing,
    mint::{self, Wanted},
    people::Person,
};
use axum::{
    Form, Json, Router,
    extract::{Query, State},
    http::{HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Redirect, Response},
    routing::{get, post},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use maud::{DOCTYPE, html};
use reqwest::Url;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// How long a code is good.
const CODE_LIVES: Duration = Duration::from_mins(1);
/// Codes that wait to be redeemed.
const MAX_CODES: usize = 256;
/// How long the tokens are good: a working hour.
const TOKEN_LIVES_S: i64 = 3600;

/// Where people sign in.
pub(crate) struct Desk {
    issuer: String,
    keys: Arc<KeyRing>,
    people: Vec<Person>,
    password: String,
    codes: Mutex<HashMap<String, Granted>>,
}

/// What a code stands for.
struct Granted {
    asked: Asked,
    person: Person,
    at: Instant,
}

/// What a client asks (OpenID Connect Core 1.0, section 3.1.2.1).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Asked {
    response_type: String,
    client_id: String,
    redirect_uri: String,
    state: String,
    nonce: String,
    code_challenge: String,
    code_challenge_method: String,
}

/// The form: what was asked, and who it is.
#[derive(Debug, Deserialize)]
pub(crate) struct Proof {
    name: String,
    password: String,
    #[serde(flatten)]
    asked: Asked,
}

/// What a client redeems (RFC 6749, section 4.1.3; RFC 7636, section 4.5).
#[derive(Debug, Deserialize)]
pub(crate) struct Redeem {
    grant_type: String,
    code: String,
    redirect_uri: String,
    client_id: String,
    code_verifier: String,
}

impl Desk {
    pub(crate) fn new(
        issuer: &str,
        keys: Arc<KeyRing>,
        people: Vec<Person>,
        password: String,
    ) -> Arc<Self> {
        let codes = Mutex::default();
        Arc::new(Self { issuer: issuer.to_owned(), keys, people, password, codes })
    }

    fn codes(&self) -> std::sync::MutexGuard<'_, HashMap<String, Granted>> {
        let mut codes = self.codes.lock().unwrap_or_else(PoisonError::into_inner);
        codes.retain(|_, granted| granted.at.elapsed() < CODE_LIVES);
        codes
    }

    fn redeem(&self, form: &Redeem) -> Option<String> {
        let Granted { asked, person, at: _ } = self.codes().remove(&form.code)?;
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(form.code_verifier.as_bytes()));
        let fits = form.grant_type == "authorization_code"
            && form.redirect_uri == asked.redirect_uri
            && form.client_id == asked.client_id
            && challenge == asked.code_challenge;
        if !fits {
            return None;
        }
        let wanted = Wanted {
            audience: asked.client_id,
            subject: person.name,
            lifetime_seconds: TOKEN_LIVES_S,
            groups: Some(person.groups),
            owner: None,
            algorithm: None,
            nonce: Some(asked.nonce),
        };
        mint::mint(&wanted, &self.issuer, &self.keys).ok()
    }
}

/// The routes.
pub(crate) fn router(desk: Arc<Desk>) -> Router {
    Router::new()
        .route("/authorize", get(ask).post(answer))
        .route("/token", post(redeem))
        .with_state(desk)
}

/// Whether the client is one on loopback, and asks in the one way that is answered.
fn acceptable(asked: &Asked) -> Option<Url> {
    let back = Url::parse(&asked.redirect_uri).ok()?;
    let on_loopback = matches!(back.host_str(), Some("127.0.0.1" | "[::1]" | "localhost"));
    let fits = on_loopback
        && back.scheme() == "https"
        && asked.response_type == "code"
        && asked.code_challenge_method == "S256";
    fits.then_some(back)
}

async fn ask(State(desk): State<Arc<Desk>>, Query(asked): Query<Asked>) -> Response {
    match acceptable(&asked) {
        Some(_back) => form(&desk, &asked, ""),
        None => (StatusCode::BAD_REQUEST, "not a client of this issuer").into_response(),
    }
}

fn form(desk: &Desk, asked: &Asked, problem: &str) -> Response {
    let hidden = serde_json::to_value(asked).unwrap_or_default();
    let hidden: Vec<(String, String)> = hidden
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()))
        .collect();
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Development sign-in" }
            }
            body {
                h1 { "Development sign-in" }
                p { "The password is in CS_PEOPLE_PASSWORD of " code { "countersignctl dev env" } "." }
                @if !problem.is_empty() { p role="alert" { (problem) } }
                form method="post" action="/authorize" {
                    @for (name, value) in &hidden { input type="hidden" name=(name) value=(value); }
                    p { label for="name" { "Who are you? " }
                        select id="name" name="name" { @for person in &desk.people { option { (person.name) } } } }
                    p { label for="password" { "Password " }
                        input id="password" name="password" type="password" required; }
                    p { button type="submit" { "Sign in" } }
                }
            }
        }
    };
    let policy = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'";
    let mut response = Html(page.into_string()).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn answer(State(desk): State<Arc<Desk>>, Form(proof): Form<Proof>) -> Response {
    let Some(mut back) = acceptable(&proof.asked) else {
        return (StatusCode::BAD_REQUEST, "not a client of this issuer").into_response();
    };
    let known = desk.people.iter().find(|person| person.name == proof.name);
    let same = aws_lc_rs::constant_time::verify_slices_are_equal(
        desk.password.as_bytes(),
        proof.password.trim().as_bytes(),
    );
    let (Some(person), Ok(())) = (known, same) else {
        return form(&desk, &proof.asked, "That is not the password.");
    };
    let code = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 24]>());
    back.query_pairs_mut()
        .append_pair("code", &code)
        .append_pair("state", &proof.asked.state)
        .append_pair("iss", &desk.issuer);
    {
        let mut codes = desk.codes();
        if codes.len() >= MAX_CODES {
            return (StatusCode::SERVICE_UNAVAILABLE, "too many sign-ins").into_response();
        }
        let granted = Granted { asked: proof.asked, person: person.clone(), at: Instant::now() };
        codes.insert(code, granted);
    }
    Redirect::to(back.as_str()).into_response()
}

async fn redeem(
    State(desk): State<Arc<Desk>>,
    Form(form): Form<Redeem>,
) -> Result<Json<Value>, (StatusCode, Json<Value>)> {
    let refused = (StatusCode::BAD_REQUEST, Json(json!({ "error": "invalid_grant" })));
    let token = desk.redeem(&form).ok_or(refused)?;
    Ok(Json(json!({
        "id_token": token, "access_token": token, "token_type": "Bearer", "expires_in": TOKEN_LIVES_S,
    })))
}
