//! Reads of the audit. Events lie in rows of one or many (`audit_row`); nobody outside learns which.

use crate::{
    audit_row::{AuditRow, Torn},
    format::Stored,
    handle::ReadError,
    key_space::{self, Table},
    limits::MAX_EVENTS_A_READ,
    machine::{Pair, View},
    state,
};
use countersign_core::{
    log_time::LogTime,
    record::{AuditEvent, EventKind},
};

/// Rows that are fetched at a time.
const PAGE: usize = 16;

/// Which audit events are listed. Every condition that is given must hold.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AuditFilter {
    /// Only events after this sequence: the cursor of the page before.
    pub after: u64,
    /// Only events up to this sequence.
    pub until: Option<u64>,
    /// Only events from this log time on.
    pub from_time: Option<LogTime>,
    /// Only events before this log time.
    pub to_time: Option<LogTime>,
    /// Only of this kind.
    pub kind: Option<EventKind>,
    /// Only with these fields and values.
    pub fields: Vec<(String, String)>,
    /// Only where some field holds this text, compared without case.
    pub text: Option<String>,
}

/// A page of audit events.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AuditPage {
    /// The events, in order.
    pub events: Vec<AuditEvent>,
    /// Where to go on; `None` at the end.
    pub next: Option<u64>,
}

/// The event of this sequence.
pub(crate) fn event(view: &dyn View, sequence: u64) -> Result<Option<AuditEvent>, ReadError> {
    let Some((_, row)) = row_of(view, sequence)? else { return Ok(None) };
    Ok(events(&row)?.into_iter().find(|event| event.sequence == sequence))
}

/// Up to `limit` events in order, of the first that are looked at.
pub(super) fn page(
    view: &dyn View,
    filter: &AuditFilter,
    limit: usize,
) -> Result<AuditPage, ReadError> {
    let table = key_space::table(Table::Audit);
    let begin = row_of(view, filter.after.saturating_add(1))?;
    let mut after = begin.as_ref().map(|(key, _)| key.clone());
    let mut rows: Vec<Vec<u8>> = begin.into_iter().map(|(_, row)| row).collect();
    let (mut found, mut looked_at, mut last) = (Vec::new(), 0, filter.after);
    loop {
        for row in &rows {
            for event in events(row)?.into_iter().filter(|event| event.sequence > filter.after) {
                if filter.until.is_some_and(|until| event.sequence > until) {
                    return Ok(AuditPage { events: found, next: None });
                }
                if found.len() >= limit || looked_at >= MAX_EVENTS_A_READ {
                    return Ok(AuditPage { events: found, next: Some(last) });
                }
                (looked_at, last) = (looked_at + 1, event.sequence);
                if filter.takes(&event) {
                    found.push(event);
                }
            }
        }
        let next = view.scan(&table, after.as_deref(), PAGE)?;
        if next.is_empty() {
            return Ok(AuditPage { events: found, next: None });
        }
        after = next.last().map(|(key, _)| key.clone());
        rows = next.into_iter().map(|(_, row)| row).collect();
    }
}

/// The row that has the event of this sequence, if any has, with its key.
fn row_of(view: &dyn View, sequence: u64) -> Result<Option<Pair>, ReadError> {
    let behind = key_space::audit(sequence.saturating_add(1));
    Ok(view.last(&key_space::table(Table::Audit), Some(&behind))?)
}

fn events(row: &[u8]) -> Result<Vec<AuditEvent>, ReadError> {
    AuditRow::decode(row)?.events().map_err(|Torn| state::unreadable("a run of events"))
}

impl AuditFilter {
    fn takes(&self, event: &AuditEvent) -> bool {
        let text = self.text.as_deref().map(str::to_lowercase);
        self.kind.is_none_or(|kind| kind == event.kind)
            && self.from_time.is_none_or(|from| event.at >= from)
            && self.to_time.is_none_or(|to| event.at < to)
            && self.fields.iter().all(|(name, value)| event.fields.get(name) == Some(value))
            && text.is_none_or(|text| {
                event.fields.values().any(|value| value.to_lowercase().contains(&text))
            })
    }
}

#[cfg(test)]
mod tests;
