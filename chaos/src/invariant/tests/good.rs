//! A history without a counter-example, for tests to spoil.

use super::super::*;
use crate::{
    fault::Fault,
    history::{Answer, End, Entry, Manner, Out, Phase, Row, Shape},
};
use countersign_api::audit::AuditEvent;
use countersign_core::{
    id::LogIndex,
    log_time::LogTime,
    record::{self, ChainHash, EventKind},
};
use std::collections::BTreeMap;

/// How many writes, and how many reads.
const MANY: usize = 12;
/// The beginning of the run.
pub(super) const BEGAN_MS: u64 = 1_000_000;

pub(super) type Fields<'a> = &'a [(&'a str, &'a str)];

/// A trail in the making.
pub(super) struct Trail(pub(super) Vec<record::AuditEvent>);

impl Trail {
    pub(super) fn add(&mut self, kind: EventKind, fields: Fields<'_>) {
        let index = self.0.len() as u64 + 1;
        self.add_at(index, kind, fields);
    }

    /// An event of a log entry that may have others.
    pub(super) fn add_at(&mut self, index: u64, kind: EventKind, fields: Fields<'_>) {
        let sequence = self.0.len() as u64 + 1;
        let previous = self.0.last().map_or(ChainHash::default(), record::AuditEvent::hash);
        let fields =
            fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let at = LogTime(BEGAN_MS + sequence);
        self.0.push(record::AuditEvent {
            sequence,
            at,
            index: LogIndex(index),
            kind,
            fields,
            previous,
        });
    }

    /// An admitted operation and what became of it.
    pub(super) fn operation(&mut self, operation: &str, outcome: &str, fields: Fields<'_>) {
        let usual = [
            ("operation.id", operation),
            ("policy.revision", "3"),
            ("target.revision", "3"),
            ("target.name", "orders"),
        ];
        self.add(EventKind::Intent, &[&usual, fields].concat());
        self.add(EventKind::Outcome, &[("operation.id", operation), ("outcome", outcome)]);
    }

    fn wire(&self) -> Vec<AuditEvent> {
        self.0.iter().map(AuditEvent::from).collect()
    }
}

pub(super) fn resources(trail: &mut Trail, revision: &str) {
    for (kind, name) in [("Policy", "sample"), ("Target", "orders")] {
        trail.add(
            EventKind::ResourceChanged,
            &[("resource.kind", kind), ("resource.name", name), ("revision.after", revision)],
        );
    }
}

fn write(trail: &mut Trail, history: &mut History, n: usize) {
    let (hold, mark) = (format!("hold_{n}"), format!("w{n}-"));
    trail.add(EventKind::Held, &[("hold.id", &hold), ("fingerprint", "f")]);
    trail.add(
        EventKind::Decided,
        &[
            ("hold.id", &hold),
            ("decision", "approve"),
            ("state", "approved"),
            ("fingerprint", "f"),
            ("reviewer.subject", "dana"),
        ],
    );
    trail.operation(
        &format!("op_{n}"),
        "completed",
        &[
            ("hold.id", &hold),
            ("operation.text", &format!("INSERT '{mark}'")),
            ("fingerprint", "f"),
            ("agent.subject", "ci-bot"),
            ("agent.owner", "sam"),
        ],
    );
    history.rows.push(Row { mark: mark.clone(), written_ms: vec![BEGAN_MS + 5_000] });
    sent_and_done(history, &mark, (Shape::Write, manner(n)), 1);
}

fn read(trail: &mut Trail, history: &mut History, n: usize) {
    let mark = format!("r{n}-");
    trail.operation(
        &format!("read_{n}"),
        "completed",
        &[("operation.text", &format!("SELECT '{mark}'")), ("agent.subject", "ci-bot")],
    );
    sent_and_done(history, &mark, (Shape::Read, manner(n)), 2);
}

fn manner(n: usize) -> Manner {
    match n {
        0 => Manner::Extended,
        1 => Manner::Transaction,
        _ => Manner::Simple,
    }
}

pub(super) fn sent(
    mark: &str,
    (shape, manner): (Shape, Manner),
    agent: &str,
    node: usize,
    at_ms: u64,
) -> Entry {
    Entry::Sent {
        at_ms,
        mark: mark.to_owned(),
        node,
        agent: agent.to_owned(),
        attempt: 1,
        shape,
        manner,
    }
}

pub(super) fn done(mark: &str, node: usize, sent_ms: u64, at_ms: u64) -> Entry {
    Entry::Answered { sent_ms, at_ms, mark: mark.to_owned(), node, answer: Answer::Done }
}

fn sent_and_done(history: &mut History, mark: &str, kind: (Shape, Manner), node: usize) {
    history.entries.push(sent(mark, kind, "ci-bot", node, 10));
    history.entries.push(done(mark, node, 10, 5_000));
}

fn visitor(trail: &mut Trail, history: &mut History) {
    let session = [("session.id", "s1"), ("agent.subject", "visitor-1")];
    trail.add(EventKind::SessionOpened, &session);
    trail.add_at(90, EventKind::Revoked, &[("agent.subject", "visitor-1")]);
    trail.add_at(90, EventKind::SessionClosed, &session);
    history.entries.push(Entry::Revoked {
        sent_ms: 5_000,
        at_ms: 6_000,
        node: 1,
        out: Out::Agent("visitor-1".to_owned()),
        status: 200,
    });
    history.entries.push(watched(7_000, End::Closed));
}

pub(super) fn watched(at_ms: u64, end: End) -> Entry {
    Entry::Watched { opened_ms: 4_000, at_ms, node: 1, agent: "visitor-1".to_owned(), end }
}

pub(super) fn head(history: &History, sequence: u64, at_ms: u64) -> Entry {
    let event = usize::try_from(sequence - 1).ok().and_then(|place| history.trail().get(place));
    let hash = event.map(|event| event.hash.clone()).unwrap_or_default();
    Entry::HeadSeen { sent_ms: at_ms - 1, at_ms, node: 1, sequence, hash }
}

/// A history without a counter-example.
pub(super) fn good() -> (History, Trail) {
    let mut trail = Trail(Vec::new());
    let mut history = History::default();
    (history.header.nodes, history.header.began_ms) = (3, BEGAN_MS);
    resources(&mut trail, "2");
    resources(&mut trail, "3");
    for n in 0..MANY {
        write(&mut trail, &mut history, n);
        read(&mut trail, &mut history, n);
    }
    trail.add(EventKind::Held, &[("hold.id", "odd"), ("operation.actions", "postgres:opaque")]);
    visitor(&mut trail, &mut history);
    for fault in Fault::ALL {
        for (at_ms, phase) in [(20_000, Phase::Begin), (40_000, Phase::End)] {
            history.entries.push(Entry::Fault {
                at_ms,
                fault: fault.name().to_owned(),
                node: 3,
                phase,
            });
        }
    }
    history.entries.push(sent("cut-off", (Shape::Read, Manner::Simple), "ci-bot", 3, 30_000));
    tell(&mut history, &trail);
    for sequence in 1..=10 {
        history.entries.push(head(&history, sequence, 1_000 + sequence * 10));
    }
    (history, trail)
}

/// Has every node tell this trail.
pub(super) fn tell(history: &mut History, trail: &Trail) {
    history.audit = (1..=3).map(|node| (node, trail.wire())).collect::<BTreeMap<_, _>>();
}

/// The invariants that a history violates.
pub(super) fn found(history: &History) -> Vec<&'static str> {
    let mut names: Vec<_> =
        check(history).into_iter().map(|violation| violation.invariant).collect();
    names.dedup();
    names
}
