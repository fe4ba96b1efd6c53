//! What reviewers are shown beside a held operation, asked of a real PostgreSQL; and that asking runs nothing of anybody's.

use super::{
    agent::{Agent, kinds, status},
    place::Place,
};
use crate::frame;
use countersign_core::evidence::{Evidence, Locks, Plan};

/// A function that says so in the server's log whenever it runs, though it claims to be a constant.
const TRAPS: &str = "
SET ROLE app;
CREATE FUNCTION public.trap(n int) RETURNS int LANGUAGE plpgsql IMMUTABLE
  AS 'BEGIN RAISE LOG ''sprung''; RETURN n; END';
CREATE TABLE public.by_default(id int, n int DEFAULT public.trap(1));
CREATE TABLE public.by_check(id int, n int, CHECK (n > public.trap(1)));
CREATE TABLE public.by_index(id int, n int);
CREATE INDEX ON public.by_index ((n + public.trap(1)));
CREATE INDEX ON public.by_index (id) WHERE n > public.trap(2);
CREATE TABLE public.by_rule(id int, n int);
CREATE RULE trapped AS ON DELETE TO public.by_rule DO ALSO SELECT public.trap(1);
CREATE TABLE public.by_partition(id int, n int) PARTITION BY RANGE ((public.trap(n)));
CREATE TABLE public.partition_one PARTITION OF public.by_partition FOR VALUES FROM (1) TO (10);
CREATE TABLE public.by_policy(id int, n int);
CREATE POLICY trapped ON public.by_policy USING (n > public.trap(1));
ALTER TABLE public.by_policy ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.by_policy FORCE ROW LEVEL SECURITY;
CREATE TABLE public.above(id int, n int);
CREATE TABLE public.below(CHECK (n > public.trap(1))) INHERITS (public.above);
CREATE VIEW public.by_view AS SELECT id, n + public.trap(1) AS n FROM public.by_index;
CREATE DOMAIN public.trapped_domain AS int DEFAULT public.trap(1);
CREATE TABLE public.by_domain(id int, n public.trapped_domain);
CREATE TABLE public.by_statistics(id int, n int);
CREATE STATISTICS public.trapped ON (n + public.trap(1)), id FROM public.by_statistics;
CREATE TABLE public.by_trigger(id int, n int);
CREATE FUNCTION public.fired() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE LOG ''sprung''; RETURN NEW; END';
CREATE TRIGGER fired BEFORE INSERT OR DELETE ON public.by_trigger FOR EACH ROW EXECUTE FUNCTION public.fired();
CREATE TABLE public.plain(id serial, n int DEFAULT 7, at timestamptz DEFAULT now(), CHECK (n < 100));
";

/// What is found out about a text that is held, which is then taken back by going away.
async fn of(place: &Place, text: &str) -> Evidence {
    let mut agent = Agent::connect(place).await;
    let n = place.gate.hold_count();
    agent.send(&frame::query(text.as_bytes())).await;
    place.gate.hold(n).await.evidence().await
}

fn absent(evidence: &Evidence) -> &str {
    match &evidence.plan {
        Plan::Absent(reason) => reason,
        Plan::Known(plan) => panic!("there is a plan: {plan}"),
    }
}

fn plan(evidence: &Evidence) -> &str {
    match &evidence.plan {
        Plan::Known(plan) => plan,
        Plan::Absent(reason) => panic!("there is no plan: {reason}"),
    }
}

