//! The audit chain on the wire. An event is carried losslessly, so that anyone can compute its hash again.

pub mod export;
mod ocsf;
pub mod query;
mod signed;

pub use signed::{
    AuditHead, AuditKey, AuditKeys, AuditSignature, ExportRequest, ExportTerms, RingError, SpanEnd,
    ring,
};

use crate::time::Timestamp;
use countersign_core::{
    id::LogIndex,
    record::{self, ChainHash, EventKind},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};

/// One event of the audit chain.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct AuditEvent {
    /// 1 for the first event; without gaps.
    pub sequence: u64,
    /// Log time, to the millisecond.
    pub at: Timestamp,
    /// The log entry that made it.
    pub index: u64,
    /// What happened.
    pub kind: String,
    /// The facts, by name.
    pub fields: BTreeMap<String, String>,
    /// The hash of the event before, 64 hexadecimal digits; all zero for the first.
    pub previous: String,
    /// The hash of this event.
    pub hash: String,
}

/// Why an event on the wire is none of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// The kind is not known to this version.
    #[error("event {sequence} is of an unknown kind `{kind}`")]
    UnknownKind {
        /// The event.
        sequence: u64,
        /// Its kind.
        kind: String,
    },
    /// A hash is not 64 hexadecimal digits.
    #[error("event {sequence}: a hash is 64 hexadecimal digits")]
    Hash {
        /// The event.
        sequence: u64,
    },
    /// The hash that the event carries is not its own.
    #[error("event {sequence} was changed: its hash does not match")]
    Changed {
        /// The event.
        sequence: u64,
    },
}

impl From<&record::AuditEvent> for AuditEvent {
    fn from(event: &record::AuditEvent) -> Self {
        Self {
            sequence: event.sequence,
            at: event.at.into(),
            index: event.index.0,
            kind: event.kind.name().to_owned(),
            fields: event.fields.clone(),
            previous: event.previous.to_string(),
            hash: event.hash().to_string(),
        }
    }
}

impl TryFrom<&AuditEvent> for record::AuditEvent {
    type Error = EventError;

    fn try_from(event: &AuditEvent) -> Result<Self, EventError> {
        event.clone().try_into()
    }
}

impl TryFrom<AuditEvent> for record::AuditEvent {
    type Error = EventError;

    /// The event with its own hash checked against the one it carries.
    fn try_from(event: AuditEvent) -> Result<Self, EventError> {
        let sequence = event.sequence;
        let kind = EventKind::named(&event.kind)
            .ok_or_else(|| EventError::UnknownKind { sequence, kind: event.kind.clone() })?;
        let chain_hash =
            |text: &str| text.parse::<ChainHash>().map_err(|_| EventError::Hash { sequence });
        let previous = chain_hash(&event.previous)?;
        let said = chain_hash(&event.hash)?;
        let read = Self {
            sequence,
            at: event.at.into(),
            index: LogIndex(event.index),
            kind,
            fields: event.fields,
            previous,
        };
        if read.hash() == said { Ok(read) } else { Err(EventError::Changed { sequence }) }
    }
}

/// In which order events are listed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// Oldest first.
    #[default]
    Asc,
    /// Newest first.
    Desc,
}

/// Which events are listed.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AuditQuery {
    /// Only events of the agent with this name, subject or issuer and subject (`ISSUER#SUBJECT`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Only events of this target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Only events of operations with this verdict: `allow`, `hold` or `deny`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<String>,
    /// Only events of this kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Only events one of whose facts contains this text, upper and lower case alike.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Only events at or after this time (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<String>, format = DateTime)]
    pub since: Option<Timestamp>,
    /// Only events before this time (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<String>, format = DateTime)]
    pub until: Option<Timestamp>,
    /// A search in one line, such as `agent:ci-bot verdict:hold "drop table"`: all that is said in it must hold as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(example = "agent:ci-bot verdict:hold")]
    pub q: Option<String>,
    /// Oldest first unless `desc` is asked for; a cursor goes on in the same order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(inline)]
    pub order: Option<Order>,
    /// Only events after this sequence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    /// `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// How many items, at most 1000; 100 when it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_core::log_time::LogTime;

    fn event() -> record::AuditEvent {
        record::AuditEvent {
            sequence: 7,
            at: LogTime(1_795_378_167_123),
            index: LogIndex(99),
            kind: EventKind::Intent,
            fields: BTreeMap::from([("operation.text".to_owned(), "DELETE\u{202e}\0".to_owned())]),
            previous: ChainHash([9; 32]),
        }
    }

    #[test]
    fn an_event_keeps_its_hash_over_the_wire() {
        let json = serde_json::to_string(&AuditEvent::from(&event())).unwrap();
        let back: AuditEvent = serde_json::from_str(&json).unwrap();
        assert_eq!(record::AuditEvent::try_from(&back), Ok(event()));
    }

    #[test]
    fn a_changed_event_is_noticed() {
        let mut wire = AuditEvent::from(&event());
        wire.fields.insert("operation.text".to_owned(), "SELECT".to_owned());
        assert_eq!(record::AuditEvent::try_from(&wire), Err(EventError::Changed { sequence: 7 }));
    }
}
