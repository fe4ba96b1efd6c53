//! What the target ends by its own limits is said to the agent once, by the target's own state.

use super::{
    agent::{Agent, error, execute, kinds, status},
    place::Place,
};
use crate::frame;
use countersign_core::record::Outcome;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_idles_for_too_long_hears_why_it_ends() {
    let place = Place::with_postgres().await;
    for (setting, begin, state) in [
        ("idle_in_transaction_session_timeout", "BEGIN", "25P03"),
        ("idle_session_timeout", "SELECT 1", "57P05"),
    ] {
        place.truth(&format!("ALTER ROLE app SET {setting} TO '700ms'"));
        let mut agent = Agent::connect(&place).await;
        assert_eq!(error(&agent.query(begin).await), "");
        let rest = agent.rest().await;
        assert_eq!((kinds(&rest).as_str(), error(&rest).as_str()), ("E", state), "{rest:?}");
        assert_eq!(rest[0].field('S'), "FATAL");
        place.truth(&format!("ALTER ROLE app RESET {setting}"));
    }
    let mut agent = Agent::connect(&place).await;
    assert_eq!(error(&agent.query("SELECT 1").await), "");
    place.truth("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'");
    let rest = agent.rest().await;
    assert_eq!((kinds(&rest).as_str(), error(&rest).as_str()), ("E", "57P01"), "{rest:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_takes_too_long_fails_while_it_streams_and_the_session_goes_on() {
    let place = Place::with_postgres().await;
    place.truth("ALTER ROLE app SET statement_timeout TO '1s'");
    let mut agent = Agent::connect(&place).await;
    let text = "SELECT generate_series(1, 10000000), repeat('x', 1000)";
    let alone = [execute(text), frame::sync().to_vec()].concat();
    for bytes in [frame::query(text.as_bytes()).to_vec(), alone] {
        agent.send(&bytes).await;
        let answer = agent.until_ready().await;
        assert!(answer.iter().filter(|message| message.kind == 'D').count() > 0);
        assert_eq!((error(&answer).as_str(), status(&answer)), ("57014", 'I'));
    }
    assert_eq!(kinds(&agent.query("SELECT 1").await), "TDCZ");
    let settled = place.gate.settlement(1).await;
    assert_eq!(settled.outcome, Outcome::Failed);
    // While it is held, no statement runs: the time of the wait does not count.
    agent.send(&frame::query(b"DELETE FROM accounts WHERE id = 1")).await;
    place.gate.hold(0).await;
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    place.gate.approve(0).await;
    assert_eq!(error(&agent.until_ready().await), "");
    // A lock that somebody keeps is the target's to tell of.
    place.truth("ALTER ROLE app SET lock_timeout TO '200ms'");
    let mut other = Agent::direct(place.folder.path(), "orders", "locker").await;
    other.query("BEGIN").await;
    other.query("LOCK TABLE accounts").await;
    let mut agent = Agent::connect(&place).await;
    let answer = agent.query("SELECT count(*) FROM accounts").await;
    assert_eq!((error(&answer).as_str(), status(&answer)), ("55P03", 'I'));
    other.query("ROLLBACK").await;
    assert_eq!(kinds(&agent.query("SELECT count(*) FROM accounts").await), "TDCZ");
}
