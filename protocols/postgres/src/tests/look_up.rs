//! The catalogue is asked about every text; locks and transactions in the way make that slower or refused, and never wrong.

use super::{
    agent::{Agent, Message, error, execute, kinds, rows, status},
    gate::Decision,
    place::Place,
};
use crate::frame;
use countersign_core::{mask::MaskKind, operation::Action, refusal::Refusal};
use std::time::Duration;
use tokio::time::Instant;

/// Far less than the gateway waits for an answer of the target's.
const SOON: Duration = Duration::from_secs(20);

async fn approved(place: &Place, agent: &mut Agent, text: &str) -> Vec<Message> {
    let n = place.gate.hold_count();
    agent.send(&frame::query(text.as_bytes())).await;
    place.gate.approve(n).await;
    let answer = agent.until_ready().await;
    assert_eq!(error(&answer), "", "{text}");
    answer
}

/// A session of the superuser's that keeps a view for itself.
async fn locker(place: &Place) -> Agent {
    let mut locker = Agent::direct(place.folder.path(), "orders", "locker").await;
    locker.query("BEGIN").await;
    assert_eq!(error(&locker.query("LOCK TABLE plain_view IN ACCESS EXCLUSIVE MODE").await), "");
    locker
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_of_somebody_elses_is_a_refusal_that_can_be_tried_again() {
    let place = Place::with_postgres().await;
    place.truth("SET ROLE app; CREATE TABLE public.other(id int)");
    let read = "SELECT id FROM plain_view WHERE id = 1";
    for begin in ["", "BEGIN", "BEGIN ISOLATION LEVEL REPEATABLE READ"] {
        let mut agent = Agent::connect(&place).await;
        agent.query("SELECT 1").await;
        if !begin.is_empty() {
            assert_eq!(status(&agent.query(begin).await), 'T');
            // What counts for the transaction alone.
            approved(&place, &mut agent, "INSERT INTO other VALUES (1)").await;
            assert_eq!(status(&agent.query("SAVEPOINT s").await), 'T');
        }
        let mut locker = locker(&place).await;
        let start = Instant::now();
        let answer = agent.query(read).await;
        assert_eq!(error(&answer), "55P03", "{begin}: {answer:?}");
        assert!(start.elapsed() < SOON, "{begin}");
        locker.query("ROLLBACK").await;
        if begin.is_empty() {
            assert_eq!(status(&answer), 'I');
        } else {
            // As behind any error: the work in front of the savepoint is still there.
            assert_eq!(status(&answer), 'E');
            assert_eq!(status(&agent.query("ROLLBACK TO s").await), 'T');
        }
        assert_eq!(kinds(&agent.query(read).await), "TDCZ", "{begin}");
        if !begin.is_empty() {
            // The bounds of the look-ups are not left behind.
            approved(&place, &mut agent, "SET LOCAL lock_timeout TO '7s'").await;
            agent.query("SELECT v.id FROM accounts, plain_view v WHERE v.id = accounts.id").await;
            assert_eq!(rows(&agent.query("SHOW lock_timeout").await), [["7s"]], "{begin}");
            assert_eq!(rows(&agent.query("SHOW statement_timeout").await), [["0"]], "{begin}");
            assert_eq!(status(&agent.query("ROLLBACK").await), 'I');
        }
    }
    // In a pipeline, whose end has the same settings as its beginning.
    let mut agent = Agent::connect(&place).await;
    let n = place.gate.hold_count();
    let pipeline = [
        execute("INSERT INTO other VALUES (1)"),
        execute(read),
        execute("SHOW lock_timeout"),
        execute("SHOW search_path"),
        frame::sync().to_vec(),
    ];
    agent.send(&pipeline.concat()).await;
    place.gate.approve(n).await;
    assert_eq!(rows(&agent.until_ready().await), [["1"], ["0"], ["public, pg_temp"]]);
    let mut locker = locker(&place).await;
    agent.send(&pipeline.concat()).await;
    place.gate.approve(n + 1).await;
    assert_eq!(error(&agent.until_ready().await), "55P03");
    locker.query("ROLLBACK").await;
    assert_eq!(kinds(&agent.query(read).await), "TDCZ");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_of_the_agents_own_is_not_in_its_way() {
    let place = Place::with_postgres().await;
    let mut agent = Agent::connect(&place).await;
    for (n, masked) in [false, true].into_iter().enumerate() {
        if masked {
            place.gate.mask(&["public.accounts.name"], &[], MaskKind::Redact);
        }
        assert_eq!(status(&agent.query("BEGIN").await), 'T');
        approved(&place, &mut agent, "DELETE FROM accounts WHERE id = 9").await;
        approved(&place, &mut agent, "LOCK TABLE plain_view IN ACCESS EXCLUSIVE MODE").await;
        let start = Instant::now();
        let answer = agent.query("SELECT count(*) FROM plain_view").await;
        assert_eq!(rows(&answer).len(), 1, "{answer:?}");
        assert!(start.elapsed() < SOON, "{n}");
        assert_eq!(status(&agent.query("ROLLBACK").await), 'I');
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_transaction_has_made_itself_is_read_in_it_whatever_it_sees_of_the_others() {
    let place = Place::with_postgres().await;
    let made = [
        "CREATE TABLE made AS SELECT 1 AS id, 'x'::text AS name",
        "CREATE TEMP TABLE mine AS SELECT 2 AS id",
        "CREATE VIEW made_view AS SELECT id FROM made",
        "CREATE TABLE parted (id int) PARTITION BY LIST (id)",
        "CREATE TABLE part PARTITION OF parted FOR VALUES IN (1)",
    ];
    let reads = [
        "SELECT id, name FROM made",
        "SELECT id FROM mine",
        "SELECT id FROM made_view",
        "SELECT m.id FROM public.made m JOIN accounts a ON a.id = m.id",
        "WITH q AS (SELECT id FROM made UNION ALL SELECT id FROM mine) SELECT count(*) FROM q",
    ];
    for level in ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"] {
        for masked in [false, true] {
            if masked {
                place.gate.mask(&["public.accounts.name"], &[], MaskKind::Redact);
            }
            let mut agent = Agent::connect(&place).await;
            agent.query(&format!("BEGIN ISOLATION LEVEL {level}")).await;
            assert_eq!(error(&agent.query("SELECT count(*) FROM accounts").await), "");
            for text in made {
                approved(&place, &mut agent, text).await;
            }
            let holds = place.gate.hold_count();
            for text in reads {
                agent.send(&frame::query(text.as_bytes())).await;
                let answer = tokio::select! {
                    answer = agent.until_ready() => answer,
                    hold = place.gate.hold(holds) => panic!("{level}: {text} is held: {hold:?}"),
                };
                assert_eq!(kinds(&answer), "TDCZ", "{level}, {masked}: {text}: {answer:?}");
                agent.send(&[execute(text), frame::sync().to_vec()].concat()).await;
                assert_eq!(kinds(&agent.until_ready().await), "12TDCZ", "{level}: {text}");
            }
            assert_eq!(kinds(&agent.query("SELECT id FROM parted").await), "TCZ");
            assert_eq!(place.gate.hold_count(), holds, "{level}");
            assert_eq!(status(&agent.query("ROLLBACK").await), 'I');
            assert_eq!(error(&agent.query("SELECT id FROM made").await), "42P01");
        }
    }
    // A temporary table outlives the transaction, for its session.
    let mut agent = Agent::connect(&place).await;
    approved(&place, &mut agent, "CREATE TEMP TABLE mine AS SELECT 2 AS id").await;
    for begin in ["BEGIN ISOLATION LEVEL SERIALIZABLE", "COMMIT"] {
        assert_eq!(error(&agent.query(begin).await), "");
        assert_eq!(kinds(&agent.query("SELECT id FROM mine").await), "TDCZ");
    }
    let mut other = Agent::connect(&place).await;
    assert_eq!(error(&other.query("SELECT id FROM mine").await), "42P01");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pipeline_that_sees_the_past_is_judged_by_what_the_catalogue_is_now() {
    let place = Place::with_postgres().await;
    place.truth("ALTER ROLE app SET default_transaction_isolation TO 'repeatable read'");
    let mut agent = Agent::connect(&place).await;
    agent.send(&[execute("SELECT count(*) FROM accounts"), frame::flush().to_vec()].concat()).await;
    agent.until('C').await;
    place.truth("CREATE FUNCTION public.lower(varchar) RETURNS text LANGUAGE sql AS 'SELECT $1'");
    agent.send(&[execute("SELECT lower('X'::varchar)"), frame::sync().to_vec()].concat()).await;
    // A function behind a read cannot be held any more: the pipeline's transaction is read-only.
    let answer = agent.until_ready().await;
    assert_eq!(error(&answer), "25006", "{answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parameters_of_types_that_bring_no_code_are_no_functions() {
    let place = Place::with_postgres().await;
    place.truth(
        "CREATE EXTENSION citext; SET ROLE app;
         CREATE TYPE public.mood AS ENUM ('good', 'bad');
         CREATE TYPE public.cast_mood AS ENUM ('good', 'bad');
         CREATE FUNCTION public.told(public.cast_mood) RETURNS text LANGUAGE sql AS 'SELECT ''x''';
         CREATE CAST (public.cast_mood AS text) WITH FUNCTION public.told(public.cast_mood) AS IMPLICIT;
         CREATE DOMAIN public.plain_domain AS text;
         CREATE TABLE public.moods(mood public.mood); INSERT INTO public.moods VALUES ('good')",
    );
    let mut agent = Agent::connect(&place).await;
    let one = |oid: u32, value: &'static [u8]| {
        let bind = frame::Bind {
            portal: "",
            statement: "",
            parameters: [(0, Some(value))].into_iter(),
            result_formats: &[],
        };
        let parse = frame::parse("", b"SELECT $1::text", &[oid]);
        [parse, frame::bind(bind), frame::execute("", 0), frame::sync()].concat()
    };
    let oid = |name: &str| place.truth(&format!("SELECT '{name}'::regtype::oid")).parse().unwrap();
    for (name, value) in [
        ("mood", &b"good"[..]),
        ("mood[]", b"{good,bad}"),
        ("citext", b"Good"),
        ("citext[]", b"{Good}"),
    ] {
        agent.send(&one(oid(name), value)).await;
        let answer = agent.until_ready().await;
        assert_eq!(kinds(&answer), "12DCZ", "{name}: {answer:?}");
    }
    for (name, value) in [
        ("cast_mood", &b"good"[..]),
        ("cast_mood[]", b"{good}"),
        ("plain_domain", b"x"),
        ("accounts", b"(1,x)"),
        ("accounts[]", b"{}"),
        ("regclass[]", b"{}"),
    ] {
        let n = place.gate.hold_count();
        agent.send(&one(oid(name), value)).await;
        let hold = tokio::select! {
            hold = place.gate.hold(n) => hold,
            answer = agent.until_ready() => panic!("{name} was not held: {answer:?}"),
        };
        let demands = hold.operation.demands();
        assert!(demands.iter().any(|one| one.action == Action::PostgresFunction), "{name}");
        hold.decide.send_replace(Decision::Refuse(Refusal::Internal));
        agent.until_ready().await;
    }
    // A number that no type has.
    let n = place.gate.hold_count();
    agent.send(&one(4_000_000_000, b"x")).await;
    place.gate.approve(n).await;
    // What the server itself says.
    assert_eq!(error(&agent.until_ready().await), "XX000");
}
