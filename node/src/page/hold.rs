//! One hold: exactly what the fingerprint is of, who asks and why it waits, and the decision. What cannot be shown whole can
//! not be decided about here.

mod details;

use super::{
    confirm::{Confirmed, word},
    inbox::badge,
    layout::{Page, respond},
    live::renewed,
    text::{moment, shown, span},
};
use crate::api::{
    Api,
    caller::{Caller, Who},
    failure::{Answer, Failure},
    holds,
};
use axum::{
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use countersign_api::{
    hold::{Choice, DecisionRequest, Hold, HoldState},
    problem::ProblemKind,
};
use maud::{Markup, html};
use serde::Deserialize;
use std::collections::BTreeSet;

/// Spans that an approval can be given for, in seconds, as far as policy lets it.
const SPANS: [u64; 5] = [300, 900, 1800, 3600, 14_400];

/// The form.
#[derive(Debug, Deserialize)]
pub(crate) struct Sent {
    decision: Choice,
    fingerprint: String,
    #[serde(default)]
    comment: String,
    #[serde(default)]
    for_seconds: Option<String>,
}

/// `GET /holds/{id}`.
pub(crate) async fn show(
    State(api): State<Api>,
    Path(id): Path<String>,
    headers: HeaderMap,
    caller: Caller,
) -> Answer<Response> {
    let word = word(api.node()?, &headers)?;
    let hold = holds::one(&api, &caller, &id).await?;
    let now = api.app.clock.now_ms();
    let body = html! {
        (renewed(&html! {
            (heading(&hold, now))
            (details::exactly(&hold))
            (details::around(&hold, now))
        }))
        @if hold.state == HoldState::Pending { (decision(&hold, &caller, &word)) }
    };
    let title = format!("{} on {}", hold.state.name(), shown(&hold.target));
    Ok(respond(StatusCode::OK, Page::of(&title, &caller, &word).with(body)))
}

/// `POST /holds/{id}/decision`.
pub(crate) async fn decide(
    State(api): State<Api>,
    Path(id): Path<String>,
    caller: Caller,
    Confirmed(sent): Confirmed<Sent>,
) -> Answer<Response> {
    let for_seconds = match sent.decision {
        Choice::Reject | Choice::BreakGlass => 0,
        Choice::Approve => seconds(sent.for_seconds.as_deref())?,
    };
    let request = DecisionRequest {
        decision: sent.decision,
        // Forms end lines with CR LF (HTML, section 4.10.21.8), which nobody typed.
        comment: sent.comment.replace("\r\n", "\n"),
        fingerprint: Some(sent.fingerprint),
        for_seconds,
    };
    let hold = holds::decided(&api, &caller, &id, request).await?;
    let to = format!("/holds/{}", hold.id);
    let mut response = (StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response();
    response.extensions_mut().insert(super::Rendered);
    Ok(response)
}

fn seconds(text: Option<&str>) -> Answer<u64> {
    match text {
        None | Some("") => Ok(0),
        Some(text) => text.parse().map_err(|_| {
            Failure::new(ProblemKind::Invalid, "the time of an approval is no number of seconds")
        }),
    }
}

fn heading(hold: &Hold, now: u64) -> Markup {
    html! {
        p.line { (badge(hold.state)) span.target { (shown(&hold.target)) } span { (hold.protocol) } }
        h1 { (shown(&hold.operation.summary)) }
        p.line.small {
            span { "asked " (moment(hold.created_at, now)) }
            @if !hold.state.is_settled() { span { "expires " (moment(hold.expires_at, now)) } }
            @if hold.state == HoldState::Pending {
                span { @if hold.waiting { "the agent waits for it" } @else { "the agent has gone; it can come back" } }
            }
        }
        @if let Some(reason) = &hold.state_reason { p.notice { (shown(reason)) } }
        dl.key-words {
            dt { "Key" }
            dd { strong.key { (hold.key) } " - the agent was shown the same four words" }
        }
    }
}

/// The form, for who may decide; for others, why they have none.
fn decision(hold: &Hold, caller: &Caller, word: &str) -> Markup {
    let (asked, alone) = (is_asked(hold, caller), breaks_glass(hold, caller));
    let why = undecidable(hold, caller).or(match (asked, alone) {
        (Asked::No, None) => {
            Some("You may look at this, but you are in none of the groups that decide about it.")
        }
        (Asked::Yes, _) | (Asked::No, Some(_)) => None,
    });
    if let Some(why) = why {
        return html! { section.decide { h2 { "Decision" } p.notice { (why) } } };
    }
    let spans =
        SPANS.into_iter().filter(|span| hold.grantable_seconds.is_some_and(|most| *span <= most));
    let spans: Vec<u64> = spans.collect();
    html! {
        section.decide aria-labelledby="decision" {
            h2 id="decision" { "Decision" }
            form method="post" action=(format!("/holds/{}/decision", hold.id)) {
                input type="hidden" name="word" value=(word);
                input type="hidden" name="fingerprint" value=(hold.fingerprint);
                label for="comment" { "Comment" @if hold.reason_required { " (required)" } }
                textarea id="comment" name="comment" rows="2" maxlength="4096" required[hold.reason_required] {}
                @if !spans.is_empty() {
                    label for="for" { "Approve" }
                    select id="for" name="for_seconds" {
                        option value="0" selected { "this once" }
                        @for seconds in spans { option value=(seconds) { "what is like it for " (span(seconds * 1000)) } }
                    }
                }
                @if asked == Asked::Yes {
                    p.line {
                        button.approve type="submit" name="decision" value="approve" { "Approve" }
                        button.reject type="submit" name="decision" value="reject" { "Reject" }
                    }
                }
                @if let Some(group) = alone { (emergency(group)) }
                p.hint { "What is approved is the operation above, byte for byte, once more confirmed by its fingerprint." }
            }
        }
    }
}

fn emergency(group: &str) -> Markup {
    html! {
        div.notice.bad {
            p {
                "In an emergency a member of " strong { (shown(group)) }
                " may let this through alone. It needs a comment, and everybody who watches is told."
            }
            p { button.reject type="submit" name="decision" value="break_glass" { "Break the glass" } }
        }
    }
}

/// Whether somebody is one of those who are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Yes,
    No,
}

fn groups(caller: &Caller) -> Option<&BTreeSet<String>> {
    match &caller.who {
        Who::Bootstrap => None,
        Who::Reviewer { reviewer, .. } => Some(&reviewer.groups),
    }
}

fn is_asked(hold: &Hold, caller: &Caller) -> Asked {
    let own = groups(caller);
    let asked = |group: &String| own.is_some_and(|own| own.contains(group));
    if hold.reviewers.groups.iter().any(asked) { Asked::Yes } else { Asked::No }
}

/// The group by which this person may let it through alone.
fn breaks_glass<'h>(hold: &'h Hold, caller: &Caller) -> Option<&'h str> {
    let group = hold.reviewers.break_glass.as_deref()?;
    groups(caller)?.contains(group).then_some(group)
}

/// Why this person cannot decide about it here, as far as that can be told beforehand. The log decides again.
fn undecidable(hold: &Hold, caller: &Caller) -> Option<&'static str> {
    let Who::Reviewer { reviewer, .. } = &caller.who else {
        return Some("Only humans decide.");
    };
    let made = |decision: &countersign_api::hold::Decision| {
        decision.reviewer.issuer == reviewer.identity.issuer
            && decision.reviewer.subject == reviewer.identity.subject
    };
    if hold.decisions.iter().any(made) {
        return Some("You have decided already; others still have to.");
    }
    if hold.operation.not_kept.is_some() || hold.operation.excerpt {
        return Some(
            "The operation cannot be shown whole, and nobody should decide about what they have not seen.",
        );
    }
    None
}
