//! The second fence: what the classifier could overlook does not happen, and what is approved does.

use super::{
    agent::{Agent, error, execute, kinds, status},
    gate::{Decision, TestGate},
    place::{Listens, Place},
};
use crate::frame;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_only_looks_like_a_read_is_held() {
    let place = Place::with_postgres().await;
    let mut agent = Agent::connect(&place).await;
    let disguised = [
        "SELECT id FROM bad_view",
        "SELECT a.wipe FROM accounts a",
        "SELECT upper('x'::varchar)",
        "SELECT burn()",
        "SELECT pg_sleep(0)",
    ];
    for (n, text) in disguised.iter().enumerate() {
        agent.send(&frame::query(text.as_bytes())).await;
        let hold = tokio::select! {
            hold = place.gate.hold(n) => hold,
            answer = agent.until_ready() => panic!("{text} was not held: {answer:?}"),
        };
        let refused = Decision::Refuse(countersign_core::refusal::Refusal::Internal);
        hold.decide.send_replace(refused);
        assert_eq!(error(&agent.until_ready().await), "XX000", "{text}");
    }
    // What changes the server is an action of its own, which the tests' policy forbids.
    assert_eq!(error(&agent.query("SELECT pg_terminate_backend(1)").await), "42501");
    assert_eq!(kinds(&agent.query("SELECT id FROM plain_view WHERE id = 1").await), "TDCZ");
    assert_eq!(place.truth("SELECT count(*) FROM accounts"), "10");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_refusal_rolls_back_of_the_fence_is_put_up_again() {
    let place = Place::with(Listens::Postgres, |target| {
        target.allow_functions = vec!["burn".to_owned()];
    })
    .await;
    let mut agent = Agent::connect(&place).await;
    // The read behind the write makes the session read-only inside the pipeline's transaction; what the gateway refuses
    // behind it, once it has asked the catalogue under that posture, takes that back.
    let pipeline = [
        execute("UPDATE accounts SET name = 'x' WHERE id = 1"),
        execute("SELECT name FROM accounts WHERE id = 1"),
        execute("SELECT a.wipe FROM accounts a"),
        frame::sync().to_vec(),
    ];
    agent.send(&pipeline.concat()).await;
    place.gate.approve(0).await;
    let answer = agent.until_ready().await;
    let refused = answer.iter().find(|message| message.kind == 'E').unwrap();
    assert!(refused.field('M').contains("which the gateway runs"), "{refused:?}");
    assert_eq!(error(&agent.query("SELECT burn()").await), "25006");
    assert_eq!(place.truth("SELECT count(*) FROM accounts"), "10");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_allowed_read_runs_read_only_wherever_it_stands() {
    let show = "SELECT current_setting('transaction_read_only')";
    let place = Place::with(Listens::Postgres, |target| {
        target.allow_functions = vec!["burn".to_owned(), "current_setting".to_owned()];
    })
    .await;
    let mut agent = Agent::connect(&place).await;
    let read_only = |answer: &[super::agent::Message]| {
        String::from_utf8_lossy(
            &answer.iter().find(|message| message.kind == 'D').expect("a row").body[6..],
        )
        .into_owned()
    };
    // A function that is declared harmless and is not: the fence stops it.
    assert_eq!(error(&agent.query("SELECT burn()").await), "25006");
    assert_eq!(read_only(&agent.query(show).await), "on");
    // After an approved write.
    agent.send(&frame::query(b"UPDATE accounts SET name = 'x' WHERE id = 1")).await;
    place.gate.approve(0).await;
    assert_eq!(status(&agent.until_ready().await), 'I');
    assert_eq!(read_only(&agent.query(show).await), "on");
    // Inside a block, between approved writes.
    assert_eq!(status(&agent.query("BEGIN").await), 'T');
    assert_eq!(read_only(&agent.query(show).await), "on");
    agent.send(&frame::query(b"UPDATE accounts SET name = 'y' WHERE id = 2")).await;
    place.gate.approve(1).await;
    assert_eq!(status(&agent.until_ready().await), 'T');
    agent
        .send(&[execute("SELECT name FROM accounts WHERE id = 2"), frame::sync().to_vec()].concat())
        .await;
    assert_eq!(kinds(&agent.until_ready().await), "12TDCZ");
    assert_eq!(error(&agent.query("SELECT burn()").await), "25006");
    assert_eq!(status(&agent.query("ROLLBACK").await), 'I');
    assert_eq!(place.truth("SELECT name FROM accounts WHERE id = 2"), "name 2");
    // In a pipeline: a read behind a write is fenced, a write behind a read is refused unasked.
    let pipeline = [
        execute("UPDATE accounts SET name = 'z' WHERE id = 3"),
        execute("SELECT burn()"),
        frame::sync().to_vec(),
    ];
    agent.send(&pipeline.concat()).await;
    place.gate.approve(2).await;
    let answer = agent.until_ready().await;
    assert_eq!((error(&answer).as_str(), status(&answer)), ("25006", 'I'));
    assert_eq!(
        place.truth("SELECT name FROM accounts WHERE id = 3"),
        "name 3",
        "the pipeline is one transaction"
    );
    agent
        .send(
            &[execute("SELECT 1"), execute("DELETE FROM accounts"), frame::sync().to_vec()]
                .concat(),
        )
        .await;
    let answer = agent.until_ready().await;
    assert_eq!((kinds(&answer).as_str(), error(&answer).as_str()), ("12TDC12EZ", "25006"));
    assert_eq!(place.gate.hold_count(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_runs_no_longer_than_the_target_lets_it_and_what_is_approved_does() {
    let place = Place::with(Listens::Postgres, |target| {
        target.allow_functions = vec!["pg_sleep".to_owned()];
        target.read_limit = Some(Duration::from_secs(1));
    })
    .await;
    let mut agent = Agent::connect(&place).await;
    let slow = "SELECT pg_sleep(30)";
    // Alone, in both protocols; behind an approved statement that lifts the limit, and in a block.
    assert_eq!(error(&agent.query(slow).await), "57014");
    agent.send(&[execute(slow), frame::sync().to_vec()].concat()).await;
    assert_eq!(error(&agent.until_ready().await), "57014");
    agent.send(&frame::query(b"SET statement_timeout = 0")).await;
    place.gate.approve(0).await;
    let answer = agent.until_ready().await;
    assert!(kinds(&answer).contains('N'), "it is said that the setting is put back: {answer:?}");
    assert_eq!(error(&agent.query(slow).await), "57014");
    assert_eq!(status(&agent.query("BEGIN").await), 'T');
    assert_eq!(error(&agent.query(slow).await), "57014");
    assert_eq!(status(&agent.query("ROLLBACK").await), 'I');
    // What somebody has approved takes the time it takes.
    let patient = "UPDATE accounts SET name = 'late' FROM pg_sleep(1.5) WHERE id = 1";
    agent.send(&frame::query(patient.as_bytes())).await;
    place.gate.approve(1).await;
    assert_eq!(error(&agent.until_ready().await), "");
    assert_eq!(place.truth("SELECT name FROM accounts WHERE id = 1"), "late");
}

/// Reads of accounts are held, other reads and every COPY are not.
const COPY_PASSES: &str = r#"
@id("reads") permit(principal in Group::"ci", action in [Action::"postgres:read", Action::"postgres:copy", Action::"postgres:transaction"], resource in Target::"orders");
@id("held") @hold("dba") permit(principal in Group::"ci", action in [Action::"postgres:read", Action::"postgres:write"], resource in Target::"orders")
  when { context.tables.contains("public.accounts") };
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_policy_lets_pass_is_fenced_like_any_read() {
    let gate = TestGate::judging_by(COPY_PASSES);
    let place = Place::behind(gate, Listens::Postgres, |target| {
        target.allow_functions = vec!["burn".to_owned(), "pg_sleep".to_owned()];
        target.read_limit = Some(Duration::from_secs(1));
    })
    .await;
    let mut agent = Agent::connect(&place).await;
    let copy = |query: &str| format!("COPY ({query}) TO STDOUT");
    let (burn, slow) = (copy("SELECT burn()"), copy("SELECT pg_sleep(30)"));
    for begin in ["", "BEGIN"] {
        for (text, state) in [(&burn, "25006"), (&slow, "57014")] {
            let alone = [execute(text), frame::sync().to_vec()].concat();
            for bytes in [frame::query(text.as_bytes()).to_vec(), alone] {
                if !begin.is_empty() {
                    assert_eq!(status(&agent.query(begin).await), 'T');
                }
                agent.send(&bytes).await;
                assert_eq!(error(&agent.until_ready().await), state, "{begin}: {text}");
                agent.query("ROLLBACK").await;
            }
        }
    }
    // Many of them in one text, and behind a write in a pipeline.
    assert_eq!(error(&agent.query(&format!("{}; {burn}", copy("SELECT 1"))).await), "25006");
    let write = execute("UPDATE accounts SET name = 'x' WHERE id = 1");
    agent.send(&[write, execute(&burn), frame::sync().to_vec()].concat()).await;
    place.gate.approve(0).await;
    assert_eq!(error(&agent.until_ready().await), "25006");
    assert_eq!(place.truth("SELECT count(*) FROM accounts WHERE name <> 'x'"), "10");
    // A COPY into the target is no read.
    assert_eq!(kinds(&agent.query(&copy("SELECT 1")).await), "HdcCZ");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_approved_read_is_fenced_and_takes_the_time_it_takes() {
    let gate = TestGate::judging_by(COPY_PASSES);
    let place = Place::behind(gate, Listens::Postgres, |target| {
        target.allow_functions = vec!["burn".to_owned(), "pg_sleep".to_owned()];
        target.read_limit = Some(Duration::from_secs(1));
    })
    .await;
    let mut agent = Agent::connect(&place).await;
    let query = |text: &str| frame::query(text.as_bytes()).to_vec();
    let alone = |text: &str| [execute(text), frame::sync().to_vec()].concat();
    let slow = "SELECT id, pg_sleep(1.2) FROM accounts WHERE id = 1";
    let copied = format!("COPY ({slow}) TO STDOUT");
    // A portal with rows left goes on as it began.
    let bind = frame::Bind {
        portal: "",
        statement: "",
        parameters: std::iter::empty::<(u16, Option<&[u8]>)>(),
        result_formats: &[],
    };
    let two = b"SELECT id, pg_sleep(1.2) FROM accounts WHERE id < 3";
    let in_rows = [
        frame::parse("", two, &[]),
        frame::bind(bind),
        frame::execute("", 1),
        frame::execute("", 1),
        frame::sync(),
    ]
    .concat();
    let behind = [execute("SELECT 1"), alone(slow)].concat();
    let mut n = 0;
    for begin in ["", "BEGIN"] {
        for bytes in [query(slow), alone(slow), query(&copied), in_rows.clone(), behind.clone()] {
            if !begin.is_empty() {
                assert_eq!(status(&agent.query(begin).await), 'T');
            }
            agent.send(&bytes).await;
            place.gate.approve(n).await;
            n += 1;
            let answer = agent.until_ready().await;
            assert_eq!(error(&answer), "", "{begin}: {answer:?}");
            // What comes behind it, unseen, is limited again.
            assert_eq!(error(&agent.query("SELECT pg_sleep(30)").await), "57014", "{begin}");
            agent.query("ROLLBACK").await;
        }
    }
    agent.send(&query("SELECT burn() FROM accounts")).await;
    place.gate.approve(n).await;
    assert_eq!(error(&agent.until_ready().await), "25006");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_that_was_held_and_then_permitted_by_new_rules_has_the_limit_of_any() {
    let gate = TestGate::judging_by(COPY_PASSES);
    let place = Place::behind(gate, Listens::Postgres, |target| {
        target.allow_functions = vec!["pg_sleep".to_owned()];
        target.read_limit = Some(Duration::from_secs(1));
    })
    .await;
    let mut agent = Agent::connect(&place).await;
    let slow = "SELECT id, pg_sleep(30) FROM accounts WHERE id = 1";
    let query = frame::query(slow.as_bytes()).to_vec();
    let alone = [execute(slow), frame::sync().to_vec()].concat();
    for (n, bytes) in [query, alone].iter().enumerate() {
        agent.send(bytes).await;
        place.gate.hold(n).await.decide.send_replace(Decision::Permit);
        assert_eq!(error(&agent.until_ready().await), "57014");
    }
}
