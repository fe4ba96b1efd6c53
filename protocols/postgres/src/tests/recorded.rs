//! What the target says is in the recording as the agent hears it, and nothing is heard that is not recorded.

use super::{
    agent::{Agent, Message, error, execute, kinds},
    gate::Decision,
    mask::approve_all,
    place::{Listens, Place},
};
use crate::{RecordedRows, frame, record::MOST_RECORDED};
use bytes::Bytes;
use countersign_core::{
    id::HoldId,
    mask::{Detector, MaskKind},
    recording::{Entry, Speaker},
    refusal::Refusal,
};
use std::sync::atomic::Ordering;

const LOUD: &str = "DO $$ BEGIN RAISE NOTICE 'told ada@example.com'; \
    RAISE EXCEPTION 'failed for bob@example.com' USING HINT = 'ask eve@example.com'; END $$";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_and_notices_are_recorded_masked() {
    let place = Place::with_postgres().await;
    place.gate.mask(&[], &[Detector::Email], MaskKind::Redact);
    let mut agent = Agent::connect(&place).await;
    let asked = agent.query(LOUD);
    let (answer, _) = tokio::join!(asked, place.gate.approve(0));
    assert_eq!(error(&answer), "P0001");
    let entries = place.gate.recorder.entries.lock().unwrap();
    let said: Vec<_> = entries
        .iter()
        .filter_map(|entry| {
            if let Entry::Said { speaker, text } = entry { Some((*speaker, text)) } else { None }
        })
        .filter(|(speaker, _)| *speaker != Speaker::Gateway)
        .collect();
    assert_eq!(said.len(), 2, "{said:?}");
    assert_eq!(said[0].0, Speaker::Notice);
    assert_eq!(said[1].0, Speaker::Error);
    assert!(said[0].1.starts_with("NOTICE:  told [redacted] (00000)"), "{said:?}");
    assert!(said[1].1.contains("failed for [redacted] (P0001)\nHINT:  ask [redacted]"), "{said:?}");
    assert!(said.iter().all(|(_, text)| !text.contains("example.com")), "{said:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_hears_nothing_of_the_target_that_could_not_be_recorded() {
    let place = Place::with_postgres().await;
    let mut agent = Agent::connect(&place).await;
    agent.send(&frame::query(LOUD.as_bytes())).await;
    place.gate.hold(0).await;
    place.gate.recorder.lost.store(true, Ordering::SeqCst);
    place.gate.approve(0).await;
    let rest = agent.rest().await;
    let heard: Vec<u8> = rest.iter().flat_map(|message| message.body.to_vec()).collect();
    let heard = String::from_utf8_lossy(&heard).into_owned();
    assert!(!heard.contains("ada@example.com"), "{heard}");
    assert!(heard.contains("could not be recorded"), "{heard}");
    // It may have been executed, and the agent is told so.
    assert_eq!(error(&rest), "08007", "{rest:?}");
}

/// What the gateway said, as it is recorded.
fn said_by_gateway(place: &Place) -> Vec<String> {
    let entries = place.gate.recorder.entries.lock().unwrap();
    let said = |entry: &Entry| {
        if let Entry::Said { speaker: Speaker::Gateway, text } = entry {
            Some(text.clone())
        } else {
            None
        }
    };
    entries.iter().filter_map(said).collect()
}

/// The rows that were recorded since it was asked last.
fn rows(place: &Place) -> Vec<String> {
    let entries = std::mem::take(&mut *place.gate.recorder.entries.lock().unwrap());
    let row = |entry| if let Entry::Row { values } = entry { Some(values) } else { None };
    entries.into_iter().filter_map(row).collect()
}

async fn recording_rows() -> Place {
    Place::with(Listens::Postgres, |target| target.record_rows = RecordedRows::Masked).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_gateway_itself_says_is_recorded_masked() {
    let place = Place::with_postgres().await;
    place.gate.mask(&[], &[Detector::Email], MaskKind::Redact);
    let mut agent = Agent::connect(&place).await;
    assert_eq!(said_by_gateway(&place), Vec::<String>::new(), "a login has no recording");
    assert_eq!(error(&agent.query("SELECT pg_terminate_backend(1)").await), "42501");
    agent.send(&frame::query(b"DELETE FROM accounts WHERE id = 1")).await;
    let rejected = Refusal::Rejected {
        hold: HoldId::from_bytes([1; 16]),
        comment: "ask ada@example.com".to_owned(),
    };
    place.gate.hold(0).await.decide.send_replace(Decision::Refuse(rejected));
    assert_eq!(error(&agent.until_ready().await), "42501");
    let said = said_by_gateway(&place);
    let [denied, held, rejected] = said.as_slice() else { panic!("{said:?}") };
    assert!(denied.starts_with("ERROR:  ") && denied.contains("(42501)"), "{said:?}");
    assert!(held.starts_with("NOTICE:  held for approval (01CS1)\nDETAIL:  Hold "), "{said:?}");
    assert!(rejected.contains("ask [redacted]") && !rejected.contains("ada"), "{said:?}");
}

/// A Bind without parameters that asks for binary values.
fn bound(statement: &str) -> Bytes {
    frame::bind(frame::Bind {
        portal: "",
        statement,
        parameters: std::iter::empty::<(u16, Option<&[u8]>)>(),
        result_formats: &[1],
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_are_recorded_as_the_agent_sees_them_where_the_target_says_so() {
    let place = recording_rows().await;
    place.truth("INSERT INTO accounts VALUES (11, E'tab\\tand \\\\'), (12, NULL)");
    let mut agent = Agent::connect(&place).await;
    let some = "SELECT name, id FROM accounts WHERE id > 9";
    let clear = ["name 10\t10", "tab\\tand \\\\\t11", "\\N\t12"];
    let masked = ["hash\t10", "hash\t11", "\\N\t12"];
    for kind in [None, Some(MaskKind::Hash)] {
        if let Some(kind) = kind {
            place.gate.mask(&["public.accounts.name"], &[], kind);
        }
        let expected = if kind.is_some() { masked } else { clear };
        let hashed = |row: String| match row.split_once('\t') {
            Some((hash, id)) if hash.starts_with("hash_") => format!("hash\t{id}"),
            Some(_) | None => row,
        };
        let seen = |place: &Place| rows(place).into_iter().map(hashed).collect::<Vec<_>>();
        assert_eq!(kinds(&agent.query(some).await), "TDDDCZ");
        assert_eq!(seen(&place), expected);
        agent.send(&[execute(some), frame::sync().to_vec()].concat()).await;
        assert_eq!(kinds(&agent.until_ready().await), "12TDDDCZ");
        assert_eq!(seen(&place), expected);
        // In binary, and in pieces of a portal.
        let asked = [
            frame::parse("", some.as_bytes(), &[]),
            bound(""),
            frame::execute("", 2),
            frame::execute("", 2),
            frame::sync(),
        ];
        agent.send(&asked.concat()).await;
        assert_eq!(kinds(&agent.until_ready().await), "12DDsDCZ");
        assert_eq!(seen(&place), expected);
    }
    // What policy lets be copied is no column of theirs.
    place.gate.mask(&[], &[Detector::Email], MaskKind::Redact);
    for (options, expected) in
        [("", ["[redacted]\t1", "\\N\t2"]), ("(FORMAT csv)", ["[redacted],1", ",2"])]
    {
        let n = place.gate.hold_count();
        let copy = format!(
            "COPY (SELECT * FROM (VALUES ('ada@example.com', 1), (NULL, 2)) v) TO STDOUT {options}"
        );
        agent.send(&frame::query(copy.as_bytes())).await;
        place.gate.approve(n).await;
        assert_eq!(error(&agent.until_ready().await), "");
        assert_eq!(rows(&place), expected);
    }
    // Nothing of the kind where it is not wanted.
    let place = Place::with_postgres().await;
    let mut agent = Agent::connect(&place).await;
    assert_eq!(kinds(&agent.query(some).await), "TDCZ");
    assert_eq!(rows(&place), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_is_too_long_for_a_recording_is_told_in_it() {
    let place = recording_rows().await;
    let mut agent = Agent::connect(&place).await;
    for masks in [false, true] {
        if masks {
            place.gate.mask(&[], &[Detector::Email], MaskKind::Redact);
        }
        let long = format!("SELECT repeat('x', {MOST_RECORDED})");
        assert_eq!(kinds(&agent.query(&long).await), "TDCZ");
        let said = said_by_gateway(&place);
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].starts_with("a row of 1048582 bytes"), "{said:?}");
        assert_eq!(rows(&place), Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_sees_no_row_that_could_not_be_recorded() {
    let place = recording_rows().await;
    let mut agent = Agent::connect(&place).await;
    assert_eq!(kinds(&agent.query("SELECT name FROM accounts WHERE id = 1").await), "TDCZ");
    place.gate.recorder.lost.store(true, Ordering::SeqCst);
    agent.send(&frame::query(b"SELECT name FROM accounts WHERE id = 1")).await;
    let rest = agent.rest().await;
    assert!(!kinds(&rest).contains('D'), "{rest:?}");
    assert!(rest.iter().all(|message| !String::from_utf8_lossy(&message.body).contains("name 1")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_agent_sees_that_rules_spare_is_recorded_like_anybody_elses() {
    let place = recording_rows().await;
    place.truth("INSERT INTO accounts VALUES (11, 'ada@example.com')");
    approve_all(&place.gate);
    let mut agent = Agent::connect(&place).await;
    let some = "SELECT id, name, upper(name) FROM accounts WHERE id = 11 OR id = 10 ORDER BY id";
    for (columns, detectors, expected) in [
        (
            &["public.accounts.name"][..],
            &[][..],
            ["10\t[redacted]\t[redacted]", "11\t[redacted]\t[redacted]"],
        ),
        (&[], &[Detector::Email], ["10\tname 10\tNAME 10", "11\t[redacted]\t[redacted]"]),
    ] {
        place.gate.mask_for_others(columns, detectors);
        let described = [execute(some), frame::sync().to_vec()].concat();
        let bound = [
            frame::parse("", some.as_bytes(), &[]),
            bound(""),
            frame::execute("", 1),
            frame::execute("", 1),
            frame::sync(),
        ];
        for asked in [frame::query(some.as_bytes()).to_vec(), described, bound.concat()] {
            agent.send(&asked).await;
            let answer = agent.until_ready().await;
            let seen = |message: &Message| message.body.ends_with(b"ADA@EXAMPLE.COM");
            assert!(answer.iter().any(seen), "{answer:?}");
            assert_eq!(rows(&place), expected);
        }
        // A COPY, an error, and what was asked.
        for (text, kept) in [
            ("COPY (SELECT name FROM accounts WHERE id = 11) TO STDOUT", "a row of 16 bytes"),
            ("SELECT name::int FROM accounts WHERE id = 11", ""),
        ] {
            let answer = agent.query(text).await;
            let seen = |message: &Message| {
                String::from_utf8_lossy(&message.body).contains("ada@example.com")
            };
            assert!(answer.iter().any(seen), "{answer:?}");
            let entries = std::mem::take(&mut *place.gate.recorder.entries.lock().unwrap());
            let entries = format!("{entries:?}");
            assert!(!entries.contains("ada@example.com"), "{entries}");
            assert!(columns.is_empty() || entries.contains(kept), "{entries}");
        }
    }
}
