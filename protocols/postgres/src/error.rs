//! What the agent hears: PostgreSQL's error and notice messages with their SQLSTATE, and the mapping of every refusal to
//! one. Nothing of the target's topology and no secret is said here.

use crate::frame::{self, Field};
use bytes::{BufMut, Bytes};
use countersign_core::refusal::Refusal;

/// An SQLSTATE (appendix "PostgreSQL Error Codes"), or one of the gateway's own class `01CS`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct SqlState(&'static str);

macro_rules! states {
    ($($name:ident = $code:literal),+ $(,)?) => {
        impl SqlState { $(pub(crate) const $name: Self = Self($code);)+ }
    };
}

states! {
    // The gateway's own warnings: class 01 is "warning", subclasses from I to Z are free for implementations.
    HELD = "01CS1",
    DROPPED_PARAMETER = "01CS2",
    PUT_BACK = "01CS3",
    PROTOCOL_VIOLATION = "08P01",
    FEATURE_NOT_SUPPORTED = "0A000",
    CHARACTER_NOT_IN_REPERTOIRE = "22021",
    READ_ONLY_TRANSACTION = "25006",
    IN_FAILED_TRANSACTION = "25P02",
    IDLE_IN_TRANSACTION_TIMEOUT = "25P03",
    TRANSACTION_TIMEOUT = "25P04",
    INVALID_STATEMENT_NAME = "26000",
    INVALID_AUTHORIZATION = "28000",
    INVALID_PASSWORD = "28P01",
    INVALID_CURSOR_NAME = "34000",
    INSUFFICIENT_PRIVILEGE = "42501",
    SYNTAX_ERROR = "42601",
    NAME_TOO_LONG = "42622",
    DUPLICATE_CURSOR = "42P03",
    DUPLICATE_PREPARED_STATEMENT = "42P05",
    OBJECT_NOT_IN_PREREQUISITE_STATE = "55000",
    LOCK_NOT_AVAILABLE = "55P03",
    CONFIGURATION_LIMIT = "53400",
    TOO_MANY_CONNECTIONS = "53300",
    PROGRAM_LIMIT_EXCEEDED = "54000",
    SERIALIZATION_FAILURE = "40001",
    QUERY_CANCELED = "57014",
    ADMIN_SHUTDOWN = "57P01",
    CANNOT_CONNECT_NOW = "57P03",
    IDLE_SESSION_TIMEOUT = "57P05",
    CONNECTION_FAILURE = "08006",
    SYSTEM_ERROR = "58000",
    // Not 40003: class 40 is "transaction rollback", and what clients do about that is to try again.
    TRANSACTION_RESOLUTION_UNKNOWN = "08007",
    INTERNAL_ERROR = "XX000",
}

impl SqlState {
    /// The state that a target hung up with, as far as it means something to an agent.
    pub(crate) fn of_hanging_up(code: &str) -> Self {
        let told = [
            Self::IDLE_IN_TRANSACTION_TIMEOUT,
            Self::TRANSACTION_TIMEOUT,
            Self::IDLE_SESSION_TIMEOUT,
            Self::ADMIN_SHUTDOWN,
        ];
        told.into_iter().find(|Self(known)| *known == code).unwrap_or(Self::CONNECTION_FAILURE)
    }
}

/// How grave a message is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Severity {
    Notice,
    Error,
    Fatal,
}

impl Severity {
    const fn word(self) -> &'static str {
        match self {
            Self::Notice => "NOTICE",
            Self::Error => "ERROR",
            Self::Fatal => "FATAL",
        }
    }
}

/// Something the gateway says to the agent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Complaint {
    pub(crate) state: SqlState,
    pub(crate) message: String,
    pub(crate) detail: Option<String>,
    pub(crate) hint: Option<String>,
}

impl Complaint {
    pub(crate) fn new(state: SqlState, message: impl Into<String>) -> Self {
        Self { state, message: message.into(), detail: None, hint: None }
    }

    pub(crate) fn detail(self, detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..self }
    }

    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// The agent broke the protocol.
    pub(crate) fn protocol(message: impl Into<String>) -> Self {
        Self::new(SqlState::PROTOCOL_VIOLATION, message)
    }

    /// The `ErrorResponse` or `NoticeResponse`.
    pub(crate) fn encode(&self, severity: Severity) -> Bytes {
        let kind = match severity {
            Severity::Notice => b'N',
            Severity::Error | Severity::Fatal => b'E',
        };
        let SqlState(code) = self.state;
        let word = severity.word();
        let mut fields = vec![
            Field(b'S', word),
            Field(b'V', word),
            Field(b'C', code),
            Field(b'M', &self.message),
        ];
        fields.extend(self.detail.as_deref().map(|text| Field(b'D', text)));
        fields.extend(self.hint.as_deref().map(|text| Field(b'H', text)));
        frame::message(kind, |out| {
            for Field(name, text) in fields {
                out.put_u8(name);
                // A NUL would end the field early.
                out.put_slice(text.replace('\0', " ").as_bytes());
                out.put_u8(0);
            }
            out.put_u8(0);
        })
    }
}

