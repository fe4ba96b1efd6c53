//! What an operation leaves the target's session set to is never what the next one is carried out by.

use super::{
    agent::{Agent, Message, error, execute, kinds, status},
    place::{Listens, Place},
};
use crate::{fence::BELIEVED, frame};
use countersign_core::record::Outcome;

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

/// Functions that say they are immutable, so that the planner runs them, and are not.
const LIES: &str = "
CREATE FUNCTION public.lie() RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN
  PERFORM set_config('search_path', 'other', false); RETURN 1; END $$;
CREATE FUNCTION public.lie(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN
  PERFORM set_config('search_path', 'other', false); RETURN 1; END $$;
CREATE OPERATOR public.=== (LEFTARG = int, RIGHTARG = int, FUNCTION = public.sneak);
CREATE TABLE public.by_index(id int); CREATE INDEX ON public.by_index ((id + public.lie()));
CREATE TABLE public.by_partial(id int); CREATE INDEX ON public.by_partial (id) WHERE public.lie() = 1;
CREATE TABLE public.by_check(id int CHECK (public.lie() = 1));
CREATE TABLE public.by_operator(id int); CREATE INDEX ON public.by_operator ((1 OPERATOR(public.===) 1));
CREATE TABLE public.by_statistics(id int); CREATE STATISTICS public.st ON (id + public.lie()), id FROM public.by_statistics;
CREATE TABLE public.by_default(id int, n int DEFAULT public.lie(7));
CREATE TABLE public.by_generated(id int, n int GENERATED ALWAYS AS (id + public.lie()) STORED);
CREATE TABLE public.parent(id int); CREATE TABLE public.child(CHECK (public.lie() = 1)) INHERITS (public.parent);
CREATE VIEW public.seen AS SELECT * FROM public.by_index;
CREATE TABLE public.plain(id int PRIMARY KEY, name text DEFAULT 'x', n int CHECK (n > 0), mood public.mood);
CREATE INDEX ON public.plain (lower(name)) WHERE n > 5;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO app;
";

/// The last statement that the gateway's session at the target has run.
fn last_statement(place: &Place) -> String {
    let last = "SELECT query FROM pg_stat_activity WHERE usename = 'app' AND backend_type = 'client backend'";
    place.truth(last)
}

fn is_made_anew(place: &Place) -> bool {
    last_statement(place)
        .starts_with("SELECT pg_catalog.set_config('default_transaction_read_only'")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_what_planning_could_run_the_session_is_made_anew() {
    let place = place(None).await;
    let sneak = "CREATE TYPE public.mood AS ENUM ('good');
        CREATE FUNCTION public.sneak(int, int) RETURNS bool IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN
          PERFORM set_config('search_path', 'other', false); RETURN true; END $$;";
    place.truth(&format!("{sneak}{LIES}UPDATE other.accounts SET name = 'secret'"));
    let mut agent = Agent::connect(&place).await;
    let named = "SELECT name FROM accounts WHERE id = 1";
    for relation in [
        "by_index",
        "by_partial",
        "by_check",
        "by_operator",
        "by_statistics",
        "by_default",
        "by_generated",
        "parent",
        "seen",
    ] {
        assert_eq!(value(&agent.query(named).await), "name 1");
        let read = format!("SELECT count(*) FROM {relation} WHERE id = 1");
        assert_eq!(error(&agent.query(&read).await), "", "{relation}");
        assert!(is_made_anew(&place), "{relation}: {}", last_statement(&place));
        assert_eq!(value(&agent.query(named).await), "name 1", "{relation}");
        agent.send(&alone(&read)).await;
        assert_eq!(error(&agent.until_ready().await), "", "{relation}");
        assert!(is_made_anew(&place), "{relation}: {}", last_statement(&place));
        agent.send(&alone(named)).await;
        assert_eq!(value(&agent.until_ready().await), "name 1", "{relation}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_reads_that_run_only_the_servers_code_it_is_made_anew_now_and_then() {
    let place = place(None).await;
    let plain: String = LIES.lines().filter(|line| line.contains("public.plain")).collect();
    let grant = "GRANT SELECT ON public.plain TO app";
    place.truth(&format!("CREATE TYPE public.mood AS ENUM ('good'); {plain} {grant}"));
    let mut agent = Agent::connect(&place).await;
    let reads = [
        "SELECT name FROM plain WHERE id = 1",
        "SELECT count(*), max(n) FROM plain GROUP BY mood",
        "SELECT 1",
        "SHOW search_path",
    ];
    let mut kept = 0;
    for text in reads.iter().cycle().take(4 * reads.len()) {
        assert_eq!(error(&agent.query(text).await), "", "{text}");
        kept += usize::from(!is_made_anew(&place));
        agent.send(&alone(text)).await;
        assert_eq!(error(&agent.until_ready().await), "", "{text}");
        kept += usize::from(!is_made_anew(&place));
    }
    assert!(kept > 2 * reads.len(), "it was kept {kept} times only");
    // What changes it past the gateway, behind the catalogue's answer, does so for a moment at most.
    let lie = "UPDATE other.accounts SET name = 'secret';
        CREATE FUNCTION public.lie() RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN
          PERFORM set_config('search_path', 'other', false); RETURN 1; END $$;
        CREATE INDEX ON public.plain ((id + public.lie()))";
    place.truth(lie);
    assert_eq!(error(&agent.query("SELECT name FROM plain WHERE id = 1").await), "");
    tokio::time::sleep(BELIEVED).await;
    let named = agent.query("SELECT name FROM accounts WHERE id = 2").await;
    assert_eq!(value(&named), "name 2");
    // Whatever else is called: anew.
    for text in ["SELECT lower(name) FROM plain", "SELECT loosen()", "SELECT '1'::int"] {
        assert_eq!(error(&agent.query("SELECT 1").await), "");
        assert_eq!(error(&agent.query(text).await), "", "{text}");
        assert!(is_made_anew(&place), "{text}: {}", last_statement(&place));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_whose_sync_is_there_already_is_one_exchange_and_means_what_it_means_without() {
    let place = place(None).await;
    let mut agent = Agent::connect(&place).await;
    // Errors of the target, then the next pipeline of the same flight.
    let two = [alone("SELECT 1/0"), alone("SELECT 2")].concat();
    agent.send(&two).await;
    let answer = agent.until_ready().await;
    assert_eq!((error(&answer).as_str(), status(&answer)), ("22012", 'I'));
    let answer = agent.until_ready().await;
    assert_eq!((kinds(&answer).as_str(), value(&answer).as_str()), ("12TDCZ", "2"));
    // An error in front of the ParseComplete.
    agent.send(&[alone("SELECT nothing FROM accounts"), alone("SELECT 3")].concat()).await;
    assert_eq!(error(&agent.until_ready().await), "42703");
    assert_eq!(value(&agent.until_ready().await), "3");
    // Rows are left when the Sync comes: the portal is gone with it, at the target and here.
    let none: [(u16, Option<&[u8]>); 0] = [];
    let bind = || frame::Bind {
        portal: "p",
        statement: "",
        parameters: none.iter().copied(),
        result_formats: &[],
    };
    let some = [
        frame::parse("", b"SELECT id FROM accounts ORDER BY id", &[]),
        frame::bind(bind()),
        frame::execute("p", 2),
        frame::sync(),
        frame::execute("p", 2),
        frame::sync(),
    ];
    agent.send(&some.concat()).await;
    assert_eq!(kinds(&agent.until_ready().await), "12DDsZ");
    assert_eq!(error(&agent.until_ready().await), "34000");
    // A write behind the Sync of a read is in a transaction of its own.
    agent.send(&[alone("SELECT 1"), alone("DELETE FROM accounts WHERE id = 1")].concat()).await;
    assert_eq!(kinds(&agent.until_ready().await), "12TDCZ");
    place.gate.approve(0).await;
    assert_eq!(error(&agent.until_ready().await), "");
    // A Sync that does not follow at once.
    agent.send(&execute("SELECT 1")).await;
    agent.send(&frame::flush()).await;
    assert_eq!(kinds(&agent.until('C').await), "12TDC");
    agent.send(&alone("SELECT 2")).await;
    assert_eq!(kinds(&agent.until_ready().await), "12TDCZ");
    // Inside a block the Sync ends nothing.
    assert_eq!(status(&agent.query("BEGIN").await), 'T');
    agent.send(&alone("SELECT 1")).await;
    let answer = agent.until_ready().await;
    assert_eq!((kinds(&answer).as_str(), status(&answer)), ("12TDCZ", 'T'));
    assert_eq!(status(&agent.query("COMMIT").await), 'I');
    let done = place.gate.admitted.lock().unwrap().len();
    for n in 0..done {
        let outcome = place.gate.settlement(n).await.outcome;
        assert!(matches!(outcome, Outcome::Completed | Outcome::Failed), "{n}: {outcome:?}");
    }
}
