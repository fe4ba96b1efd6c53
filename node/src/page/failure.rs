//! Failures as people read them: what went wrong, what to do, and a way on. Whoever is not signed in is sent to sign in.

use super::layout::{Page, respond};
use crate::api::failure::Failure;
use axum::{
    http::{Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use countersign_api::problem::{Problem, ProblemKind};
use maud::html;

/// The longest way back that is remembered, in bytes.
const MAX_WAY: usize = 512;

/// A failure, instead of the problem document that a program would get.
pub(crate) fn rendered(failure: &Failure, method: &Method, uri: &Uri) -> Response {
    let Failure(problem) = failure;
    if problem.problem_kind() == Some(ProblemKind::NotIdentified) {
        return to_sign_in(method, uri);
    }
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    respond(status, page(problem))
}

fn page(problem: &Problem) -> Page<'_> {
    let detail = if problem.detail.is_empty() { &problem.title } else { &problem.detail };
    Page::plain(&problem.title).with(html! {
        section.notice.bad role="alert" {
            h1 { (problem.title) }
            p { (detail) }
            @if let Some(hint) = &problem.hint { p.hint { (hint) } }
            @for item in &problem.errors { p { (item.message) } }
            p { a href="/" { "Back to what waits" } }
        }
    })
}

/// After a look at a page one comes back to it; after a form one does not send it again unseen.
fn to_sign_in(method: &Method, uri: &Uri) -> Response {
    let way = uri.path_and_query().map_or("/", |way| way.as_str());
    let to = if *method == Method::GET && way.len() <= MAX_WAY {
        let way = percent_encoding::utf8_percent_encode(way, percent_encoding::NON_ALPHANUMERIC);
        format!("/login?to={way}")
    } else {
        "/login".to_owned()
    };
    let mut response = (StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response();
    response.extensions_mut().insert(super::Rendered);
    response
}
