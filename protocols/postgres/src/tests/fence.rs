//! The second fence: what the classifier could overlook does not happen, and what is approved does.

use super::{
    agent::{Agent, error, execute, kinds, status},
    place::{Listens, Place},
};
use crate::frame;

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
        let refused = super::gate::Decision::Refuse(countersign_core::refusal::Refusal::Internal);
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
    // The read behind the write makes the session read-only inside the pipeline's transaction; what is refused behind it,
    // once the catalogue was asked, takes that back.
    let pipeline = [
        execute("UPDATE accounts SET name = 'x' WHERE id = 1"),
        execute("SELECT name FROM accounts WHERE id = 1"),
        execute("SELECT id FROM bad_view"),
        frame::sync().to_vec(),
    ];
    agent.send(&pipeline.concat()).await;
    place.gate.approve(0).await;
    assert_eq!(error(&agent.until_ready().await), "25006");
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
        target.read_limit = Some(std::time::Duration::from_secs(1));
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