/// How often something of the traps has run.
fn sprung(place: &Place) -> usize {
    let log = std::fs::read_to_string(place.folder.path().join("data/log")).unwrap();
    log.matches("LOG:  sprung").count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_held_change_is_explained_with_its_values_and_not_executed() {
    let place = Place::with_postgres().await;
    place.truth("ANALYZE public.accounts");
    let evidence = of(&place, "DELETE FROM accounts WHERE id > 4").await;
    let changed = &evidence.estimates.as_ref().unwrap().changed;
    assert_eq!(changed[0].what, "Delete on accounts");
    assert!((5..=8).contains(&changed[0].rows), "{evidence:?}");
    assert!(plan(&evidence).contains("(id > 4)"), "{evidence:?}");
    assert_eq!(evidence.transaction, None);
    assert_eq!(place.truth("SELECT count(*) FROM accounts"), "10");

    // With values bound, in both formats, one of them without a type.
    let mut agent = Agent::connect(&place).await;
    let bind = frame::Bind {
        portal: "",
        statement: "",
        parameters: [(1, Some(&[0, 0, 0, 8][..])), (0, Some(&b"it's"[..]))].into_iter(),
        result_formats: &[],
    };
    let text = b"UPDATE accounts SET name = $2 WHERE id >= $1 RETURNING id";
    let pipeline =
        [frame::parse("", text, &[23, 0]), frame::bind(bind), frame::execute("", 0), frame::sync()];
    let n = place.gate.hold_count();
    agent.send(&pipeline.concat()).await;
    let evidence = place.gate.hold(n).await.evidence().await;
    let estimates = evidence.estimates.as_ref().unwrap();
    assert_eq!(estimates.changed[0].rows, estimates.returned, "{evidence:?}");
    assert!((2..=5).contains(&estimates.returned), "{evidence:?}");
    assert!(plan(&evidence).contains("(id >= 8)"), "{evidence:?}");
    // The hold goes on as if nothing had been asked, over the agent's own connection.
    place.gate.approve(n).await;
    assert_eq!(kinds(&agent.until_ready().await), "12NDDDCZ");
    // Its connection goes away; the server takes a moment for that.
    let asking =
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'countersign evidence'";
    while place.truth(asking) != "0" {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_is_asked_for_under_what_the_agent_has_set_without_asking_anybody() {
    let place = Place::with_postgres().await;
    let mut agent = Agent::connect(&place).await;
    assert_eq!(kinds(&agent.query("SET DateStyle = 'German'").await), "CZ");
    assert_eq!(kinds(&agent.query("SET extra_float_digits = 3;").await), "CZ");
    assert_eq!(place.gate.hold_count(), 0);
    // It is no date in the way dates are read otherwise.
    let text = b"DELETE FROM accounts WHERE date '31.12.2020' < now()";
    agent.send(&frame::query(text)).await;
    let hold = place.gate.hold(0).await;
    let settings = format!("{:?}", hold.operation.classification().settings);
    assert!(settings.contains("SET DateStyle = 'German'"), "{settings}");
    plan(&hold.evidence().await);
    // Another setting could be anything.
    let mut agent = Agent::connect(&place).await;
    agent.send(&frame::query(b"SET my.tenant = '8'")).await;
    place.gate.approve(1).await;
    assert_eq!(kinds(&agent.until_ready().await), "NCZ");
    agent.send(&frame::query(b"DELETE FROM accounts WHERE id = 1")).await;
    let evidence = place.gate.hold(2).await.evidence().await;
    assert!(absent(&evidence).contains("settings"), "{evidence:?}");
    // So could what code has set that no text shows.
    place.truth(
        "CREATE FUNCTION public.tenant(t text) RETURNS text LANGUAGE sql AS $$ SELECT set_config('my.tenant', t, false) $$",
    );
    let mut agent = Agent::connect(&place).await;
    agent.send(&frame::query(b"SELECT tenant('8')")).await;
    place.gate.approve(3).await;
    assert_eq!(kinds(&agent.until_ready().await), "NTDCZ");
    agent.send(&frame::query(b"DELETE FROM accounts WHERE id = 1")).await;
    let evidence = place.gate.hold(4).await.evidence().await;
    assert!(absent(&evidence).contains("settings"), "{evidence:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_somebody_made_runs_while_a_plan_is_asked_for() {
    let place = Place::with_postgres().await;
    place.truth(TRAPS);
    let before = sprung(&place);
    for text in [
        "INSERT INTO by_default(id) VALUES (1)",
        "DELETE FROM by_check WHERE id = 1",
        "DELETE FROM by_index WHERE id = 1",
        "DELETE FROM by_rule WHERE id = 1",
        "DELETE FROM by_partition WHERE n = 2",
        "DELETE FROM partition_one WHERE n = 2",
        "DELETE FROM by_policy WHERE id = 1",
        "DELETE FROM above WHERE n = 1",
        "DELETE FROM ONLY below WHERE n = 1",
        "DELETE FROM plain WHERE id IN (SELECT id FROM by_view)",
        "INSERT INTO by_domain(id) VALUES (1)",
        "DELETE FROM by_statistics WHERE n = 1",
        "DELETE FROM plain WHERE n = trap(1)",
        "DELETE FROM plain WHERE n = public.trap(1)",
        "INSERT INTO plain(n) SELECT a.trap FROM (SELECT 1) a(n) WHERE trap(1) = 1",
        "UPDATE plain SET n = n WHERE pg_sleep(0) IS NOT NULL",
        "DELETE FROM plain; DELETE FROM plain",
        "TRUNCATE plain",
        "SELECT pg_advisory_lock(1)",
        "EXPLAIN ANALYZE DELETE FROM plain",
        "DO 'BEGIN PERFORM public.trap(1); END'",
    ] {
        let evidence = of(&place, text).await;
        assert!(!absent(&evidence).is_empty(), "{text}");
        assert_eq!(evidence.estimates, None, "{text}");
    }
    // What does not run at planning, or is PostgreSQL's own, keeps nobody from asking.
    for text in [
        "DELETE FROM by_trigger WHERE id = 1",
        "INSERT INTO plain(n) VALUES (1)",
        "INSERT INTO plain(n) SELECT n FROM plain FOR UPDATE",
        "WITH gone AS (DELETE FROM plain RETURNING n) INSERT INTO by_trigger(n) SELECT n FROM gone",
        "UPDATE plain SET at = now() WHERE at < now() - interval '1 day' OR n = 3 - 1",
        "SELECT id FROM plain FOR UPDATE",
    ] {
        let evidence = of(&place, text).await;
        plan(&evidence);
    }
    assert_eq!(place.truth("SELECT last_value FROM plain_id_seq WHERE NOT is_called"), "1");
    assert_eq!(sprung(&place), before);
    // The traps are such: what would have happened.
    place.truth("EXPLAIN DELETE FROM plain WHERE n = public.trap(1)");
    assert_eq!(sprung(&place), before + 1);
    place.truth("EXPLAIN INSERT INTO by_default(id) VALUES (1)");
    assert_eq!(sprung(&place), before + 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_transaction_that_an_operation_waits_in_is_shown_with_its_locks() {
    let place = Place::with_postgres().await;
    let mut agent = Agent::connect(&place).await;
    assert_eq!(status(&agent.query("BEGIN").await), 'T');
    agent.send(&frame::query(b"DELETE FROM accounts WHERE id = 1")).await;
    place.gate.approve(0).await;
    assert_eq!(status(&agent.until_ready().await), 'T');
    agent.send(&frame::query(b"DELETE FROM accounts WHERE id = 2")).await;
    let evidence = place.gate.hold(1).await.evidence().await;
    assert!(plan(&evidence).contains("(id = 2)"), "{evidence:?}");
    let Locks::Known { lines, left_out } = &evidence.transaction.as_ref().unwrap().locks else {
        panic!("{evidence:?}")
    };
    assert!(lines.contains(&"RowExclusiveLock on public.accounts".to_owned()), "{lines:?}");
    assert_eq!(*left_out, 0);
    place.gate.approve(1).await;
    assert_eq!(status(&agent.until_ready().await), 'T');

    // What only the transaction knows of, nobody else can plan; and it waits for no lock that the agent itself holds.
    agent.send(&frame::query(b"CREATE TABLE fresh(id int)")).await;
    place.gate.approve(2).await;
    agent.until_ready().await;
    agent.send(&frame::query(b"INSERT INTO fresh VALUES (1)")).await;
    let evidence = place.gate.hold(3).await.evidence().await;
    assert!(absent(&evidence).contains("42P01"), "{evidence:?}");
    place.gate.approve(3).await;
    assert_eq!(status(&agent.until_ready().await), 'T');
    agent.send(&frame::query(b"LOCK accounts IN ACCESS EXCLUSIVE MODE")).await;
    place.gate.approve(4).await;
    agent.until_ready().await;
    agent.send(&frame::query(b"DELETE FROM accounts WHERE id = 3")).await;
    let evidence = place.gate.hold(5).await.evidence().await;
    assert!(absent(&evidence).contains("lock"), "{evidence:?}");
    let locks = format!("{:?}", evidence.transaction);
    assert!(locks.contains("AccessExclusiveLock on public.accounts"), "{locks}");
    place.gate.approve(5).await;
    assert_eq!(status(&agent.until_ready().await), 'T');
    assert_eq!(status(&agent.query("COMMIT").await), 'I');
    assert_eq!(place.truth("SELECT count(*) FROM accounts"), "7");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_evidence_everything_goes_on_as_with_it() {
    // A target that cannot be reached.
    let place = Place::without_target().await;
    let mut agent = Agent::connect(&place).await;
    agent.send(&frame::query(b"NOTIFY accounts")).await;
    let evidence = place.gate.hold(0).await.evidence().await;
    assert!(absent(&evidence).contains("of this kind"), "{evidence:?}");
    // A decision that is faster than the answer: the asking is given up, and the operation runs.
    let place = Place::with_postgres().await;
    let mut agent = Agent::connect(&place).await;
    for n in 0..5 {
        agent.send(&frame::query(format!("DELETE FROM accounts WHERE id = {n}").as_bytes())).await;
        place.gate.approve(n).await;
        let answer = agent.until_ready().await;
        assert_eq!(kinds(&answer), "NCZ", "{answer:?}");
    }
}
