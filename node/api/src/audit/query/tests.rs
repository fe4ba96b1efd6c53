//! What queries mean, and that whatever somebody types is read or refused.

use super::*;
use countersign_core::{id::LogIndex, log_time::LogTime, record::ChainHash};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn event() -> AuditEvent {
    let facts = [
        ("agent.name", "ci-bot"),
        ("agent.issuer", "https://id"),
        ("agent.subject", "repo:shop"),
        ("target.name", "orders"),
        ("verdict", "hold"),
        ("operation.id", "op_1"),
        ("operation.text", "DROP TABLE \"old\" -- C:\\x"),
    ];
    AuditEvent {
        sequence: 7,
        at: LogTime(1_795_378_167_000),
        index: LogIndex(9),
        kind: EventKind::Held,
        fields: facts.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        previous: ChainHash::default(),
    }
}

#[test]
fn a_query_means_what_it_says() {
    let cases = [
        ("", true),
        ("agent:ci-bot", true),
        ("agent:repo:shop", true),
        ("agent:https://id#repo:shop", true),
        ("agent:ci", false),
        ("-agent:ci-bot", false),
        ("target:orders verdict:hold kind:held", true),
        ("target:orders verdict:allow", false),
        ("kind:intent", false),
        ("-kind:intent", true),
        ("operation.id:op_1", true),
        ("operation.id:op_2", false),
        ("rows:1", false),
        ("drop", true),
        ("drop table", true),
        ("\"drop table\"", true),
        ("\"drop  table\"", false),
        ("table drop", true),
        (r#""\"OLD\"""#, true),
        (r#""c:\\x""#, true),
        ("-drop", false),
        ("-\"truncate table\"", true),
        ("- truncate", false),
        ("since:2026-11-22T20:00:00Z", true),
        ("since:2026-11-22T21:00:00Z", false),
        ("until:2026-11-22T20:00:00Z", false),
        ("since:2026-11-22T20:00:00Z until:2026-11-23T20:00:00Z", true),
    ];
    for (query, expected) in cases {
        let search = Search::parse(query).unwrap();
        assert_eq!(search.takes(&event()), expected, "{query}");
    }
}

#[test]
fn what_cannot_be_read_is_refused_and_not_guessed() {
    let cases = [
        ("\"open", QueryError::OpenQuote),
        ("agent:", QueryError::NoValue("agent".to_owned())),
        ("agent:\"\"", QueryError::NoValue("agent".to_owned())),
        ("kind:nothing", QueryError::UnknownKind("nothing".to_owned())),
        ("verdict:maybe", QueryError::UnknownVerdict("maybe".to_owned())),
        ("since:yesterday", QueryError::NoTime("yesterday".to_owned())),
        ("-since:2026-11-22T20:00:00Z", QueryError::OnlyOnce("since")),
    ];
    for (query, expected) in cases {
        assert_eq!(Search::parse(query), Err(expected), "{query}");
    }
    assert_eq!(Search::parse(&"x".repeat(MAX_QUERY + 1)), Err(QueryError::TooLong));
    assert_eq!(Search::parse(&"x ".repeat(MAX_CONDITIONS + 1)), Err(QueryError::TooLong));
}

proptest! {
    #[test]
    fn whatever_is_quoted_is_looked_for_as_it_is(text in "\\PC{1,40}") {
        let with = |value: &str| AuditEvent {
            fields: BTreeMap::from([("word".to_owned(), value.to_owned())]),
            ..event()
        };
        let search = Search::parse(&format!("word:{}", quoted(&text))).unwrap();
        prop_assert!(search.takes(&with(&text)));
        let other = with(&format!("{text}x"));
        prop_assert!(!search.takes(&other));
        let anywhere = Search::parse(&quoted(&text)).unwrap();
        prop_assert!(anywhere.takes(&with(&text)));
    }

    #[test]
    fn nothing_that_is_typed_is_the_end_of_it(text in "[-a-z:\"\\\\ .é]{0,60}") {
        drop(Search::parse(&text));
    }
}
