//! What several checkers read from a history. Nothing here judges.

use crate::history::{Entry, History, Manner, Phase, Shape};
use countersign_api::audit::AuditEvent;
use std::collections::{BTreeMap, BTreeSet};

/// Log time, the target's clock and the history's are one machine's clock; each is cut to whole milliseconds.
pub(super) const ROUNDING_MS: u64 = 1;

/// A field of an event; empty when it has none.
pub(super) fn field<'a>(event: &'a AuditEvent, name: &str) -> &'a str {
    event.fields.get(name).map_or("", String::as_str)
}

/// The events of a kind.
pub(super) fn of_kind<'a>(
    events: &'a [AuditEvent],
    kind: &'a str,
) -> impl Iterator<Item = &'a AuditEvent> {
    events.iter().filter(move |event| event.kind == kind)
}

/// Whether an intent is one that the log refused after its operation had been forwarded: nobody gets the answer.
pub(super) fn is_withheld(intent: &AuditEvent) -> bool {
    field(intent, "verdict") == "withheld"
}

/// Log time of an event, in milliseconds since the Unix epoch.
pub(super) fn at_ms(event: &AuditEvent) -> u64 {
    countersign_core::log_time::LogTime::from(event.at).0
}

/// What was sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Statement<'a> {
    pub(super) agent: &'a str,
    pub(super) shape: Shape,
    pub(super) manner: Manner,
}

impl Statement<'_> {
    /// Whether reviewers had to approve it.
    pub(super) fn is_held(&self) -> bool {
        match self.shape {
            Shape::Write | Shape::Opaque => true,
            Shape::Read => false,
        }
    }

    /// Whether it leaves its row as soon as it is completed.
    pub(super) fn leaves_its_row(&self) -> bool {
        match (self.shape, self.manner) {
            (Shape::Write, Manner::Simple | Manner::Extended) => true,
            (Shape::Write, Manner::Transaction) | (Shape::Read | Shape::Opaque, _) => false,
        }
    }
}

/// The statements of a run, by mark.
pub(super) fn statements(history: &History) -> BTreeMap<&str, Statement<'_>> {
    let sent = history.entries.iter().filter_map(|entry| match entry {
        Entry::Sent { mark, agent, shape, manner, .. } => {
            Some((mark.as_str(), Statement { agent, shape: *shape, manner: *manner }))
        }
        Entry::Answered { .. }
        | Entry::Decided { .. }
        | Entry::Applied { .. }
        | Entry::Revoked { .. }
        | Entry::Watched { .. }
        | Entry::HeadSeen { .. }
        | Entry::Fault { .. } => None,
    });
    sent.collect()
}

/// Having a statement described executes nothing: the intent of that alone is none of the statement's.
const DESCRIBES: &str = "postgres:describe";

/// The intents to execute what names a mark, in the log's order. A mark is a word of the statement's text.
pub(super) fn intents(history: &History) -> BTreeMap<&str, Vec<&AuditEvent>> {
    let rows = history.rows.iter().map(|row| row.mark.as_str());
    let answered = history.entries.iter().filter_map(answered_mark);
    let marks: BTreeSet<&str> =
        statements(history).into_keys().chain(rows).chain(answered).collect();
    let mut found: BTreeMap<&str, Vec<&AuditEvent>> = BTreeMap::new();
    let executing = of_kind(history.trail(), "intent")
        .filter(|intent| field(intent, "operation.actions") != DESCRIBES);
    for intent in executing {
        let words =
            field(intent, "operation.text").split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
        let named: BTreeSet<&str> = words.filter_map(|word| marks.get(word).copied()).collect();
        for mark in named {
            found.entry(mark).or_default().push(intent);
        }
    }
    found
}

fn answered_mark(entry: &Entry) -> Option<&str> {
    match entry {
        Entry::Answered { mark, .. } => Some(mark),
        Entry::Sent { .. }
        | Entry::Decided { .. }
        | Entry::Applied { .. }
        | Entry::Revoked { .. }
        | Entry::Watched { .. }
        | Entry::HeadSeen { .. }
        | Entry::Fault { .. } => None,
    }
}

/// The word of each operation's first outcome, by operation.
pub(super) fn outcomes(trail: &[AuditEvent]) -> BTreeMap<&str, &str> {
    let mut outcomes = BTreeMap::new();
    for event in of_kind(trail, "outcome") {
        outcomes.entry(field(event, "operation.id")).or_insert(field(event, "outcome"));
    }
    outcomes
}

/// A fault of a node, from when it held to right before it ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window<'a> {
    pub(super) fault: &'a str,
    pub(super) node: usize,
    pub(super) from: u64,
    pub(super) until: u64,
}

impl Window<'_> {
    /// Whether it is one that cuts links.
    pub(super) fn is_cut(&self) -> bool {
        self.fault.starts_with("partition")
    }
}

/// The faults of a run.
pub(super) fn windows(history: &History) -> Vec<Window<'_>> {
    let mut windows: Vec<Window<'_>> = Vec::new();
    for entry in &history.entries {
        let Entry::Fault { at_ms, fault, node, phase } = entry else { continue };
        match phase {
            Phase::Begin => {
                windows.push(Window { fault, node: *node, from: *at_ms, until: u64::MAX });
            }
            Phase::End => {
                let open =
                    windows.iter_mut().rev().find(|open| open.fault == fault && open.node == *node);
                if let Some(open) = open {
                    open.until = *at_ms;
                }
            }
        }
    }
    windows
}
