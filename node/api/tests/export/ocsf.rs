//! Exports as OCSF events. That these are events of the published schema is checked in `tests/it/ocsf.rs`, on the very file
//! that stands here.

use super::chain::Export;
use countersign_api::audit::{
    AuditEvent,
    export::{Form, Known, Line, Reading, prove},
};
use countersign_core::{
    id::LogIndex,
    log_time::LogTime,
    record::{self, ChainHash, EventKind},
};
use proptest::{prelude::*, sample::Index};
use std::{fmt::Write as _, sync::LazyLock};

static TEXT: LazyLock<String> = LazyLock::new(|| text(Export::new(1, 24, 8)));

fn text(lines: impl IntoIterator<Item = Line>) -> String {
    lines.into_iter().fold(String::new(), |mut text, line| {
        writeln!(text, "{}", line.text_as(Form::Ocsf).unwrap()).unwrap();
        text
    })
}

fn proves(text: &[u8]) -> bool {
    prove(text, Reading::new(Known::default()), drop).is_ok()
}

/// An event of a kind with the facts that such events have, and some with fewer.
fn event(kind: EventKind, facts: &[(&str, &str)]) -> Line {
    let facts = facts.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Line::Event(AuditEvent::from(&record::AuditEvent {
        sequence: 7,
        at: LogTime(1_795_378_167_123),
        index: LogIndex(9),
        kind,
        fields: facts.collect(),
        previous: ChainHash([1; 32]),
    }))
}

const AGENT: [(&str, &str); 5] = [
    ("agent.issuer", "https://id"),
    ("agent.subject", "repo:shop"),
    ("agent.name", "ci-bot"),
    ("session.id", "ses_1"),
    ("target.name", "orders"),
];

/// An event of every kind, rich and poor, and the outcomes and changes that are told apart.
fn every_kind() -> Vec<Line> {
    let rich = [
        &AGENT[..],
        &[
            ("author", "ada"),
            ("author.subject", "ada@x"),
            ("author.issuer", "https://people"),
            ("source.address", "[2001:db8::1]:5000"),
            ("operation.id", "op_1"),
            ("operation.text", "DELETE FROM orders"),
            ("operation.summary", "DELETE on public.orders"),
        ],
    ]
    .concat();
    let mut all: Vec<Line> = EventKind::ALL.iter().map(|kind| event(*kind, &rich)).collect();
    all.extend(EventKind::ALL.iter().map(|kind| event(*kind, &[])));
    for outcome in ["completed", "failed", "refused", "outcome_unknown"] {
        all.push(event(EventKind::Outcome, &[&AGENT[..], &[("outcome", outcome)]].concat()));
    }
    let named = ("resource.name", "p");
    let changes: [&[(&str, &str)]; 3] = [
        &[named, ("body.after_sha256", "ab")],
        &[named, ("revision.before", "3"), ("body.after_sha256", "ab")],
        &[named, ("revision.before", "3")],
    ];
    all.extend(changes.map(|facts| event(EventKind::ResourceChanged, facts)));
    let mut export = Export::new(1, 3, 2);
    all.extend(export.next());
    all.extend(export.last());
    all
}

#[test]
fn an_event_of_every_kind_is_written_as_it_was_first() {
    assert_eq!(text(every_kind()), include_str!("frozen-ocsf.jsonl"));
}

#[test]
fn an_export_in_this_form_is_proved_like_any_other() {
    assert!(proves(TEXT.as_bytes()));
    let whole: Vec<Line> = Export::new(1, 24, 8).collect();
    let mut mixed = text(whole.clone());
    let native = whole.last().unwrap().text().unwrap();
    mixed.truncate(mixed.trim_end().rfind('\n').unwrap() + 1);
    mixed.push_str(&native);
    mixed.push('\n');
    assert!(!proves(mixed.as_bytes()), "a file has one form");
}

#[test]
fn what_is_said_beside_the_event_cannot_be_changed_alone() {
    let lies = [
        (r#""name":"ci-bot","uid""#, r#""name":"ci-bat","uid""#),
        (r#""status_id":1"#, r#""status_id":2"#),
        (r#""severity_id":1"#, r#""severity_id":5"#),
        (r#""activity_id":4"#, r#""activity_id":1"#),
        (r#""message":"intent: "#, r#""message":"outcome: "#),
    ];
    for (said, lie) in lies {
        let forged = TEXT.replacen(said, lie, 1);
        assert_ne!(forged, *TEXT, "{said}");
        assert!(!proves(forged.as_bytes()), "{lie}");
    }
}

proptest! {
    #[test]
    fn every_changed_byte_is_found(at in any::<Index>(), with in 1..=u8::MAX) {
        let mut bytes = TEXT.clone().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= with;
        prop_assert!(!proves(&bytes));
    }
}
