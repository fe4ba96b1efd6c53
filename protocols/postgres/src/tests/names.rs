//! Names of statements and portals, before a real server: what is left there, and what a name means after an error.

use super::{
    agent::{Agent, error, execute, kinds, status},
    gate::Decision,
    place::Place,
};
use crate::frame;
use bytes::Bytes;
use countersign_core::{id::HoldId, refusal::Refusal};

fn bind(portal: &str, statement: &str) -> Bytes {
    let none: [(u16, Option<&[u8]>); 0] = [];
    let parameters = none.iter().copied();
    frame::bind(frame::Bind { portal, statement, parameters, result_formats: &[] })
}

/// The answer of a count, approved where it is held.
async fn count(place: &Place, agent: &mut Agent, text: &str) -> u32 {
    let holds = place.gate.hold_count();
    agent.send(&frame::query(text.as_bytes())).await;
    let answer = tokio::select! {
        answer = agent.until_ready() => answer,
        // It goes on waiting for the answer.
        never = async { place.gate.approve(holds).await; std::future::pending().await } => never,
    };
    let row = answer.iter().find(|message| message.kind == 'D').expect("a row");
    String::from_utf8_lossy(&row.body[6..]).parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn portals_and_statements_do_not_pile_up_at_the_target() {
    const MANY: usize = 40;
    let place = Place::with_postgres().await;
    let mut agent = Agent::connect(&place).await;
    assert_eq!(status(&agent.query("BEGIN").await), 'T');
    let pipeline = [execute("SELECT 1").repeat(MANY), frame::sync().to_vec()];
    agent.send(&pipeline.concat()).await;
    let answer = agent.until_ready().await;
    assert_eq!(kinds(&answer), format!("{}Z", "12TDC".repeat(MANY)));
    let named = [
        frame::parse("s", b"SELECT 1", &[]).to_vec(),
        [
            bind("p", "s"),
            frame::execute("p", 0),
            frame::message(b'C', |out| out.extend_from_slice(b"Pp\0")),
        ]
        .concat()
        .repeat(MANY),
        frame::sync().to_vec(),
    ];
    agent.send(&named.concat()).await;
    assert_eq!(kinds(&agent.until_ready().await), format!("1{}Z", "2DC3".repeat(MANY)));
    let cursors = count(&place, &mut agent, "SELECT count(*) FROM pg_catalog.pg_cursors").await;
    assert!(cursors <= 3, "{cursors} portals are left");
    assert_eq!(status(&agent.query("COMMIT").await), 'I');
    // Preparations alone, each of which replaces the one before.
    for _ in 0..MANY {
        let describe = [
            frame::parse("", b"SELECT id FROM accounts", &[]),
            frame::describe_statement(""),
            frame::sync(),
        ];
        agent.send(&describe.concat()).await;
        assert_eq!(kinds(&agent.until_ready().await), "1tTZ");
    }
    let statements = "SELECT count(*) FROM pg_catalog.pg_prepared_statements";
    let statements = count(&place, &mut agent, statements).await;
    assert!(statements <= 3, "{statements} statements are left");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn portals_end_with_the_sync_whether_the_target_saw_them_or_not() {
    let place = Place::without_target().await;
    let mut agent = Agent::connect(&place).await;
    let waits = [
        frame::parse("", b"NOTIFY accounts", &[]),
        bind("mine", ""),
        frame::execute("mine", 0),
        frame::sync(),
    ];
    for n in 0..3 {
        agent.send(&waits.concat()).await;
        let refused = Refusal::Parked { hold: HoldId::from_bytes([1; 16]) };
        place.gate.hold(n).await.decide.send_replace(Decision::Refuse(refused));
        let answer = agent.until_ready().await;
        assert_eq!((kinds(&answer).as_str(), error(&answer).as_str()), ("12NEZ", "57014"), "{n}");
    }
    agent.send(&[frame::parse("s", b"SELECT 1", &[]), frame::sync()].concat()).await;
    agent.until_ready().await;
    for n in 0..1_100 {
        agent.send(&[bind(&format!("p{n}"), "s"), frame::sync()].concat()).await;
        assert_eq!(kinds(&agent.until_ready().await), "2Z", "{n}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_the_target_cannot_parse_leaves_its_name_free() {
    let place = Place::with_postgres().await;
    let mut agent = Agent::connect(&place).await;
    let prepare = |text: &[u8]| {
        let all = [frame::parse("s", text, &[]), frame::describe_statement("s"), frame::sync()];
        all.concat()
    };
    agent.send(&prepare(b"SELECT mistake FROM accounts")).await;
    assert_eq!(error(&agent.until_ready().await), "42703");
    agent.send(&prepare(b"SELECT id FROM accounts WHERE id = 1")).await;
    assert_eq!(kinds(&agent.until_ready().await), "1tTZ");
    agent.send(&[bind("", "s"), frame::execute("", 0), frame::sync()].concat()).await;
    assert_eq!(kinds(&agent.until_ready().await), "2DCZ");
    // The same where the error comes with the Execute; and a statement whose Execute fails is still one.
    let again = [
        frame::parse("t", b"SELECT mistake FROM accounts", &[]),
        bind("", "t"),
        frame::execute("", 0),
        frame::sync(),
    ];
    agent.send(&again.concat()).await;
    assert_eq!(error(&agent.until_ready().await), "42703");
    let divide = [
        frame::parse("t", b"SELECT 1 / (id - 1) FROM accounts", &[]),
        bind("", "t"),
        frame::execute("", 0),
        frame::sync(),
    ];
    agent.send(&divide.concat()).await;
    assert_eq!(error(&agent.until_ready().await), "22012");
    agent.send(&divide.concat()).await;
    assert_eq!(error(&agent.until_ready().await), "42P05");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_of_sql_and_names_of_the_protocol_do_not_meet() {
    let place = Place::with_postgres().await;
    let mut agent = Agent::connect(&place).await;
    assert_eq!(status(&agent.query("BEGIN").await), 'T');
    let mut holds = 0;
    for text in ["DECLARE c CURSOR FOR SELECT id FROM accounts", "PREPARE q AS SELECT 1"] {
        agent.send(&frame::query(text.as_bytes())).await;
        place.gate.approve(holds).await;
        holds += 1;
        let answer = agent.until_ready().await;
        assert_eq!((kinds(&answer).as_str(), status(&answer)), ("NCZ", 'T'), "{text}: {answer:?}");
    }
    // What SQL has made is nothing to Execute, Bind and Describe.
    for (bytes, code) in [
        (frame::execute("c", 0), "34000"),
        (frame::describe_portal("c"), "34000"),
        (bind("", "q"), "26000"),
        (frame::describe_statement("q"), "26000"),
    ] {
        agent.send(&[bytes, frame::sync()].concat()).await;
        let answer = agent.until_ready().await;
        assert_eq!(error(&answer), code);
        assert_eq!(status(&agent.query("ROLLBACK").await), 'I');
        assert_eq!(status(&agent.query("BEGIN").await), 'T');
    }
    // And what the protocol has made is reached by SQL only past a reviewer.
    agent.send(&[execute("SELECT id FROM accounts"), frame::sync().to_vec()].concat()).await;
    agent.until_ready().await;
    for text in ["FETCH ALL FROM cs_p1", "MOVE 1 IN cs_p1", "CLOSE ALL", "EXECUTE q"] {
        agent.send(&frame::query(text.as_bytes())).await;
        let refused = Refusal::Withdrawn { hold: HoldId::from_bytes([1; 16]) };
        place.gate.hold(holds).await.decide.send_replace(Decision::Refuse(refused));
        holds += 1;
        let answer = agent.until_ready().await;
        assert_eq!((error(&answer).as_str(), status(&answer)), ("57014", 'E'), "{text}");
        assert_eq!(status(&agent.query("ROLLBACK").await), 'I');
        assert_eq!(status(&agent.query("BEGIN").await), 'T');
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sql_cannot_take_the_names_that_the_gateway_gives() {
    let place = Place::with_postgres().await;
    let mut agent = Agent::connect(&place).await;
    let guesses = (1..9).map(|n| format!("PREPARE cs_s{n} AS SELECT 'theirs'"));
    let cursor = "DECLARE cs_p2 CURSOR WITH HOLD FOR SELECT 'theirs'".to_owned();
    for (n, text) in guesses.chain([cursor]).enumerate() {
        agent.send(&frame::query(text.as_bytes())).await;
        place.gate.approve(n).await;
        assert_eq!(error(&agent.until_ready().await), "", "{text}");
    }
    agent.send(&[execute("SELECT 'mine'"), frame::sync().to_vec()].concat()).await;
    let answer = agent.until_ready().await;
    assert_eq!(super::agent::rows(&answer), [["mine"]]);
    // What the gateway has made there has a name that no two sessions share.
    let names = "SELECT name FROM pg_prepared_statements WHERE NOT from_sql AND name <> ''";
    let of = async |agent: &mut Agent| super::agent::rows(&agent.query(names).await).concat();
    agent
        .send(
            &[frame::parse("s", b"SELECT 1", &[]), frame::describe_statement("s"), frame::sync()]
                .concat(),
        )
        .await;
    agent.until_ready().await;
    let mut other = Agent::connect(&place).await;
    other
        .send(
            &[frame::parse("s", b"SELECT 1", &[]), frame::describe_statement("s"), frame::sync()]
                .concat(),
        )
        .await;
    other.until_ready().await;
    let (mine, theirs) = (of(&mut agent).await, of(&mut other).await);
    assert!(!mine.is_empty() && !theirs.is_empty());
    assert!(mine.iter().all(|name| !theirs.contains(name)), "{mine:?} {theirs:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flush_brings_the_answer_of_a_held_execute_and_a_sync_only_its_own() {
    let place = Place::with_postgres().await;
    let mut agent = Agent::connect(&place).await;
    let flushed = [execute("DELETE FROM accounts WHERE id = 1"), frame::flush().to_vec()];
    agent.send(&flushed.concat()).await;
    place.gate.hold(0).await;
    assert_eq!(place.truth("SELECT count(*) FROM accounts"), "10");
    place.gate.approve(0).await;
    assert_eq!(kinds(&agent.until('C').await), "12NnC");
    // The transaction of the pipeline is open: nobody else sees it before the Sync.
    assert_eq!(place.truth("SELECT count(*) FROM accounts"), "10");
    agent.send(&frame::sync()).await;
    let answer = agent.until_ready().await;
    assert_eq!((kinds(&answer).as_str(), status(&answer)), ("Z", 'I'));
    assert_eq!(place.truth("SELECT count(*) FROM accounts"), "9");
    // Terminate right behind a held Execute: nothing of it happens.
    let gone = [execute("DELETE FROM accounts"), frame::empty(b'X').to_vec()];
    agent.send(&gone.concat()).await;
    let hold = place.gate.hold(1).await;
    hold.ended.subscribe().wait_for(|ended| *ended == "parked").await.unwrap();
    assert_eq!(place.truth("SELECT count(*) FROM accounts"), "9");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_driver_may_deallocate_by_sql_what_it_prepared_over_the_protocol() {
    let place = Place::with_postgres().await;
    let mut agent = Agent::connect(&place).await;
    let prepared =
        [frame::parse("_pg3_0", b"SELECT 1", &[]), bind("", "_pg3_0"), frame::execute("", 0)];
    for deallocate in [
        vec![frame::query(b"DEALLOCATE _PG3_0")],
        vec![
            frame::parse("", b"DEALLOCATE \"_pg3_0\"", &[]),
            bind("", ""),
            frame::execute("", 0),
            frame::sync(),
        ],
    ] {
        agent.send(&[prepared.concat(), frame::sync().to_vec()].concat()).await;
        assert_eq!(kinds(&agent.until_ready().await), "12DCZ");
        agent.send(&deallocate.concat()).await;
        let answer = agent.until_ready().await;
        assert!(kinds(&answer).ends_with("CZ"), "{answer:?}");
        agent.send(&[bind("", "_pg3_0"), frame::sync()].concat()).await;
        assert_eq!(error(&agent.until_ready().await), "26000");
    }
    assert_eq!(place.gate.hold_count(), 0);
    // What is not the protocol's is an operation like others.
    agent.send(&frame::query(b"DEALLOCATE _pg3_0")).await;
    place.gate.approve(0).await;
    assert_eq!(error(&agent.until_ready().await), "26000");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_outlive_what_drops_them_at_the_target_unless_the_agent_meant_it() {
    let place = Place::with_postgres().await;
    let mut agent = Agent::connect(&place).await;
    let prepare = frame::parse("s", b"SELECT 1", &[]);
    let run = [bind("", "s"), frame::execute("", 0), frame::sync()].concat();
    agent.send(&[prepare.as_ref(), &run].concat()).await;
    assert_eq!(kinds(&agent.until_ready().await), "12DCZ");
    // Hidden: the first use finds it missing, the next has it again.
    agent.send(&frame::query(b"DO $$ BEGIN EXECUTE 'DEALLOCATE ALL'; END $$")).await;
    place.gate.approve(0).await;
    assert_eq!(kinds(&agent.until_ready().await), "NCZ");
    agent.send(&run).await;
    assert_eq!(error(&agent.until_ready().await), "26000");
    agent.send(&run).await;
    assert_eq!(kinds(&agent.until_ready().await), "2DCZ");
    // Meant.
    for (n, text) in [(1, "DEALLOCATE ALL"), (2, "DISCARD ALL")] {
        agent.send(&frame::query(text.as_bytes())).await;
        place.gate.approve(n).await;
        assert_eq!(kinds(&agent.until_ready().await), "NCZ", "{text}");
        agent.send(&run).await;
        assert_eq!(error(&agent.until_ready().await), "26000", "{text}");
        agent.send(&[prepare.as_ref(), &run].concat()).await;
        assert_eq!(kinds(&agent.until_ready().await), "12DCZ", "{text}");
    }
}
