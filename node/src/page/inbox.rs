//! What waits for the person who is signed in, and what was decided lately.

use super::{
    confirm::word,
    layout::{Page, respond},
    live::renewed,
    text::{moment, shown},
};
use crate::api::{
    Api,
    caller::Caller,
    failure::Answer,
    holds::{self, Inbox},
};
use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use countersign_api::hold::{Hold, HoldState};
use maud::{Markup, html};

/// Holds of one kind on the page.
const SHOWN: usize = 50;

/// Characters of a text in a list.
const EXCERPT: usize = 120;

/// `GET /`.
pub(crate) async fn list(
    State(api): State<Api>,
    headers: HeaderMap,
    caller: Caller,
) -> Answer<Response> {
    let node = api.node()?;
    let word = word(node, &headers)?;
    let Inbox { pending, recent } = holds::inbox(&api, &caller, SHOWN).await?;
    let now = api.app.clock.now_ms();
    let recent: Vec<Hold> =
        recent.items.into_iter().filter(|hold| hold.state != HoldState::Pending).collect();
    let body = html! {
        h1 { "Waiting for a decision" }
        @if pending.items.is_empty() && pending.next.is_none() {
            p.empty { "Nothing waits for you. An operation that needs a human shows up here by itself." }
        } @else {
            (cards(&pending.items, now))
        }
        @if pending.next.is_some() {
            p.hint { "There may be more; all are listed by " code { "countersignctl holds list" } "." }
        }
        @if !recent.is_empty() {
            h2 { "Lately" }
            (cards(&recent, now))
        }
    };
    let title = match pending.items.len() {
        0 => "Nothing waits".to_owned(),
        waiting => format!("{waiting} waiting"),
    };
    Ok(respond(StatusCode::OK, Page::of(&title, &caller, &word).with(renewed(&body))))
}

fn cards(holds: &[Hold], now: u64) -> Markup {
    html! {
        ul.cards {
            @for hold in holds {
                li {
                    a.card href=(format!("/holds/{}", hold.id)) {
                        span.line {
                            (badge(hold.state))
                            span.target { (shown(&hold.target)) }
                            span.key { (hold.key) }
                        }
                        span.summary { (shown(&hold.operation.summary)) }
                        @if let Some(line) = first_line(hold) { code.excerpt { (line) } }
                        span.line.small {
                            span { (shown(&hold.agent.name)) }
                            span { (moment(hold.created_at, now)) }
                            @if hold.state == HoldState::Pending {
                                span { "expires " (moment(hold.expires_at, now)) }
                                @if hold.waiting { span { "the agent waits" } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// How its text begins. What it is in whole is on its own page, and only there it is decided about.
fn first_line(hold: &Hold) -> Option<String> {
    let line = hold.operation.text.lines().map(str::trim).find(|line| !line.is_empty())?;
    let beginning: String = line.chars().take(EXCERPT).collect();
    Some(shown(&beginning))
}

/// The state, as a word with a colour; never as a colour alone.
pub(super) fn badge(state: HoldState) -> Markup {
    let look = match state {
        HoldState::Pending => "badge open",
        HoldState::Approved | HoldState::Consumed => "badge good",
        HoldState::Rejected => "badge bad",
        HoldState::Withdrawn | HoldState::Expired | HoldState::Invalidated => "badge",
    };
    html! { span class=(look) { (state.name()) } }
}
