//! How a command fails: an exit status that scripts can rely on, a message, and where it can be said a hint.

use crate::visible::visible_lines;
use countersign_api::{
    Problem,
    problem::{ProblemItem, ProblemKind},
};
use serde_json::{Value, json};
use std::fmt;

/// The exit statuses. Their numbers are part of the command line's contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    /// Done.
    Done,
    /// Failed for a reason that no other status names.
    Failed,
    /// The command line cannot be understood.
    Usage,
    /// What was named does not exist.
    NotFound,
    /// Not logged in, or the login has ended.
    NotLoggedIn,
    /// Refused by policy or for lack of permission.
    Refused,
    /// Still held or pending.
    Pending,
    /// Expired, withdrawn or invalidated: it will not go on.
    Ended,
    /// No quorum, or no node can be reached.
    NoQuorum,
    /// It has changed meanwhile.
    Conflict,
}

impl Status {
    /// The number.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::NotFound => 3,
            Self::NotLoggedIn => 4,
            Self::Refused => 5,
            Self::Pending => 6,
            Self::Ended => 7,
            Self::NoQuorum => 8,
            Self::Conflict => 9,
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::NotFound => "not found",
            Self::NotLoggedIn => "not logged in",
            Self::Refused => "refused",
            Self::Pending => "pending",
            Self::Ended => "ended",
            Self::NoQuorum => "no quorum",
            Self::Conflict => "conflict",
        }
    }

    /// What a problem means here: its kind where that says more than the HTTP status.
    fn of_problem(problem: &Problem) -> Self {
        match problem.problem_kind() {
            // It can be read and is not valid, as `policy check` would have said.
            Some(ProblemKind::Invalid | ProblemKind::InvalidPolicy) => Self::Failed,
            // It is the policy that asks for a reason, and the cluster that keeps an administrator.
            Some(
                ProblemKind::ReasonRequired | ProblemKind::NotGrantable | ProblemKind::Lockout,
            ) => Self::Refused,
            Some(ProblemKind::IdempotencyMismatch) => Self::Conflict,
            Some(_) | None => Self::of_http(problem.status),
        }
    }

    /// What an HTTP status means here.
    const fn of_http(status: u16) -> Self {
        match status {
            400 | 413 | 415 | 422 => Self::Usage,
            401 => Self::NotLoggedIn,
            403 => Self::Refused,
            404 => Self::NotFound,
            409 | 412 => Self::Conflict,
            410 => Self::Ended,
            502..=504 => Self::NoQuorum,
            _ => Self::Failed,
        }
    }
}

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) status: Status,
    message: String,
    hint: Option<String>,
    problem: Option<Box<Value>>,
    heard: Heard,
}

/// Who knows of a failure already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    /// Nobody.
    Nobody,
    /// People, to whom the answer has said it; a script still wants its document.
    People,
    /// There is nobody left to tell.
    Everybody,
}

