//! Errors of the API: problem documents (RFC 9457), one kind for each thing that can be wrong. Every problem says what is
//! wrong, why, and what can be done; none shows a secret, a stack or an inner path.

use serde::{Deserialize, Serialize};
use std::fmt;
use utoipa::ToSchema;

/// The media type of a problem document.
pub const MEDIA_TYPE: &str = "application/problem+json";
/// What the `type` of every problem begins with.
pub const TYPE_PREFIX: &str = "urn:countersign:problem:";

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $slug:literal, $status:literal, $title:literal);+ $(;)?) => {
        /// What kind of thing is wrong.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum ProblemKind { $($(#[$doc])* $variant),+ }

        impl ProblemKind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The last part of the problem's `type`.
            pub const fn slug(self) -> &'static str {
                match self { $(Self::$variant => $slug),+ }
            }

            /// The HTTP status.
            pub const fn status(self) -> u16 {
                match self { $(Self::$variant => $status),+ }
            }

            /// The title, the same for every problem of the kind.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title),+ }
            }

            /// The kind of this slug.
            pub fn of_slug(slug: &str) -> Option<Self> {
                match slug { $($slug => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

kinds! {
    /// The request cannot be read.
    BadRequest = "bad-request", 400, "The request cannot be read";
    /// A decision came without the fingerprint that the reviewer saw.
    FingerprintRequired = "fingerprint-required", 400, "A decision needs the fingerprint that was seen";
    /// There is no credential, or it is not accepted.
    NotIdentified = "not-identified", 401, "Not identified";
    /// The caller lacks the role.
    Forbidden = "forbidden", 403, "Not permitted";
    /// The requester of an operation cannot decide about it.
    Requester = "requester", 403, "The requester cannot decide";
    /// The owner of the agent cannot decide about its operations.
    Owner = "owner", 403, "The agent's owner cannot decide";
    /// Who shares a credential with the agent cannot decide about its operations.
    Sharer = "sharer", 403, "Who shares a credential with the agent cannot decide";
    /// The reviewer is in none of the groups that may decide.
    NotInGroup = "not-in-group", 403, "Not in a group that may decide";
    /// There is no such thing.
    NotFound = "not-found", 404, "Not found";
    /// The path is known, the method is not.
    MethodNotAllowed = "method-not-allowed", 405, "Method not allowed";
    /// The request took too long to arrive.
    RequestTimeout = "request-timeout", 408, "The request took too long";
    /// The fingerprint is not the hold's.
    OtherFingerprint = "other-fingerprint", 409, "The fingerprint is not the hold's";
    /// The hold has ended, or is approved already.
    HoldSettled = "hold-settled", 409, "The hold is already decided";
    /// This human has decided about this hold, and otherwise.
    AlreadyDecided = "already-decided", 409, "This reviewer has already decided";
    /// The state does not allow it.
    Conflict = "conflict", 409, "Conflict";
    /// Nobody would be an administrator any more.
    Lockout = "lockout", 409, "This would lock everybody out";
    /// The cluster was initialised before.
    AlreadyInitialised = "already-initialised", 409, "Already initialised";
    /// The resource has another revision than the request expects.
    RevisionConflict = "revision-conflict", 412, "The resource was changed by someone else";
    /// The body is larger than the limit.
    TooLarge = "too-large", 413, "The request is too large";
    /// The body is not JSON.
    UnsupportedMediaType = "unsupported-media-type", 415, "The body must be JSON";
    /// The request can be read, and says something that is not possible.
    Invalid = "invalid", 422, "Not valid";
    /// The policy set would not compile.
    InvalidPolicy = "invalid-policy", 422, "The policy does not validate";
    /// The policy asks for a reason.
    ReasonRequired = "reason-required", 422, "A reason is required";
    /// The policy does not let this be approved for a time, or not for so long.
    NotGrantable = "not-grantable", 422, "It cannot be granted for that";
    /// The idempotency key was used for another request.
    IdempotencyMismatch = "idempotency-mismatch", 422, "The idempotency key was used for another request";
    /// The caller is at a limit.
    TooManyRequests = "too-many-requests", 429, "Too many requests";
    /// A fault of the node's own.
    Internal = "internal", 500, "Internal error";
    /// This version does not do that.
    NotSupported = "not-supported", 501, "Not supported by this version";
    /// There is no quorum, or the node has no lease.
    NoQuorum = "no-quorum", 503, "No quorum";
    /// The identity provider's keys cannot be had.
    ProviderUnavailable = "provider-unavailable", 503, "The identity provider cannot be asked";
    /// The node is at a limit of its own.
    Overloaded = "overloaded", 503, "The node is at a limit";
    /// The node has not been initialised and has not joined a cluster.
    NotInitialised = "not-initialised", 503, "The node belongs to no cluster yet";
    /// The node did not reach the asked log index in time.
    Behind = "behind", 503, "The node is behind";
    /// The node is shutting down.
    ShuttingDown = "shutting-down", 503, "The node is shutting down";
}

impl fmt::Display for ProblemKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.slug())
    }
}

/// A problem document.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[schema(title = "Problem")]
pub struct Problem {
    /// Which kind: `urn:countersign:problem:` and its slug.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind, for people.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong with this request, and why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// What can be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The request's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// The error as OAuth names it (RFC 6749, section 5.2), where the route is one of OAuth's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The single faults, where there may be several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<ProblemItem>,
}

/// One of the faults of a request.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct ProblemItem {
    /// The resource it is in, as `KIND/NAME`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<String>,
    /// Where in the document (RFC 6901).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// The line in a policy text, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// The column in a policy text, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
    /// What is wrong there.
    pub message: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl From<countersign_core::policy::PolicyProblem> for ProblemItem {
    fn from(problem: countersign_core::policy::PolicyProblem) -> Self {
        Self {
            document: Some(format!("Policy/{}", problem.document)),
            pointer: Some("/spec/cedar".to_owned()),
            line: Some(problem.line),
            column: Some(problem.column),
            message: problem.message,
            hint: problem.help,
        }
    }
}

impl Problem {
    /// A problem of a kind, with what is wrong and why.
    pub fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("{TYPE_PREFIX}{}", kind.slug()),
            title: kind.title().to_owned(),
            status: kind.status(),
            detail: detail.into(),
            hint: None,
            instance: None,
            error: None,
            errors: Vec::new(),
        }
    }

    /// The problem with what can be done about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The problem with its single faults.
    #[must_use]
    pub fn errors(mut self, errors: Vec<ProblemItem>) -> Self {
        self.errors = errors;
        self
    }

    /// Its kind; `None` when this version does not know it.
    pub fn problem_kind(&self) -> Option<ProblemKind> {
        ProblemKind::of_slug(self.kind.strip_prefix(TYPE_PREFIX)?)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.detail.is_empty() { f.write_str(&self.title) } else { f.write_str(&self.detail) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_found_again_by_its_type() {
        for kind in ProblemKind::ALL {
            let problem = Problem::new(*kind, "why");
            let json = serde_json::to_string(&problem).unwrap();
            let back: Problem = serde_json::from_str(&json).unwrap();
            assert_eq!(back.problem_kind(), Some(*kind));
            assert!((400..600).contains(&back.status));
        }
    }

    #[test]
    fn a_problem_of_a_newer_version_is_still_read() {
        let json = r#"{"type":"urn:countersign:problem:new","title":"New","status":499}"#;
        let problem: Problem = serde_json::from_str(json).unwrap();
        assert_eq!(problem.problem_kind(), None);
        assert_eq!(problem.to_string(), "New");
    }
}
