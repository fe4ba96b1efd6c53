//! What a held statement looks like, and what it never does.

use super::{
    agent::{Agent, error, execute, kinds, status},
    gate::Decision,
    place::Place,
};
use crate::frame;
use countersign_core::{gate::CloseReason, id::HoldId, record::Outcome, refusal::Refusal};
use std::time::Duration;
use tokio::{io::AsyncWriteExt, net::TcpStream, time::sleep};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_held_delete_runs_once_it_is_approved_and_not_before() {
    let place = Place::with_postgres().await;
    let mut agent = Agent::connect(&place).await;
    agent.send(&frame::query(b"DELETE FROM accounts WHERE id = 1")).await;
    let said = agent.until('N').await;
    assert_eq!(kinds(&said), "N");
    let notice = said.last().unwrap();
    assert_eq!(
        (notice.kind, notice.field('C').as_str(), notice.field('M').as_str()),
        ('N', "01CS1", "held for approval")
    );
    assert!(notice.field('D').contains("2027-01-15T08:00:00Z"), "{notice:?}");
    assert_eq!(place.truth("SELECT count(*) FROM accounts"), "10");
    place.gate.approve(0).await;
    let answer = agent.until_ready().await;
    assert_eq!((kinds(&answer).as_str(), status(&answer)), ("CZ", 'I'), "{answer:?}");
    assert_eq!(place.truth("SELECT count(*) FROM accounts"), "9");
    let settled = place.gate.settlement(0).await;
    assert_eq!((settled.outcome, settled.rows), (Outcome::Completed, 1));

    // The same by the extended protocol, with reads before and behind it in the pipeline.
    let pipeline = [
        execute("DELETE FROM accounts WHERE id = 2"),
        execute("SELECT count(*) FROM accounts"),
        frame::sync().to_vec(),
        execute("SELECT 1"),
        frame::sync().to_vec(),
    ];
    agent.send(&pipeline.concat()).await;
    let held = agent.until('N').await;
    assert_eq!(kinds(&held), "12N");
    place.gate.approve(1).await;
    let answer = agent.until_ready().await;
    assert_eq!(kinds(&answer), "nC12TDCZ", "{answer:?}");
    assert_eq!(kinds(&agent.until_ready().await), "12TDCZ");
    assert_eq!(place.truth("SELECT count(*) FROM accounts"), "8");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_held_first_operation_that_names_nothing_dials_nothing_and_a_refusal_keeps_the_session() {
    let place = Place::without_target().await;
    let mut agent = Agent::connect(&place).await;
    agent.send(&frame::query(b"NOTIFY accounts")).await;
    let hold = place.gate.hold(0).await;
    hold.decide
        .send_replace(Decision::Refuse(Refusal::Parked { hold: HoldId::from_bytes([1; 16]) }));
    let answer = agent.until_ready().await;
    assert_eq!(
        (kinds(&answer).as_str(), error(&answer).as_str(), status(&answer)),
        ("NEZ", "57014", 'I')
    );
    // In a pipeline everything up to Sync is skipped.
    agent
        .send(&[execute("LISTEN accounts"), execute("SELECT 1"), frame::sync().to_vec()].concat())
        .await;
    let hold = place.gate.hold(1).await;
    hold.decide.send_replace(Decision::Refuse(Refusal::Rejected {
        hold: HoldId::from_bytes([1; 16]),
        comment: "no".to_owned(),
    }));
    let answer = agent.until_ready().await;
    assert_eq!(
        (kinds(&answer).as_str(), error(&answer).as_str(), status(&answer)),
        ("12NEZ", "42501", 'I')
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_is_down_uses_up_no_approval() {
    let place = Place::without_target().await;
    let mut agent = Agent::connect(&place).await;
    agent.send(&frame::query(b"NOTIFY accounts")).await;
    let hold = place.gate.approve(0).await;
    let answer = agent.until_ready().await;
    assert_eq!((error(&answer).as_str(), status(&answer)), ("58000", 'I'));
    // It was given up before it was claimed: nothing was admitted, and nothing is to be settled.
    assert_eq!(*hold.ended.borrow(), "parked");
    assert!(place.gate.settled.borrow().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_withdraws_and_a_disconnect_parks() {
    let place = Place::without_target().await;
    let mut agent = Agent::connect(&place).await;
    agent.send(&frame::query(b"NOTIFY accounts")).await;
    let hold = place.gate.hold(0).await;
    let mut cancel = TcpStream::connect(place.address).await.unwrap();
    let (process, secret) = agent.key;
    let request = [16_u32, 80_877_102, process, secret].map(u32::to_be_bytes).concat();
    cancel.write_all(&request).await.unwrap();
    let answer = agent.until_ready().await;
    assert_eq!((error(&answer).as_str(), status(&answer)), ("57014", 'I'));
    assert_eq!(*hold.ended.borrow(), "withdrawn");

    agent.send(&frame::query(b"NOTIFY accounts")).await;
    let hold = place.gate.hold(1).await;
    drop(agent);
    hold.ended.subscribe().wait_for(|ended| *ended == "parked").await.unwrap();

    let mut agent = Agent::connect(&place).await;
    agent.send(&[frame::query(b"NOTIFY accounts"), frame::empty(b'X')].concat()).await;
    let hold = place.gate.hold(2).await;
    hold.ended.subscribe().wait_for(|ended| *ended == "parked").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_inside_a_transaction_fails_it_on_both_sides() {
    let place = Place::with_postgres().await;
    let mut agent = Agent::connect(&place).await;
    assert_eq!(status(&agent.query("BEGIN").await), 'T');
    agent.send(&frame::query(b"DELETE FROM accounts WHERE id = 1")).await;
    place.gate.approve(0).await;
    assert_eq!(status(&agent.until_ready().await), 'T');
    agent.send(&frame::query(b"DELETE FROM accounts WHERE id = 2")).await;
    let hold = place.gate.hold(1).await;
    hold.decide
        .send_replace(Decision::Refuse(Refusal::HoldExpired { hold: HoldId::from_bytes([1; 16]) }));
    let answer = agent.until_ready().await;
    assert_eq!((error(&answer).as_str(), status(&answer)), ("42501", 'E'));
    assert_eq!(error(&agent.query("SELECT 1").await), "25P02");
    let answer = agent.query("COMMIT").await;
    assert_eq!((kinds(&answer).as_str(), status(&answer)), ("CZ", 'I'));
    assert_eq!(place.truth("SELECT count(*) FROM accounts"), "10");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ended_session_hears_why_and_a_refused_release_says_nothing() {
    let place = Place::with_postgres().await;
    let mut agent = Agent::connect(&place).await;
    place.gate.end_all(Refusal::SessionEnded { reason: "revoked".to_owned() }).await;
    let rest = agent.rest().await;
    assert_eq!(error(&rest), "57P01");
    let mut agent = Agent::connect(&place).await;
    place.gate.releases.store(false, std::sync::atomic::Ordering::SeqCst);
    agent.send(&frame::query(b"SELECT 'secret'")).await;
    let rest = agent.rest().await;
    assert_eq!((kinds(&rest).as_str(), error(&rest).as_str()), ("E", "57P03"), "{rest:?}");
    place.gate.lease.store(false, std::sync::atomic::Ordering::SeqCst);
    let mut agent = Agent::connect(&place).await;
    let answer = agent.query("SELECT 1").await;
    assert_eq!((error(&answer).as_str(), status(&answer)), ("57P03", 'I'));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_is_recorded_first_and_a_refusal_behind_a_forward_never_says_that_nothing_happened()
 {
    let place = Place::with_postgres().await;
    let releases = |can: bool| place.gate.releases.store(can, std::sync::atomic::Ordering::SeqCst);
    for commit in ["COMMIT", "END"] {
        let mut agent = Agent::connect(&place).await;
        let n = place.gate.hold_count();
        assert_eq!(status(&agent.query("BEGIN").await), 'T');
        agent
            .send(&frame::query(b"DELETE FROM accounts WHERE id = (SELECT min(id) FROM accounts)"))
            .await;
        place.gate.approve(n).await;
        assert_eq!(status(&agent.until_ready().await), 'T');
        // An answer that waited for its intent would not be released now.
        releases(false);
        let answer = agent.query(commit).await;
        assert_eq!((kinds(&answer).as_str(), status(&answer)), ("CZ", 'I'), "{answer:?}");
        releases(true);
    }
    assert_eq!(place.truth("SELECT count(*) FROM accounts"), "8");

    // A commit that makes nothing last may wait, and whoever hears no answer of it loses nothing.
    let mut agent = Agent::connect(&place).await;
    assert_eq!(status(&agent.query("BEGIN; ").await), 'T');
    assert_eq!(kinds(&agent.query("SELECT 1").await), "TDCZ");
    releases(false);
    agent.send(&frame::query(b"COMMIT")).await;
    let rest = agent.rest().await;
    assert_eq!((kinds(&rest).as_str(), error(&rest).as_str()), ("E", "57P03"), "{rest:?}");
    assert!(rest[0].field('H').contains("Nothing was changed"), "{rest:?}");
    releases(true);

    // What was under way when the node lost its lease may have happened.
    let mut agent = Agent::connect(&place).await;
    let n = place.gate.hold_count();
    agent
        .send(&frame::query(b"DELETE FROM accounts WHERE id = 9 AND pg_sleep(30) IS NOT NULL"))
        .await;
    place.gate.approve(n).await;
    let running = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
    while place.truth(running) != "1" {}
    place.gate.end_all(Refusal::NoQuorum).await;
    let rest = agent.rest().await;
    assert_eq!((kinds(&rest).as_str(), error(&rest).as_str()), ("NE", "08007"), "{rest:?}");
    assert!(!format!("{rest:?}").contains("othing was"), "{rest:?}");
    let unknown = |settled: &Vec<_>| {
        settled.iter().any(|one: &countersign_core::gate::Settlement| {
            one.outcome == Outcome::OutcomeUnknown && one.rows == 0
        })
    };
    place.gate.settled.subscribe().wait_for(unknown).await.unwrap();
    assert_eq!(place.truth(running), "0", "the target was asked to stop");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_is_failed_without_naming_anything_the_agent_could_have_made() {
    let place = Place::with_postgres().await;
    let mut agent = Agent::connect(&place).await;
    assert_eq!(status(&agent.query("BEGIN").await), 'T');
    agent.send(&frame::query(b"DECLARE cs_refused CURSOR FOR SELECT id FROM accounts")).await;
    place.gate.approve(0).await;
    assert_eq!(status(&agent.until_ready().await), 'T');
    assert_eq!(error(&agent.query("CREATE ROLE nobody").await), "42501");
    let answer = agent.query("SELECT 1").await;
    assert_eq!((error(&answer).as_str(), status(&answer)), ("25P02", 'E'));
    assert_eq!(status(&agent.query("ROLLBACK").await), 'I');
    // A pipeline that is refused is over at once.
    let pipeline = [execute("SELECT 1"), execute("CREATE ROLE nobody"), frame::sync().to_vec()];
    agent.send(&pipeline.concat()).await;
    let answer = agent.until_ready().await;
    assert_eq!((error(&answer).as_str(), status(&answer)), ("25006", 'I'));
    assert_eq!(kinds(&agent.query("SELECT 1").await), "TDCZ");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copy_moves_both_ways_once_it_is_approved() {
    let place = Place::with_postgres().await;
    let mut agent = Agent::connect(&place).await;
    agent.send(&frame::query(b"COPY accounts FROM STDIN")).await;
    place.gate.approve(0).await;
    agent.until('G').await;
    let line = frame::message(b'd', |out| out.extend_from_slice(b"77\tseventy-seven\n"));
    agent.send(&[line, frame::empty(b'c')].concat()).await;
    let answer = agent.until_ready().await;
    assert_eq!((kinds(&answer).as_str(), status(&answer)), ("CZ", 'I'), "{answer:?}");
    agent.send(&frame::query(b"COPY accounts TO STDOUT")).await;
    place.gate.approve(1).await;
    let answer = agent.until_ready().await;
    assert_eq!(kinds(&answer), "NHdddddddddddcCZ");
    // Data of a COPY that is over is dropped.
    let stray = frame::message(b'd', |out| out.extend_from_slice(b"78\tx\n"));
    agent.send(&[stray, frame::query(b"SELECT 1")].concat()).await;
    assert_eq!(kinds(&agent.until_ready().await), "TDCZ");
    assert_eq!(place.truth("SELECT count(*) FROM accounts"), "11");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_panics_is_closed_and_keeps_no_other_from_going_on() {
    let place = Place::without_target().await;
    let mut other = Agent::connect(&place).await;
    let mut agent = Agent::connect(&place).await;
    place.gate.broken.store(true, std::sync::atomic::Ordering::SeqCst);
    agent.send(&frame::query(b"NOTIFY accounts")).await;
    let rest = agent.rest().await;
    assert_eq!((kinds(&rest).as_str(), error(&rest).as_str()), ("E", "XX000"));
    assert_eq!(rest[0].field('S'), "FATAL");
    let mut closed = place.gate.closed.subscribe();
    let reason = closed.wait_for(|closed| !closed.is_empty()).await.unwrap()[0].clone();
    assert_eq!(reason, CloseReason::Refused(Refusal::Internal));
    assert_eq!(kinds(&other.query("").await), "IZ");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_sets_something_is_a_part_of_what_comes_later_by_whatever_name_it_sets_it() {
    let place = Place::with_postgres().await;
    let mut agent = Agent::connect(&place).await;
    let changes = [
        "SELECT set_config('my.tenant', '7', false)",
        "UPDATE pg_settings SET setting = '8MB' WHERE name = 'work_mem'",
        "EXPLAIN ANALYZE UPDATE pg_settings SET setting = '9MB' WHERE name = 'work_mem'",
        "SET my.tenant = '8'",
    ];
    for (n, text) in changes.iter().enumerate() {
        agent.send(&frame::query(text.as_bytes())).await;
        place.gate.approve(n).await;
        assert_eq!(error(&agent.until_ready().await), "", "{text}");
    }
    agent.send(&frame::query(b"DELETE FROM accounts")).await;
    let hold = place.gate.hold(changes.len()).await;
    let settings = &hold.operation.classification().settings;
    let said: Vec<&str> =
        settings.iter().filter(|(name, _)| name == "set").map(|(_, text)| text.as_str()).collect();
    assert_eq!(said, changes);
}

/// What a change of a relation sets for its session, though its text shows nothing of that.
const SETS: &str = "
CREATE FUNCTION public.fired() RETURNS trigger LANGUAGE plpgsql
  AS $$ BEGIN PERFORM set_config('my.tenant', TG_NAME, false); RETURN NULL; END $$;
CREATE FUNCTION public.tenant() RETURNS text LANGUAGE sql AS $$ SELECT set_config('my.tenant', '1', false) $$;
SET ROLE app;
CREATE TABLE public.plain(id serial PRIMARY KEY, n int DEFAULT 7, at timestamptz DEFAULT now(), CHECK (n < 100));
CREATE TABLE public.by_trigger(id int PRIMARY KEY);
CREATE TRIGGER fired AFTER INSERT ON public.by_trigger EXECUTE FUNCTION public.fired();
CREATE TABLE public.by_default(id int, t text DEFAULT public.tenant());
CREATE TABLE public.by_servers(id int, t text DEFAULT set_config('my.tenant', '2', false));
CREATE TABLE public.by_check(id int, CHECK (set_config('my.tenant', '3', false) IS NOT NULL));
CREATE TABLE public.by_rule(id int);
CREATE RULE r AS ON INSERT TO public.by_rule DO ALSO SELECT set_config('my.tenant', '4', false);
CREATE TABLE public.parent(id int PRIMARY KEY);
CREATE TABLE public.child(id int REFERENCES public.parent ON DELETE CASCADE);
CREATE TRIGGER fired AFTER DELETE ON public.child EXECUTE FUNCTION public.fired();
CREATE TABLE public.parted(id int) PARTITION BY LIST (id);
CREATE TABLE public.part PARTITION OF public.parted FOR VALUES IN (1);
CREATE TRIGGER fired AFTER INSERT ON public.part FOR EACH ROW EXECUTE FUNCTION public.fired();
CREATE VIEW public.by_view AS SELECT id FROM public.by_trigger;
CREATE TABLE public.unlogged_by(id int REFERENCES public.plain);
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_triggers_rules_and_defaults_set_is_told_apart_in_what_comes_later() {
    let place = Place::with_postgres().await;
    place.truth(SETS);
    let mut agent = Agent::connect(&place).await;
    for (text, sets) in [
        ("INSERT INTO plain(n) VALUES (1)", false),
        ("UPDATE plain SET n = 2 WHERE id = 1", false),
        ("DELETE FROM plain WHERE id = 7", false),
        ("INSERT INTO plain(n) SELECT id FROM by_trigger", false),
        ("INSERT INTO by_trigger VALUES (1)", true),
        ("INSERT INTO by_default VALUES (1)", true),
        ("INSERT INTO by_servers VALUES (1)", true),
        ("INSERT INTO by_check VALUES (1)", true),
        ("INSERT INTO by_rule VALUES (1)", true),
        ("INSERT INTO by_view VALUES (2)", true),
        ("INSERT INTO parted VALUES (1)", true),
        ("DELETE FROM parent WHERE id = 1", true),
        ("WITH x AS (DELETE FROM parent RETURNING id) SELECT * FROM x", true),
        ("TRUNCATE unlogged_by", true),
        ("CREATE TABLE made(id int)", false),
    ] {
        let before = ran(&place, &mut agent).await;
        let n = place.gate.hold_count();
        agent.send(&frame::query(text.as_bytes())).await;
        place.gate.approve(n).await;
        assert_eq!(error(&agent.until_ready().await), "", "{text}");
        let after = ran(&place, &mut agent).await;
        assert_eq!(before != after, sets, "{text}: {before} {after}");
    }
    // What event triggers do, at whatever changes the catalogue.
    place.truth(
        "CREATE FUNCTION public.at_ddl() RETURNS event_trigger LANGUAGE plpgsql
           AS $$ BEGIN PERFORM set_config('my.tenant', 'ddl', false); END $$;
         CREATE EVENT TRIGGER at_ddl ON ddl_command_end EXECUTE FUNCTION public.at_ddl()",
    );
    let mut agent = Agent::connect(&place).await;
    let n = place.gate.hold_count();
    agent.send(&frame::query(b"CREATE TABLE again(id int)")).await;
    place.gate.approve(n).await;
    assert_eq!(error(&agent.until_ready().await), "");
    assert_ne!(ran(&place, &mut agent).await, "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_has_waited_in_vain_does_not_begin_to_wait_anew() {
    let place = Place::with_postgres().await;
    let mut agent = Agent::connect(&place).await;
    let held = async |agent: &mut Agent, waits: Duration| {
        let n = place.gate.hold_count();
        agent.send(&frame::query(b"DELETE FROM accounts WHERE id = 1")).await;
        let hold = place.gate.hold(n).await;
        sleep(waits).await;
        let parked = Refusal::Parked { hold: HoldId::from_bytes([1; 16]) };
        hold.decide.send_replace(Decision::Refuse(parked));
        assert_eq!(error(&agent.until_ready().await), "57014");
        *hold.waited.borrow()
    };
    let while_held = Duration::from_millis(300);
    assert_eq!(status(&agent.query("BEGIN").await), 'T');
    assert_eq!(status(&agent.query("SAVEPOINT s").await), 'T');
    assert_eq!(held(&mut agent, while_held).await, Duration::ZERO);
    assert_eq!(status(&agent.query("ROLLBACK TO SAVEPOINT s").await), 'T');
    assert!(held(&mut agent, while_held).await >= while_held);
    assert_eq!(status(&agent.query("ROLLBACK TO SAVEPOINT s").await), 'T');
    assert!(held(&mut agent, Duration::ZERO).await >= while_held * 2);
    // Another transaction has waited for nothing yet, and outside of any nothing is kept by waiting.
    assert_eq!(status(&agent.query("ROLLBACK").await), 'I');
    assert_eq!(held(&mut agent, while_held).await, Duration::ZERO);
    assert_eq!(held(&mut agent, Duration::ZERO).await, Duration::ZERO);
    assert_eq!(status(&agent.query("BEGIN").await), 'T');
    assert_eq!(held(&mut agent, Duration::ZERO).await, Duration::ZERO);
}

/// What the next operation's fingerprint has of what ran before it.
async fn ran(place: &Place, agent: &mut Agent) -> String {
    let n = place.gate.hold_count();
    agent.send(&frame::query(b"DELETE FROM accounts")).await;
    let hold = place.gate.hold(n).await;
    hold.decide.send_replace(Decision::Refuse(Refusal::Internal));
    agent.until_ready().await;
    let settings = &hold.operation.classification().settings;
    let ran = settings.iter().find(|(name, _)| name == "ran");
    ran.map(|(_, line)| line.clone()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_runs_code_that_it_does_not_show_is_told_apart_in_what_comes_later() {
    let place = Place::with_postgres().await;
    place.truth(
        "CREATE FUNCTION public.tenant(t text) RETURNS text LANGUAGE sql AS $$ SELECT set_config('my.tenant', t, false) $$;
         CREATE PROCEDURE public.become(t text) LANGUAGE sql AS $$ SELECT set_config('my.tenant', t, false) $$;
         CREATE VIEW public.my_settings AS SELECT * FROM pg_settings; GRANT ALL ON public.my_settings TO app;
         CREATE SEQUENCE public.numbers OWNED BY NONE; ALTER SEQUENCE public.numbers OWNER TO app",
    );
    let mut agent = Agent::connect(&place).await;
    let approved = async |agent: &mut Agent, text: &str| {
        let n = place.gate.hold_count();
        agent.send(&frame::query(text.as_bytes())).await;
        place.gate.approve(n).await;
        assert_eq!(error(&agent.until_ready().await), "", "{text}");
    };
    // None of these sets anything by itself.
    approved(&mut agent, "SELECT nextval('numbers')").await;
    approved(&mut agent, "SELECT pg_advisory_lock(7)").await;
    assert_eq!(ran(&place, &mut agent).await, "");
    approved(&mut agent, "PREPARE p(text) AS SELECT set_config('my.tenant', $1, false)").await;
    approved(&mut agent, "DECLARE c CURSOR WITH HOLD FOR SELECT tenant(id::text) FROM accounts")
        .await;
    let mut all = std::collections::BTreeSet::from([ran(&place, &mut agent).await]);
    let texts = [
        "EXECUTE p('1')",
        "EXECUTE p('1')",
        "EXPLAIN ANALYZE EXECUTE p('2')",
        "CREATE TABLE made AS EXECUTE p('3')",
        "FETCH c",
        "FETCH c",
        "MOVE c",
        "DO $$ BEGIN PERFORM set_config('my.tenant', '4', false); END $$",
        "CALL become('5')",
        "SELECT tenant('6')",
        "UPDATE my_settings SET setting = '8MB' WHERE name = 'work_mem'",
        "SELECT query_to_xml('SELECT set_config(''my.tenant'', ''7'', false)', true, true, '')",
        "SELECT 1 FROM accounts WHERE ('8'::text).tenant IS NOT NULL",
    ];
    for text in texts {
        approved(&mut agent, text).await;
        assert!(all.insert(ran(&place, &mut agent).await), "{text} is told apart");
    }
    // Further rows of a portal.
    assert_eq!(status(&agent.query("BEGIN").await), 'T');
    let n = place.gate.hold_count();
    let bind = frame::Bind {
        portal: "rows",
        statement: "",
        parameters: std::iter::empty::<(u16, Option<&[u8]>)>(),
        result_formats: &[],
    };
    let text = b"SELECT tenant(id::text) FROM accounts";
    let first = [frame::parse("", text, &[]), frame::bind(bind), frame::execute("rows", 1)];
    agent.send(&[first.concat(), frame::sync().to_vec()].concat()).await;
    place.gate.approve(n).await;
    assert_eq!(error(&agent.until_ready().await), "");
    let held = async |agent: &mut Agent| {
        let n = place.gate.hold_count();
        agent.send(&frame::query(b"DELETE FROM accounts")).await;
        let hold = place.gate.approve(n).await;
        assert_eq!(error(&agent.until_ready().await), "");
        hold.operation.fingerprint().to_string()
    };
    let before = held(&mut agent).await;
    agent.send(&[frame::execute("rows", 1), frame::sync()].concat()).await;
    assert_eq!(error(&agent.until_ready().await), "");
    assert_ne!(held(&mut agent).await, before);
    assert_eq!(status(&agent.query("ROLLBACK").await), 'I');
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_set_by_a_bound_value_is_told_apart_by_that_value() {
    let place = Place::with_postgres().await;
    let mut said = Vec::new();
    for (n, tenant) in ["7", "8"].into_iter().enumerate() {
        let mut agent = Agent::connect(&place).await;
        let bind = frame::Bind {
            portal: "",
            statement: "",
            parameters: [(0, Some(tenant.as_bytes()))].into_iter(),
            result_formats: &[],
        };
        let text = b"SELECT set_config('my.tenant', $1, false) FROM generate_series(1, 2)";
        // One row of two: the portal stays suspended, and what it did stays done.
        let flight = [
            frame::parse("", text, &[25]).as_ref(),
            &frame::bind(bind),
            &frame::execute("", 1),
            &frame::sync(),
        ]
        .concat();
        agent.send(&flight).await;
        place.gate.approve(2 * n).await;
        assert_eq!(error(&agent.until_ready().await), "", "{tenant}");
        agent.send(&frame::query(b"DELETE FROM accounts")).await;
        let hold = place.gate.hold(2 * n + 1).await;
        let settings = hold.operation.classification().settings.clone();
        said.extend(settings.iter().filter(|(name, _)| name == "set").cloned());
        drop(agent);
    }
    let [(_, seven), (_, eight)] = &said[..] else { panic!("{said:?}") };
    assert!(seven.ends_with("$1 (format 0) = '7'") && eight.ends_with("= '8'"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_does_not_outlive_the_transaction_that_it_waits_in() {
    let place = Place::with_postgres().await;
    let terminate = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'";
    let idle = "ALTER ROLE app SET idle_in_transaction_session_timeout TO '2s'";
    for (n, (cause, begin, state)) in
        [(terminate, "BEGIN", "57P01"), (terminate, "", "57P01"), (idle, "BEGIN", "25P03")]
            .into_iter()
            .enumerate()
    {
        if cause == idle {
            place.truth(idle);
        }
        let mut agent = Agent::connect(&place).await;
        let first = place.gate.hold_count();
        if begin.is_empty() {
            // The transaction of a pipeline is one too.
            let update = execute("UPDATE accounts SET name = 'x' WHERE id = 1");
            agent.send(&[update, frame::flush().to_vec()].concat()).await;
        } else {
            assert_eq!(status(&agent.query(begin).await), 'T');
            agent.send(&frame::query(b"UPDATE accounts SET name = 'x' WHERE id = 1")).await;
        }
        place.gate.approve(first).await;
        agent.until('C').await;
        let delete = if begin.is_empty() {
            execute("DELETE FROM accounts WHERE id = 2")
        } else {
            frame::query(b"DELETE FROM accounts WHERE id = 2").to_vec()
        };
        agent.send(&delete).await;
        let hold = place.gate.hold(first + 1).await;
        if cause == terminate {
            place.truth(terminate);
        }
        hold.ended.subscribe().wait_for(|ended| *ended == "void").await.unwrap();
        // Too late for everybody.
        hold.decide.send_replace(Decision::Approve);
        let rest = agent.rest().await;
        assert_eq!(error(&rest), state, "{n}: {rest:?}");
        let said: Vec<_> = rest.iter().filter(|message| message.kind == 'E').collect();
        assert_eq!((said.len(), said[0].field('S').as_str()), (1, "FATAL"), "{rest:?}");
        assert!(said[0].field('D').contains("is void"), "{rest:?}");
        assert_eq!(said[0].field('H').contains("idle_in_transaction"), cause == idle);
    }
    let untouched = "SELECT count(*) FROM accounts WHERE name LIKE 'name %'";
    assert_eq!(place.truth(untouched), "10");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_approval_outside_of_transactions_outlives_the_connection_to_the_target() {
    let place = Place::with_postgres().await;
    let mut agent = Agent::connect(&place).await;
    assert_eq!(kinds(&agent.query("SELECT 1").await), "TDCZ");
    agent.send(&frame::query(b"DELETE FROM accounts WHERE id = 2")).await;
    let hold = place.gate.hold(0).await;
    place.truth("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'");
    let rest = agent.rest().await;
    assert_eq!(error(&rest), "57P01", "{rest:?}");
    assert!(rest.last().unwrap().field('D').contains("stays open"), "{rest:?}");
    assert_eq!(*hold.ended.borrow(), "parked");
}
