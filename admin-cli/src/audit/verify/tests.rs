//! The corpus of what can be done to an exported chain, each of which verification must notice.

use super::*;
use countersign_api::audit as wire;
use countersign_core::{id::LogIndex, log_time::LogTime, record::EventKind};
use serde_json::Value;
use std::collections::BTreeMap;

/// An export of `count` events behind event `after`, one line each.
fn export(after: u64, count: u64) -> Vec<String> {
    let mut previous = ChainHash::default();
    let mut lines =
        vec![format!(r#"{{"export":{{"format":"{FORMAT}","cluster_id":"c","after":{after}}}}}"#)];
    for sequence in 1..=after + count {
        let event = AuditEvent {
            sequence,
            at: LogTime(1_795_378_167_000 + sequence),
            index: LogIndex(sequence * 3),
            kind: EventKind::Intent,
            fields: BTreeMap::from([("operation.text".to_owned(), format!("DELETE {sequence}"))]),
            previous,
        };
        previous = event.hash();
        if sequence > after {
            lines
                .push(serde_json::to_string(&Line::Event(wire::AuditEvent::from(&event))).unwrap());
        }
    }
    lines.push(head(after + count, previous));
    lines
}

fn head(sequence: u64, hash: ChainHash) -> String {
    let at = LogTime(1_795_378_168_000).into();
    let head = wire::AuditHead {
        sequence,
        hash: hash.to_string(),
        index: 99,
        at,
        cluster_id: "c".to_owned(),
        node: 1,
    };
    serde_json::to_string(&Line::Head(head)).unwrap()
}

fn check(lines: &[String]) -> Result<Proof, String> {
    verify(lines.join("\n").as_bytes(), None)
}

/// An event of the export with one member of its JSON replaced.
fn changed(line: &str, member: &str, value: Value) -> String {
    let mut json: Value = serde_json::from_str(line).unwrap();
    json["event"][member] = value;
    json.to_string()
}

/// The event as somebody would forge it: changed, and its own hash computed again.
fn forged(line: &str) -> String {
    let line: Line = serde_json::from_str(line).unwrap();
    let Line::Event(event) = line else { panic!("not an event") };
    let mut event = AuditEvent::try_from(&event).unwrap();
    event.fields.insert("operation.text".to_owned(), "SELECT 1".to_owned());
    serde_json::to_string(&Line::Event(wire::AuditEvent::from(&event))).unwrap()
}

#[test]
fn a_whole_export_is_proved() {
    let proof = check(&export(0, 5)).unwrap();
    assert_eq!((proof.events, proof.first, proof.sequence), (5, 1, 5));
}

#[test]
fn a_part_of_the_chain_is_proved_from_its_first_event_on() {
    let proof = check(&export(3, 4)).unwrap();
    assert_eq!((proof.events, proof.first, proof.sequence), (4, 4, 7));
}

#[test]
fn an_empty_chain_is_proved() {
    assert_eq!(check(&export(0, 0)).unwrap().events, 0);
}

#[test]
fn a_removed_event_is_noticed() {
    for place in 1..=5 {
        let mut lines = export(0, 5);
        lines.remove(place);
        assert!(check(&lines).is_err(), "event {place}");
    }
}

#[test]
fn a_changed_event_is_noticed_in_every_member() {
    let cases = [
        ("at", "2026-11-22T20:09:27.999Z".into()),
        ("index", 7.into()),
        ("kind", "outcome".into()),
        ("fields", serde_json::json!({"operation.text": "SELECT 1"})),
        ("previous", "00".repeat(32).into()),
        ("hash", "11".repeat(32).into()),
        ("sequence", 9.into()),
    ];
    for (member, value) in cases {
        let mut lines = export(0, 5);
        lines[3] = changed(&lines[3], member, value);
        let error = check(&lines).unwrap_err();
        assert!(error.starts_with("line 4: "), "{member}: {error}");
    }
}

#[test]
fn an_event_that_was_forged_with_a_fitting_hash_is_noticed() {
    for place in 1..=5 {
        let mut lines = export(0, 5);
        lines[place] = forged(&lines[place]);
        assert!(check(&lines).is_err(), "event {place}");
    }
}

#[test]
fn reordered_events_are_noticed() {
    for place in 1..5 {
        let mut lines = export(0, 5);
        lines.swap(place, place + 1);
        assert!(check(&lines).is_err(), "events {place} and {}", place + 1);
    }
}

#[test]
fn an_inserted_event_is_noticed() {
    for place in 1..=6 {
        let mut lines = export(0, 5);
        lines.insert(place, lines[2].clone());
        assert!(check(&lines).is_err(), "before line {place}");
    }
}

#[test]
fn a_truncated_export_is_noticed() {
    let lines = export(0, 5);
    for kept in 0..lines.len() {
        assert!(check(&lines[..kept]).is_err(), "{kept} lines kept");
    }
    let whole = lines.join("\n");
    assert!(verify(&whole.as_bytes()[..whole.len() - 9], None).is_err());
}

#[test]
fn a_shorter_chain_with_a_head_of_its_own_is_noticed_by_a_head_known_from_elsewhere() {
    let proof = check(&export(0, 5)).unwrap();
    let known = parse_head(&format!("{}:{}", proof.sequence, proof.hash)).unwrap();
    assert!(verify(export(0, 5).join("\n").as_bytes(), Some(known)).is_ok());
    assert!(verify(export(0, 4).join("\n").as_bytes(), Some(known)).is_err());
}

#[test]
fn what_is_added_behind_the_head_is_noticed() {
    let mut lines = export(0, 5);
    lines.push(lines[5].clone());
    assert!(check(&lines).is_err());
}
