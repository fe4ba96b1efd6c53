//! Each checker finds the counter-example it is for, and is silent about a history without one.

use super::*;
use crate::{
    fault::Fault,
    history::{Answer, Entry, Phase, Row},
};
use countersign_core::{
    id::LogIndex,
    log_time::LogTime,
    record::{self, ChainHash, EventKind},
};
use std::collections::BTreeMap;

/// The number of writes in the good history.
const WRITES: usize = 12;

struct Trail(Vec<record::AuditEvent>);

impl Trail {
    fn add(&mut self, kind: EventKind, fields: &[(&str, &str)]) {
        let sequence = self.0.len() as u64 + 1;
        let previous = self.0.last().map_or(ChainHash::default(), record::AuditEvent::hash);
        let fields =
            fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let at = LogTime(sequence * 1000);
        self.0.push(record::AuditEvent {
            sequence,
            at,
            index: LogIndex(sequence),
            kind,
            fields,
            previous,
        });
    }

    fn wire(&self) -> Vec<AuditEvent> {
        self.0.iter().map(AuditEvent::from).collect()
    }
}

fn write(trail: &mut Trail, n: usize) {
    let (hold, operation, mark) = (format!("hold_{n}"), format!("op_{n}"), format!("w{n}-"));
    trail.add(EventKind::Held, &[("hold.id", &hold), ("fingerprint", "f")]);
    trail.add(
        EventKind::Decided,
        &[
            ("hold.id", &hold),
            ("decision", "approve"),
            ("fingerprint", "f"),
            ("reviewer.subject", "dana"),
        ],
    );
    let text = format!("INSERT '{mark}'");
    trail.add(
        EventKind::Intent,
        &[
            ("hold.id", &hold),
            ("operation.id", &operation),
            ("operation.text", &text),
            ("fingerprint", "f"),
            ("policy.revision", "3"),
            ("agent.subject", "ci-bot"),
        ],
    );
    trail.add(EventKind::Outcome, &[("operation.id", &operation), ("outcome", "completed")]);
}

fn good() -> (History, Trail) {
    let mut trail = Trail(Vec::new());
    let mut history = History::default();
    trail.add(EventKind::ResourceChanged, &[("resource.kind", "Policy"), ("revision.after", "3")]);
    for n in 0..WRITES {
        write(&mut trail, n);
        let mark = format!("w{n}-");
        history.rows.push(Row { mark: mark.clone(), times: 1 });
        history.entries.push(Entry::WriteSent {
            at_ms: 1,
            mark: mark.clone(),
            node: 1,
            attempt: 1,
        });
        history.entries.push(Entry::Answered { at_ms: 2, mark, node: 1, answer: Answer::Done });
        let mark = format!("r{n}-");
        let (operation, text) = (format!("read_{n}"), format!("SELECT '{mark}'"));
        trail.add(
            EventKind::Intent,
            &[("operation.id", &operation), ("operation.text", &text), ("policy.revision", "3")],
        );
        trail.add(EventKind::Outcome, &[("operation.id", &operation), ("outcome", "completed")]);
        history.entries.push(Entry::ReadSent { at_ms: 1, mark: mark.clone(), node: 2 });
        history.entries.push(Entry::Answered { at_ms: 2, mark, node: 2, answer: Answer::Done });
    }
    for fault in Fault::ALL {
        for (at_ms, phase) in [(100, Phase::Begin), (20_000, Phase::End)] {
            history.entries.push(Entry::Fault {
                at_ms,
                fault: fault.name().to_owned(),
                node: 3,
                phase,
            });
        }
    }
    tell(&mut history, &trail);
    (history, trail)
}

fn tell(history: &mut History, trail: &Trail) {
    history.audit = (1..=3).map(|node| (node, trail.wire())).collect::<BTreeMap<_, _>>();
}

fn found(history: &History) -> Vec<&'static str> {
    let mut names: Vec<_> =
        check(history).into_iter().map(|violation| violation.invariant).collect();
    names.dedup();
    names
}

#[test]
fn a_history_without_a_counter_example_passes() {
    assert_eq!(check(&good().0), Vec::new());
}

#[test]
fn a_row_without_an_intent_is_found() {
    let (mut history, _) = good();
    history.rows.push(Row { mark: "smuggled".to_owned(), times: 1 });
    assert!(found(&history).contains(&"no_forward_without_intent"));
}

