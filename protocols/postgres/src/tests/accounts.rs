//! The record says of an operation what became of it, not what the target said on the way.

use super::{
    agent::{Agent, error, execute, kinds, status},
    place::Place,
};
use crate::frame;
use countersign_core::record::Outcome;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_of_a_pipeline_is_complete_once_its_commit_is() {
    let place = Place::with_postgres().await;
    place.truth(
        "CREATE TABLE public.late(id int UNIQUE DEFERRABLE INITIALLY DEFERRED); ALTER TABLE public.late OWNER TO app",
    );
    let mut agent = Agent::connect(&place).await;
    let insert = execute("INSERT INTO late VALUES (1)");
    let sync = frame::sync().to_vec();
    // It commits.
    agent.send(&[insert.clone(), sync.clone()].concat()).await;
    place.gate.approve(0).await;
    assert_eq!(error(&agent.until_ready().await), "");
    let settled = place.gate.settlement(0).await;
    assert_eq!((settled.outcome, settled.word.as_str()), (Outcome::Completed, "INSERT 0 1"));
    // The commit fails.
    agent.send(&[insert.clone(), sync.clone()].concat()).await;
    place.gate.approve(1).await;
    let answer = agent.until_ready().await;
    assert_eq!((error(&answer).as_str(), status(&answer)), ("23505", 'I'), "{answer:?}");
    let settled = place.gate.settlement(1).await;
    assert_eq!((settled.outcome, settled.word.as_str()), (Outcome::Failed, "ROLLBACK"));
    // What comes behind it fails, or is refused.
    for (hold, settled, behind) in [(2, 2, "SELECT 1/0"), (3, 4, "CREATE ROLE nobody")] {
        let insert = execute("INSERT INTO late VALUES (2)");
        agent.send(&[insert, execute(behind), sync.clone()].concat()).await;
        place.gate.approve(hold).await;
        assert_ne!(error(&agent.until_ready().await), "");
        let settled = place.gate.settlement(settled).await;
        let came_to = (settled.outcome, settled.word.as_str());
        assert_eq!(came_to, (Outcome::Failed, "ROLLBACK"), "{behind}");
    }
    assert_eq!(place.truth("SELECT count(*) FROM late"), "1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pipeline_whose_agent_goes_away_did_not_happen() {
    let place = Place::with_postgres().await;
    let mut agent = Agent::connect(&place).await;
    agent
        .send(&[execute("DELETE FROM accounts WHERE id = 1"), frame::flush().to_vec()].concat())
        .await;
    place.gate.approve(0).await;
    agent.until('C').await;
    assert!(place.gate.settled.borrow().is_empty(), "nothing is settled before the commit");
    drop(agent);
    let settled = place.gate.settlement(0).await;
    assert_eq!((settled.outcome, settled.word.as_str()), (Outcome::Failed, "ROLLBACK"));
    assert_eq!(place.truth("SELECT count(*) FROM accounts"), "10");
    // A block is begun by an operation and ended by another; what it did in between stands in the record by itself.
    let mut agent = Agent::connect(&place).await;
    agent.send(&[execute("DELETE FROM accounts WHERE id = 1"), execute("BEGIN")].concat()).await;
    place.gate.approve(1).await;
    agent.until('C').await;
    agent.until('C').await;
    let all = place.gate.settled.subscribe().wait_for(|all| all.len() == 3).await.unwrap().clone();
    assert!(all[1..].iter().all(|one| one.outcome == Outcome::Completed), "{all:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_portal_goes_on_only_under_the_policy_and_the_lease_it_was_admitted_under() {
    let place = Place::with_postgres().await;
    let mut agent = Agent::connect(&place).await;
    let none: [(u16, Option<&[u8]>); 0] = [];
    let bind = frame::Bind {
        portal: "rows",
        statement: "s",
        parameters: none.iter().copied(),
        result_formats: &[],
    };
    let begin = [
        frame::parse("s", b"SELECT id FROM accounts ORDER BY id", &[]),
        frame::bind(bind),
        frame::execute("rows", 4),
    ]
    .concat();
    let on = [frame::execute("rows", 4), frame::sync()].concat();
    let lease = |held: bool| place.gate.lease.store(held, std::sync::atomic::Ordering::SeqCst);
    agent.send(&begin).await;
    agent.until('s').await;
    lease(false);
    agent.send(&on).await;
    let answer = agent.until_ready().await;
    assert_eq!((kinds(&answer).as_str(), error(&answer).as_str()), ("EZ", "57P03"));
    lease(true);
    let settled = place.gate.settlement(0).await;
    assert_eq!((settled.outcome, settled.rows), (Outcome::Completed, 4));

    agent.send(&[frame::close_statement("s").to_vec(), begin].concat()).await;
    agent.until('s').await;
    place.gate.revision.store(2, std::sync::atomic::Ordering::SeqCst);
    agent.send(&on).await;
    let answer = agent.until_ready().await;
    assert_eq!((kinds(&answer).as_str(), error(&answer).as_str()), ("EZ", "40001"));
    assert_eq!(kinds(&agent.query("SELECT 1").await), "TDCZ");
}
