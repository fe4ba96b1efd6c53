//! Sessions: listing, showing, ending.

use super::{
    Api,
    caller::Caller,
    convert,
    failure::{Answer, Failure},
    holds::check_comment,
    input::{Asked, Body, Nothing, cursor, page_size},
    reading, recordings,
};
use axum::{
    Json,
    extract::{Path, State},
};
use countersign_api::{
    page::Page,
    problem::{Problem, ProblemKind},
    session::{EndRequest, Session, SessionQuery},
};
use countersign_core::id::SessionId;
use countersign_raft_store::{command::EndSession, handle::SessionFilter, records::SessionRecord};

/// How many rows a filtered list looks through for one page; a page may be short, its cursor goes on.
const MAX_SCANNED: usize = 10_000;

/// Lists sessions, newest first.
#[utoipa::path(get, path = "/v1/sessions", tag = "sessions", params(SessionQuery), responses((status = 200, body = Page<Session>), (status = "default", body = Problem)))]
pub(crate) async fn list(
    State(api): State<Api>,
    Asked { query, min }: Asked<SessionQuery>,
) -> Answer<Json<Page<Session>>> {
    let limit = page_size(query.limit)?;
    let mut before = cursor(query.cursor.as_deref())?;
    let filter = match query.state.as_deref() {
        None | Some("open") => SessionFilter::Open,
        Some("any") => SessionFilter::Any,
        Some(_) => return Err(Failure::new(ProblemKind::BadRequest, "`state` is `open` or `any`")),
    };
    let page = reading::linear(api.node()?, min.get(), move |view| {
        let (mut items, mut scanned) = (Vec::new(), 0);
        loop {
            let found = view.sessions(filter, before, limit - items.len())?;
            scanned += found.sessions.len().max(1);
            items.extend(
                found.sessions.iter().filter(|record| wanted(&query, record)).map(convert::session),
            );
            before = found.next;
            if before.is_none() || items.len() >= limit || scanned >= MAX_SCANNED {
                return Ok(Page { items, next: before.map(|number| number.to_string()) });
            }
        }
    })
    .await?;
    Ok(Json(page))
}

fn wanted(query: &SessionQuery, record: &SessionRecord) -> bool {
    let agent = &record.agent;
    query.target.as_ref().is_none_or(|target| record.target.as_str() == target)
        && query.agent.as_ref().is_none_or(|name| {
            agent.name == *name
                || agent.identity.subject == *name
                || agent.identity.to_string() == *name
        })
}

/// Shows a session.
#[utoipa::path(get, path = "/v1/sessions/{id}", tag = "sessions", params(("id" = String, Path)), responses((status = 200, body = Session), (status = "default", body = Problem)))]
pub(crate) async fn show(
    State(api): State<Api>,
    Path(id): Path<String>,
    Asked { query: Nothing {}, min }: Asked<Nothing>,
) -> Answer<Json<Session>> {
    let session = session_id(&id)?;
    let found = reading::linear(api.node()?, min.get(), move |view| {
        let record = view.session(session)?.ok_or_else(|| Failure::not_found("session", &id))?;
        Ok(Session { recording: recordings::index(view, session)?, ..convert::session(&record) })
    });
    Ok(Json(found.await?))
}

/// Ends a session, on whichever node it is.
#[utoipa::path(post, path = "/v1/sessions/{id}/end", tag = "sessions", params(("id" = String, Path)), request_body = EndRequest, responses((status = 200, body = Session), (status = "default", body = Problem)))]
pub(crate) async fn end(
    State(api): State<Api>,
    Path(id): Path<String>,
    caller: Caller,
    Body(request): Body<EndRequest>,
) -> Answer<Json<Session>> {
    let session = session_id(&id)?;
    check_comment(&request.reason)?;
    let node = api.node()?;
    let reason = if request.reason.is_empty() {
        "ended by an administrator".to_owned()
    } else {
        request.reason
    };
    let command = EndSession { id: session, reason, author: caller.author() };
    let ended = reading::committed(node.store.end_session(command)).await?;
    let found = reading::linear(node, Some(ended.index), move |view| {
        view.session(session)?.ok_or_else(|| Failure::not_found("session", &id))
    });
    Ok(Json(convert::session(&found.await?)))
}

pub(super) fn session_id(text: &str) -> Answer<SessionId> {
    text.parse().map_err(|_| Failure::not_found("session", text))
}
