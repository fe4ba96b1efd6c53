//! What an agent is told instead of an answer: a `Status` of the API (`metav1.Status`), with the code of HTTP that clients
//! go by.
//!
//! Clients repeat by themselves what comes with `Retry-After`. So what was forwarded, or may have been, and could have left
//! something behind never has that header, and what waits for people always does.

use crate::{body::Unreadable, classify::Unclear, headers::BadHeader};
use countersign_core::{gate::HoldNotice, refusal::Refusal};
use serde_json::{Value, json};

/// How long a client waits before it asks again for what is held, in seconds. The request itself has waited before that.
const RETRY_AFTER_S: u32 = 1;

/// A `Status`, and what goes beside it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Status {
    /// The code of HTTP.
    pub code: u16,
    /// The value of `Retry-After`, where the client is to repeat the request.
    pub retry_after: Option<u32>,
    reason: &'static str,
    message: String,
    causes: Vec<(&'static str, String)>,
}

impl Status {
    /// The body, as JSON.
    pub fn body(&self) -> Vec<u8> {
        let Self { code, retry_after, reason, message, causes } = self;
        let causes: Vec<Value> = causes
            .iter()
            .map(|(reason, message)| json!({"reason": reason, "message": message}))
            .collect();
        let mut details = json!({"causes": causes});
        if let (Some(seconds), Some(details)) = (retry_after, details.as_object_mut()) {
            details.insert("retryAfterSeconds".to_owned(), (*seconds).into());
        }
        let status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": message, "reason": reason, "details": details, "code": code,
        });
        status.to_string().into_bytes()
    }

    /// A request that still waits for people when its time is over.
    pub fn held(notice: &HoldNotice) -> Self {
        let HoldNotice { hold, reviewers, approvals, expires_at: _, key, url } = notice;
        let message = format!(
            "held for approval by {reviewers} ({approvals} so far), key {key}: {url} (hold {hold}); repeat the same request to take it up"
        );
        let causes = vec![("CountersignHold", hold.to_string()), ("CountersignURL", url.clone())];
        Self { causes, ..Self::plain(429, "TooManyRequests", message) }.repeatedly()
    }

    fn plain(code: u16, reason: &'static str, message: String) -> Self {
        Self { code, retry_after: None, reason, message, causes: Vec::new() }
    }

    fn repeatedly(self) -> Self {
        Self { retry_after: Some(RETRY_AFTER_S), ..self }
    }
}

impl From<&Refusal> for Status {
    fn from(refusal: &Refusal) -> Self {
        let (code, reason) = code(refusal);
        let mut said = refusal.to_string();
        if let Refusal::Denied { message: more, .. } | Refusal::Rejected { comment: more, .. } =
            refusal
            && !more.is_empty()
        {
            said = format!("{said}: {more}");
        }
        let status = Self { causes: causes(refusal), ..Self::plain(code, reason, said) };
        if repeats(refusal) { status.repeatedly() } else { status }
    }
}

const fn code(refusal: &Refusal) -> (u16, &'static str) {
    match refusal {
        Refusal::NotIdentified | Refusal::SessionEnded { .. } => (401, "Unauthorized"),
        Refusal::NoSuchTarget
        | Refusal::Denied { .. }
        | Refusal::Rejected { .. }
        | Refusal::Withdrawn { .. }
        | Refusal::HoldExpired { .. } => (403, "Forbidden"),
        Refusal::Parked { .. } | Refusal::TooManyHolds => (429, "TooManyRequests"),
        Refusal::NoQuorum
        | Refusal::Overloaded { .. }
        | Refusal::ShuttingDown
        | Refusal::PolicyChanged
        | Refusal::AnswerWithheld { .. }
        | Refusal::NotRecorded
        | Refusal::TargetUnavailable => (503, "ServiceUnavailable"),
        Refusal::TooLarge { .. } => (413, "RequestEntityTooLarge"),
        Refusal::Protocol { .. } | Refusal::NotSupported { .. } => (400, "BadRequest"),
        Refusal::MaskFailed | Refusal::OutcomeUnknown { .. } | Refusal::Internal => {
            (500, "InternalError")
        }
    }
}

/// Whether clients are to repeat the request by themselves: nothing of it is left behind, and waiting helps. An agent with
/// too many holds would only wait.
fn repeats(refusal: &Refusal) -> bool {
    refusal.is_retryable() && *refusal != Refusal::TooManyHolds
}

fn causes(refusal: &Refusal) -> Vec<(&'static str, String)> {
    match refusal {
        Refusal::Denied { rules, .. } => {
            rules.iter().map(|rule| ("CountersignRule", rule.clone())).collect()
        }
        Refusal::Rejected { hold, .. }
        | Refusal::Withdrawn { hold }
        | Refusal::HoldExpired { hold }
        | Refusal::Parked { hold } => vec![("CountersignHold", hold.to_string())],
        Refusal::NotIdentified
        | Refusal::NoSuchTarget
        | Refusal::TooManyHolds
        | Refusal::NoQuorum
        | Refusal::Overloaded { .. }
        | Refusal::TooLarge { .. }
        | Refusal::ShuttingDown
        | Refusal::SessionEnded { .. }
        | Refusal::Protocol { .. }
        | Refusal::NotSupported { .. }
        | Refusal::PolicyChanged
        | Refusal::AnswerWithheld { .. }
        | Refusal::MaskFailed
        | Refusal::NotRecorded
        | Refusal::OutcomeUnknown { .. }
        | Refusal::TargetUnavailable
        | Refusal::Internal => Vec::new(),
    }
}

impl From<Unclear> for Status {
    fn from(unclear: Unclear) -> Self {
        let (code, reason) = match unclear {
            Unclear::Method => (405, "MethodNotAllowed"),
            Unclear::LongPath | Unclear::LongQuery => (414, "BadRequest"),
            Unclear::Body(Unreadable::TooLong | Unreadable::TooMany) => {
                (413, "RequestEntityTooLarge")
            }
            Unclear::Body(Unreadable::Type | Unreadable::TypeForMethod) => {
                (415, "UnsupportedMediaType")
            }
            Unclear::Body(Unreadable::MaskedValue | Unreadable::PatchOfSecret) => (422, "Invalid"),
            Unclear::NoSlash
            | Unclear::EmptySegment
            | Unclear::Dots
            | Unclear::Character(_)
            | Unclear::ProxyPrefix
            | Unclear::WatchPrefix
            | Unclear::Rest
            | Unclear::EmptyQuery
            | Unclear::Key
            | Unclear::Value
            | Unclear::Twice
            | Unclear::Capitals
            | Unclear::Selector
            | Unclear::ListOption
            | Unclear::Body(
                Unreadable::OfRead
                | Unreadable::Malformed
                | Unreadable::Twice
                | Unreadable::OtherObject,
            ) => (400, "BadRequest"),
        };
        Self::plain(code, reason, unclear.to_string())
    }
}

impl From<BadHeader> for Status {
    fn from(bad: BadHeader) -> Self {
        let (code, reason) = match bad {
            BadHeader::Never => (403, "Forbidden"),
            BadHeader::Authorization => (401, "Unauthorized"),
            BadHeader::Coding => (415, "UnsupportedMediaType"),
            BadHeader::NotAcceptable => (406, "NotAcceptable"),
            BadHeader::Twice
            | BadHeader::Value
            | BadHeader::Connection
            | BadHeader::Upgrade
            | BadHeader::Spdy => (400, "BadRequest"),
        };
        Self::plain(code, reason, bad.to_string())
    }
}

#[cfg(test)]
mod tests;