impl From<&Refusal> for Complaint {
    fn from(refusal: &Refusal) -> Self {
        let message = refusal.to_string();
        let say = |state| Self::new(state, message.clone());
        match refusal {
            Refusal::NotIdentified => say(SqlState::INVALID_PASSWORD)
                .hint("The password must be a valid token of an identity provider that the gateway trusts."),
            Refusal::NoSuchTarget => say(SqlState::INVALID_AUTHORIZATION).hint(
                "The database is TARGET or TARGET/DATABASE, the user one of the target's roles or the agent's own name.",
            ),
            Refusal::Denied { rules, message } => denied(rules, message),
            Refusal::Rejected { hold, comment } => {
                let by = if comment.is_empty() { String::new() } else { format!(" Comment: {comment}") };
                say(SqlState::INSUFFICIENT_PRIVILEGE).detail(format!("Hold {hold} was rejected.{by}"))
            }
            Refusal::Withdrawn { hold } => {
                say(SqlState::QUERY_CANCELED).detail(format!("Hold {hold} was withdrawn; nothing was executed."))
            }
            Refusal::HoldExpired { hold } => {
                say(SqlState::INSUFFICIENT_PRIVILEGE).detail(format!("Hold {hold} expired; nothing was executed."))
            }
            Refusal::Parked { hold } => say(SqlState::QUERY_CANCELED)
                .detail(format!("Hold {hold} stays open; nothing was executed."))
                .hint("Send exactly the same operation again, through any node, to take up the hold."),
            Refusal::TooManyHolds => say(SqlState::CONFIGURATION_LIMIT).hint("Withdraw holds that are not needed."),
            Refusal::NoQuorum => {
                say(SqlState::CANNOT_CONNECT_NOW).hint("Nothing was executed. Try again, through another node if need be.")
            }
            Refusal::Overloaded { .. } => say(SqlState::TOO_MANY_CONNECTIONS).hint("Nothing was executed. Try again later."),
            Refusal::TooLarge { .. } => say(SqlState::PROGRAM_LIMIT_EXCEEDED)
                .hint("Nothing was executed. What reviewers decide on must be small enough for them to read."),
            Refusal::ShuttingDown | Refusal::SessionEnded { .. } => say(SqlState::ADMIN_SHUTDOWN),
            Refusal::PolicyChanged => say(SqlState::SERIALIZATION_FAILURE).hint("Nothing was executed. Send it again."),
            Refusal::AnswerWithheld { .. } => say(SqlState::CANNOT_CONNECT_NOW)
                .hint("Nothing was changed. Connect again, through another node if need be, and send it again."),
            Refusal::MaskFailed => say(SqlState::INSUFFICIENT_PRIVILEGE)
                .hint("The statement was executed. A mask rule covers values that cannot be masked in this form: ask for them as text, without a computation."),
            Refusal::NotRecorded => say(SqlState::SYSTEM_ERROR)
                .hint("Sessions are recorded, and go no further than their recordings. Connect again, through another node if need be."),
            Refusal::OutcomeUnknown { .. } => say(SqlState::TRANSACTION_RESOLUTION_UNKNOWN)
                .hint("It may have been executed. Look at the target before it is sent again."),
            Refusal::Protocol { .. } => say(SqlState::PROTOCOL_VIOLATION),
            Refusal::NotSupported { .. } => say(SqlState::FEATURE_NOT_SUPPORTED),
            // Not of class 08: the agent's own connection is sound, and pools drop those that class 08 is said on.
            Refusal::TargetUnavailable => {
                say(SqlState::SYSTEM_ERROR).hint("Nothing was executed. Try again later.")
            }
            Refusal::Internal => say(SqlState::INTERNAL_ERROR),
        }
    }
}

fn denied(rules: &[String], message: &str) -> Complaint {
    let which = match rules {
        [] => "No rule allows the operation.".to_owned(),
        rules => format!("Denied by {}.", rules.join(", ")),
    };
    let text = match (rules, message) {
        ([], "") => "denied by policy".to_owned(),
        ([], message) => format!("denied by policy: {message}"),
        (rules, "") => format!("denied by policy ({})", rules.join(", ")),
        (rules, message) => format!("denied by policy ({}): {message}", rules.join(", ")),
    };
    Complaint::new(SqlState::INSUFFICIENT_PRIVILEGE, text).detail(which)
}

/// Whether nothing can follow a refusal but the end of the session.
pub(crate) const fn ends_session(refusal: &Refusal) -> bool {
    match refusal {
        Refusal::SessionEnded { .. }
        | Refusal::ShuttingDown
        | Refusal::AnswerWithheld { .. }
        | Refusal::NotRecorded
        | Refusal::OutcomeUnknown { .. }
        | Refusal::MaskFailed
        | Refusal::NotIdentified
        | Refusal::Protocol { .. } => true,
        Refusal::NoSuchTarget
        | Refusal::Denied { .. }
        | Refusal::Rejected { .. }
        | Refusal::Withdrawn { .. }
        | Refusal::HoldExpired { .. }
        | Refusal::Parked { .. }
        | Refusal::TooManyHolds
        | Refusal::PolicyChanged
        | Refusal::NoQuorum
        | Refusal::Overloaded { .. }
        | Refusal::TooLarge { .. }
        | Refusal::NotSupported { .. }
        | Refusal::TargetUnavailable
        | Refusal::Internal => false,
    }
}
