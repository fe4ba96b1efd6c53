//! What every page has: its head, who is signed in, the way between the pages, and its few files. No inline script or
//! style, so that the content security policy allows none.

use crate::api::caller::{Caller, Who};
use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use maud::{DOCTYPE, Markup, html};

/// The look.
const STYLE: &str = include_str!("page.css");
/// Renews what is shown.
const SCRIPT: &str = include_str!("page.js");
/// The mark.
const ICON: &str = include_str!("icon.svg");

/// Marks an answer that a browser shows: it is no problem document, whatever its status.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rendered;

impl Rendered {
    /// What a page may load and send: its own files, its own events, its own forms. And whom it is said to that it was this page:
    /// itself only, because a browser that may not say where a form was says it was nowhere (Fetch, section 4.4, `Origin: null`).
    pub(crate) const POLICIES: (&str, &str) = (Self::CONTENT, "same-origin");
    const CONTENT: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
}

/// A page.
pub(super) struct Page<'a> {
    title: &'a str,
    /// Who is signed in, with the word of the forms.
    signed_in: Option<(&'a Caller, &'a str)>,
    body: Markup,
}

impl<'a> Page<'a> {
    /// A page of nobody in particular.
    pub(super) fn plain(title: &'a str) -> Self {
        Self { title, signed_in: None, body: html! {} }
    }

    /// A page of somebody's.
    pub(super) fn of(title: &'a str, caller: &'a Caller, word: &'a str) -> Self {
        Self { title, signed_in: Some((caller, word)), body: html! {} }
    }

    pub(super) fn with(self, body: Markup) -> Self {
        Self { body, ..self }
    }

    fn markup(self) -> Markup {
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (self.title) " · Countersign" }
                    link rel="icon" href="/assets/icon.svg" type="image/svg+xml";
                    link rel="stylesheet" href="/assets/page.css";
                    script src="/assets/page.js" defer {}
                }
                body {
                    a.skip href="#main" { "Skip to the content" }
                    header {
                        a.brand href="/" { img src="/assets/icon.svg" alt="" width="24" height="24"; "Countersign" }
                        @if let Some((caller, word)) = self.signed_in { (person(caller, word)) }
                    }
                    main id="main" tabindex="-1" { (self.body) }
                }
            }
        }
    }
}

fn person(caller: &Caller, word: &str) -> Markup {
    let name = match &caller.who {
        Who::Bootstrap => "bootstrap",
        Who::Reviewer { reviewer, .. } => reviewer.name.as_str(),
    };
    html! {
        form.person method="post" action="/logout" {
            span { (super::text::shown(name)) }
            input type="hidden" name="word" value=(word);
            button.quiet type="submit" { "Sign out" }
        }
    }
}

/// An answer with a page.
pub(super) fn respond(status: StatusCode, page: Page<'_>) -> Response {
    let kind = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
    let mut response = (status, kind, page.markup().into_string()).into_response();
    response.extensions_mut().insert(Rendered);
    response
}

/// `GET /assets/page.css`.
pub(crate) async fn style() -> Response {
    file("text/css; charset=utf-8", STYLE)
}

/// `GET /assets/page.js`.
pub(crate) async fn script() -> Response {
    file("text/javascript; charset=utf-8", SCRIPT)
}

/// `GET /assets/icon.svg`.
pub(crate) async fn icon() -> Response {
    file("image/svg+xml", ICON)
}

fn file(kind: &'static str, text: &'static str) -> Response {
    let mut response = text.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