impl Failure {
    /// A failure of this status.
    pub(crate) fn new(status: Status, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), hint: None, problem: None, heard: Heard::Nobody }
    }

    /// A failure that no other status names.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::new(Status::Failed, message)
    }

    /// The command line asks for something that cannot be.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Status::Usage, message)
    }

    /// A failure that the answer has already told people about.
    pub(crate) fn answered(status: Status, message: impl Into<String>) -> Self {
        Self { heard: Heard::People, ..Self::new(status, message) }
    }

    /// stdout has gone away, and nobody cares.
    pub(crate) fn unheard() -> Self {
        Self { heard: Heard::Everybody, ..Self::new(Status::Failed, "stdout was closed") }
    }

    /// Whether people have to be told.
    pub(crate) fn is_news_to_people(&self) -> bool {
        self.heard == Heard::Nobody
    }

    /// Whether scripts have to be told.
    pub(crate) fn is_news_to_scripts(&self) -> bool {
        self.heard != Heard::Everybody
    }

    /// The same failure with a status that says more.
    #[must_use]
    pub(crate) fn with_status(self, status: Status) -> Self {
        Self { status, ..self }
    }

    /// Adds what to do about it.
    #[must_use]
    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// A problem document of a node (RFC 9457).
    pub(crate) fn of_problem(problem: &Problem) -> Self {
        let status = Status::of_problem(problem);
        let message = if problem.detail.is_empty() {
            problem.title.clone()
        } else {
            format!("{}: {}", problem.title, problem.detail)
        };
        let faults = problem.errors.iter().map(|fault| format!("\n  {}", place(fault)));
        let message: String =
            std::iter::once(message).chain(faults).map(|line| shown(&line)).collect();
        let hint = problem.hint.clone().or_else(|| hint_for(status).map(str::to_owned));
        Self {
            hint,
            problem: serde_json::to_value(problem).ok().map(Box::new),
            ..Self::new(status, message)
        }
    }

    /// The failure as a problem document: the node's own, or one in the same form.
    pub(crate) fn document(&self, warnings: &[String]) -> Value {
        let mut document = self.problem.as_deref().cloned().unwrap_or_else(|| {
            json!({
                "type": "about:blank",
                "title": self.status.title(),
                "detail": self.message,
            })
        });
        if let Some(fields) = document.as_object_mut() {
            fields.insert("exit_status".to_owned(), self.status.code().into());
            if let Some(hint) = &self.hint {
                fields.insert("hint".to_owned(), hint.clone().into());
            }
            if !warnings.is_empty() {
                fields.insert("warnings".to_owned(), warnings.into());
            }
        }
        document
    }

    /// The failure for people: message, blank line, hint.
    pub(crate) fn text(&self) -> String {
        match &self.hint {
            Some(hint) => format!("{}\n\nhint: {hint}", self.message),
            None => self.message.clone(),
        }
    }
}

/// One fault: where, what, what to do.
fn place(fault: &ProblemItem) -> String {
    let ProblemItem { document, pointer, line, column, message, hint } = fault;
    let mut text = document.clone().unwrap_or_default();
    let parts = [pointer.clone(), line.map(|n| n.to_string()), column.map(|n| n.to_string())];
    for part in parts.into_iter().flatten() {
        text = if text.is_empty() { part } else { format!("{text}:{part}") };
    }
    let text = if text.is_empty() { message.clone() } else { format!("{text}: {message}") };
    match hint {
        Some(hint) => format!("{text} ({hint})"),
        None => text,
    }
}

/// What a node says may quote what an agent said.
fn shown(text: &str) -> String {
    visible_lines(text).collect::<Vec<_>>().join("\n")
}

const fn hint_for(status: Status) -> Option<&'static str> {
    match status {
        Status::NotLoggedIn => {
            Some("log in with `countersignctl login --token-file FILE`, or set COUNTERSIGN_TOKEN")
        }
        Status::NoQuorum => Some("`countersignctl cluster status` says which nodes are up"),
        Status::Conflict => Some("look at it again, then repeat the command"),
        Status::Done
        | Status::Failed
        | Status::Usage
        | Status::NotFound
        | Status::Refused
        | Status::Pending
        | Status::Ended => None,
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        match error.downcast::<Self>() {
            Ok(failure) => failure,
            Err(error) => Self::failed(format!("{error:#}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_of_the_statuses_never_change() {
        let all = [
            Status::Done,
            Status::Failed,
            Status::Usage,
            Status::NotFound,
            Status::NotLoggedIn,
            Status::Refused,
            Status::Pending,
            Status::Ended,
            Status::NoQuorum,
            Status::Conflict,
        ];
        assert_eq!(all.map(Status::code), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    }

    #[test]
    fn a_failure_for_people_is_message_blank_line_hint() {
        let failure = Failure::failed("it broke").hint("mend it");
        assert_eq!(failure.text(), "it broke\n\nhint: mend it");
    }
}