#[test]
fn an_answered_read_without_an_intent_is_found() {
    let (mut history, _) = good();
    history.entries.push(Entry::Answered {
        at_ms: 5,
        mark: "unseen".to_owned(),
        node: 1,
        answer: Answer::Done,
    });
    assert_eq!(found(&history), ["no_forward_without_intent"]);
}

#[test]
fn a_write_whose_hold_nobody_approved_is_found() {
    let (mut history, mut trail) = good();
    trail.0.clear();
    trail.add(EventKind::ResourceChanged, &[("resource.kind", "Policy"), ("revision.after", "3")]);
    trail.add(
        EventKind::Intent,
        &[
            ("hold.id", "h"),
            ("operation.id", "o"),
            ("operation.text", "w0-"),
            ("policy.revision", "3"),
        ],
    );
    tell(&mut history, &trail);
    assert!(found(&history).contains(&"no_forward_without_approval"));
}

#[test]
fn a_hold_that_admits_two_operations_is_found() {
    let (mut history, mut trail) = good();
    let fields = [
        ("hold.id", "hold_0"),
        ("operation.id", "again"),
        ("operation.text", "w0-"),
        ("policy.revision", "3"),
    ];
    trail.add(EventKind::Intent, &fields);
    trail.add(EventKind::Outcome, &[("operation.id", "again"), ("outcome", "completed")]);
    tell(&mut history, &trail);
    assert_eq!(found(&history), ["approval_consumed_once", "one_decision_per_hold"]);
}

#[test]
fn a_row_that_stands_twice_is_found() {
    let (mut history, _) = good();
    history.rows[0].times = 2;
    assert_eq!(found(&history), ["approval_consumed_once"]);
}

#[test]
fn an_intent_under_an_old_revision_is_found() {
    let (mut history, mut trail) = good();
    trail.add(EventKind::ResourceChanged, &[("resource.kind", "Policy"), ("revision.after", "9")]);
    trail.add(EventKind::Intent, &[("operation.id", "late"), ("policy.revision", "3")]);
    trail.add(EventKind::Outcome, &[("operation.id", "late"), ("outcome", "completed")]);
    tell(&mut history, &trail);
    assert_eq!(found(&history), ["revision_in_force"]);
}

#[test]
fn an_answer_of_a_node_that_was_cut_off_is_found() {
    let (mut history, _) = good();
    history.entries.push(Entry::ReadSent { at_ms: 10_000, mark: "r0-".to_owned(), node: 3 });
    history.entries.push(Entry::Answered {
        at_ms: 10_001,
        mark: "r0-".to_owned(),
        node: 3,
        answer: Answer::Done,
    });
    assert_eq!(found(&history), ["minority_refuses"]);
}

#[test]
fn an_acknowledged_write_without_its_row_is_found() {
    let (mut history, _) = good();
    history.rows.pop();
    assert_eq!(found(&history), ["no_lost_record"]);
}

#[test]
fn a_decision_that_the_trail_does_not_know_is_found() {
    let (mut history, _) = good();
    history.entries.push(Entry::Decided {
        at_ms: 9,
        node: 2,
        hold: "hold_1".to_owned(),
        reviewer: "rui".to_owned(),
        decision: "reject".to_owned(),
        status: 200,
    });
    assert_eq!(found(&history), ["no_lost_record"]);
}

#[test]
fn an_intent_without_an_outcome_is_found() {
    let (mut history, mut trail) = good();
    trail.add(EventKind::Intent, &[("operation.id", "open"), ("policy.revision", "3")]);
    tell(&mut history, &trail);
    assert_eq!(found(&history), ["outcome_of_every_intent"]);
}

#[test]
fn a_node_that_tells_another_story_is_found() {
    let (mut history, _) = good();
    let other = history.audit.get_mut(&2).unwrap();
    other[4].fields.insert("comment".to_owned(), "changed".to_owned());
    assert!(found(&history).contains(&"chain"));
}

#[test]
fn a_run_whose_faults_did_not_happen_proves_nothing() {
    let (mut history, _) = good();
    history.entries.retain(|entry| !matches!(entry, Entry::Fault { .. }));
    assert_eq!(found(&history), ["coverage"]);
}
