//! What an operation leaves the target's session set to is never what the next one is carried out by.

use super::{
    agent::{Agent, Message, error, execute, kinds, status},
    place::{Listens, Place},
};
use crate::frame;

/// What a function can do to its session, and a second table that a changed path would find.
const SETUP: &str = "
CREATE SCHEMA other; GRANT ALL ON SCHEMA other TO app, reader;
CREATE TABLE other.accounts AS SELECT * FROM public.accounts; ALTER TABLE other.accounts OWNER TO app;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader;
CREATE FUNCTION public.loosen() RETURNS text LANGUAGE sql AS $$
  SELECT set_config('default_transaction_read_only', 'off', false) || set_config('role', 'none', false)
      || set_config('search_path', 'other', false) $$;
CREATE FUNCTION public.tighten() RETURNS text LANGUAGE plpgsql AS $$ BEGIN
  RETURN set_config('transaction_read_only', 'off', false); END $$;
";

async fn place(reader: Option<&str>) -> Place {
    let reader = reader.map(str::to_owned);
    let place = Place::with(Listens::Postgres, |target| {
        target.allow_functions =
            ["burn", "loosen", "tighten"].into_iter().map(str::to_owned).collect();
        target.roles.get_mut("app").unwrap().reader = reader;
    })
    .await;
    place.truth(SETUP);
    place
}

fn value(answer: &[Message]) -> String {
    let row = answer.iter().find(|message| message.kind == 'D').expect("a row");
    String::from_utf8_lossy(&row.body[6..]).into_owned()
}

fn alone(text: &str) -> Vec<u8> {
    [execute(text), frame::sync().to_vec()].concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_in_a_read_does_not_take_the_fence_off_what_comes_behind_it() {
    let place = place(None).await;
    let mut agent = Agent::connect(&place).await;
    // The read's own transaction stays what it is.
    assert_eq!(error(&agent.query("SELECT tighten()").await), "25001");
    for text in ["SELECT loosen()", "SELECT 1 FROM loosen() WHERE false"] {
        assert_eq!(error(&agent.query(text).await), "");
        assert_eq!(error(&agent.query("SELECT burn()").await), "25006", "{text}");
        agent.send(&alone(text)).await;
        assert_eq!(error(&agent.until_ready().await), "");
        agent.send(&alone("SELECT burn()")).await;
        assert_eq!(error(&agent.until_ready().await), "25006", "{text}");
        assert_eq!(error(&agent.query(text).await), "");
        agent.send(&alone("SELECT burn()")).await;
        assert_eq!(error(&agent.until_ready().await), "25006", "{text}");
    }
    // Inside a block, and behind its commit.
    for text in ["BEGIN", "SELECT loosen()", "SELECT name FROM accounts WHERE id = 1"] {
        assert_eq!(status(&agent.query(text).await), 'T', "{text}");
    }
    assert_eq!(status(&agent.query("COMMIT").await), 'I');
    assert_eq!(error(&agent.query("SELECT burn()").await), "25006");
    assert_eq!(status(&agent.query("BEGIN").await), 'T');
    assert_eq!(error(&agent.query("SELECT loosen()").await), "");
    assert_eq!(error(&agent.query("SELECT burn()").await), "25006");
    assert_eq!(status(&agent.query("ROLLBACK").await), 'I');
    // Inside one pipeline.
    let pipeline =
        [execute("SELECT loosen()"), execute("SELECT burn()"), frame::sync().to_vec()].concat();
    agent.send(&pipeline).await;
    assert_eq!(error(&agent.until_ready().await), "25006");
    assert_eq!(place.truth("SELECT count(*) FROM public.accounts"), "10");
    assert_eq!(place.truth("SELECT count(*) FROM other.accounts"), "10");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_operation_runs_in_the_role_and_with_the_path_that_it_is_shown_with() {
    let place = place(Some("reader")).await;
    let mut agent = Agent::connect(&place).await;
    let who = "SELECT current_user";
    for _ in 0..2 {
        assert_eq!(value(&agent.query(who).await), "reader");
        assert_eq!(error(&agent.query("SELECT loosen()").await), "");
    }
    agent.send(&alone(who)).await;
    assert_eq!(value(&agent.until_ready().await), "reader");
    // Each of these writes is approved for public.accounts, behind something that has changed the path.
    let mut holds = 0;
    let mut approved = async |agent: &mut Agent, bytes: &[u8]| {
        agent.send(bytes).await;
        place.gate.approve(holds).await;
        holds += 1;
    };
    let set = frame::query(b"SELECT set_config('search_path', 'other', false)");
    let write = |id: u8| frame::query(format!("DELETE FROM accounts WHERE id = {id}").as_bytes());
    approved(&mut agent, &set).await;
    assert_eq!(error(&agent.until_ready().await), "");
    approved(&mut agent, &write(1)).await;
    assert_eq!(error(&agent.until_ready().await), "");
    assert_eq!(error(&agent.query("SELECT loosen()").await), "");
    approved(&mut agent, &write(2)).await;
    assert_eq!(error(&agent.until_ready().await), "");
    // The agent that sets it itself is told.
    approved(&mut agent, &frame::query(b"SET search_path TO other")).await;
    let answer = agent.until_ready().await;
    assert_eq!(answer.iter().filter(|one| one.field('C') == "01CS3").count(), 1, "{answer:?}");
    // In a block: a savepoint keeps a path that a rollback to it brings back.
    assert_eq!(status(&agent.query("BEGIN").await), 'T');
    approved(&mut agent, &set).await;
    assert_eq!(status(&agent.until_ready().await), 'T');
    assert_eq!(status(&agent.query("SAVEPOINT a").await), 'T');
    assert_eq!(value(&agent.query(who).await), "reader");
    assert_eq!(status(&agent.query("ROLLBACK TO a").await), 'T');
    approved(&mut agent, &write(3)).await;
    assert_eq!(status(&agent.until_ready().await), 'T');
    assert_eq!(status(&agent.query("COMMIT").await), 'I');
    // In a pipeline.
    agent.send(&execute("SELECT set_config('search_path', 'other', false)")).await;
    agent.send(&execute("DELETE FROM accounts WHERE id = 4")).await;
    agent.send(&frame::sync()).await;
    place.gate.approve(6).await;
    place.gate.approve(7).await;
    assert_eq!(error(&agent.until_ready().await), "");
    assert_eq!(place.truth("SELECT count(*) FROM public.accounts"), "6");
    assert_eq!(place.truth("SELECT count(*) FROM other.accounts"), "10");
    // What the agent may say only in front of the first query of a transaction, it still may.
    assert_eq!(status(&agent.query("BEGIN").await), 'T');
    agent.send(&frame::query(b"SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")).await;
    place.gate.approve(8).await;
    let answer = agent.until_ready().await;
    assert_eq!((error(&answer).as_str(), status(&answer)), ("", 'T'), "{answer:?}");
    assert_eq!(kinds(&agent.query("SELECT 1").await), "TDCZ");
}
