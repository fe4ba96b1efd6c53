//! What only the target's catalogue can tell of a text, and what it adds to what the text asks for.

use super::{
    agent::{Agent, error, execute, kinds, status},
    gate::{Decision, HoldHandle},
    place::Place,
};
use crate::frame;
use countersign_core::{
    operation::{Action, Demand, Resource},
    refusal::Refusal,
};

const SETUP: &str = "
SET ROLE app;
CREATE SCHEMA secret;
CREATE TABLE secret.accounts(id int, code text);
INSERT INTO secret.accounts VALUES (1, 'launch');
CREATE VIEW public.through AS SELECT code FROM secret.accounts;
CREATE VIEW public.further AS SELECT * FROM public.through;
CREATE TABLE public.parent(id int);
CREATE TABLE secret.child(extra text) INHERITS (public.parent);
CREATE FUNCTION public.tick(x text) RETURNS bool LANGUAGE plpgsql AS
  'BEGIN PERFORM pg_notify(''ran'', x); RETURN true; END';
CREATE DOMAIN public.checked AS text CHECK (public.tick(VALUE));
CREATE TABLE public.tagged(id int, tags public.checked[]);
CREATE DOMAIN public.short AS text CHECK (length(VALUE) < 9);
CREATE TYPE public.mood AS ENUM ('good', 'bad');
CREATE TABLE public.quiet(id int, tags public.short[], mood public.mood);
CREATE TYPE public.pair AS (a int, b int);
CREATE FUNCTION public.pair_text(public.pair) RETURNS text LANGUAGE sql AS 'SELECT ''x''';
CREATE CAST (public.pair AS text) WITH FUNCTION public.pair_text(public.pair) AS IMPLICIT;
CREATE TABLE public.pairs(p public.pair);
CREATE TABLE public.members(id int); CREATE TABLE public.rows(id int);
ALTER TABLE public.rows ENABLE ROW LEVEL SECURITY;
CREATE POLICY mine ON public.rows USING (id IN (SELECT m.id FROM public.members m));
CREATE TABLE public.own_rows(id int);
ALTER TABLE public.own_rows ENABLE ROW LEVEL SECURITY;
CREATE POLICY small ON public.own_rows USING (id < 5);
CREATE FUNCTION public.same(point, point) RETURNS bool LANGUAGE sql AS 'SELECT true';
CREATE OPERATOR public.= (LEFTARG = point, RIGHTARG = point, FUNCTION = public.same);
CREATE FUNCTION public.json_object(varchar) RETURNS text LANGUAGE sql AS 'SELECT ''x''';
";

/// Sends a text and refuses the hold it must come to.
async fn held(place: &Place, agent: &mut Agent, bytes: &[u8]) -> HoldHandle {
    let n = place.gate.hold_count();
    agent.send(bytes).await;
    let hold = tokio::select! {
        hold = place.gate.hold(n) => hold,
        answer = agent.until_ready() => panic!("not held: {answer:?}"),
    };
    hold.decide.send_replace(Decision::Refuse(Refusal::Internal));
    assert_eq!(error(&agent.until_ready().await), "XX000");
    hold
}

fn asks(hold: &HoldHandle, action: Action) -> bool {
    hold.operation.demands().iter().any(|demand| demand.action == action)
}

fn demand(action: Action, schema: &str, name: &str) -> Demand {
    let resource = Resource::Relation { schema: schema.to_owned(), name: name.to_owned() };
    Demand { action, resource }
}

/// What the last admitted operation asked for.
fn asked(place: &Place) -> Vec<Demand> {
    let admitted = place.gate.admitted.lock().unwrap();
    admitted.last().unwrap().demands().iter().cloned().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_read_by_another_name_is_asked_for_by_its_own() {
    let place = Place::with_postgres().await;
    place.truth(SETUP);
    let mut agent = Agent::connect(&place).await;
    let read = |schema: &str, name: &str| demand(Action::PostgresRead, schema, name);
    for (text, reads) in [
        (
            "SELECT s.* FROM secret.accounts s WHERE EXISTS (SELECT FROM accounts)",
            vec![read("public", "accounts"), read("secret", "accounts")],
        ),
        ("SELECT * FROM through", vec![read("public", "through"), read("secret", "accounts")]),
        ("SELECT * FROM further", vec![read("public", "further"), read("secret", "accounts")]),
        ("SELECT * FROM parent", vec![read("public", "parent"), read("secret", "child")]),
        ("SELECT * FROM plain_view", vec![read("public", "plain_view")]),
        ("SELECT * FROM quiet", vec![read("public", "quiet")]),
        ("SELECT * FROM own_rows", vec![read("public", "own_rows")]),
    ] {
        let answer = agent.query(text).await;
        assert_eq!(error(&answer), "", "{text}");
        assert_eq!(asked(&place), reads, "{text}");
    }
    // What is not there is the target's to say, and is looked for anew each time.
    assert_eq!(error(&agent.query("SELECT * FROM later").await), "42P01");
    place.truth("CREATE VIEW public.later AS SELECT public.burn() AS id");
    let hold = held(&place, &mut agent, &frame::query(b"SELECT * FROM later")).await;
    assert!(asks(&hold, Action::PostgresFunction));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn code_that_the_text_does_not_show_is_asked_for() {
    let place = Place::with_postgres().await;
    place.truth(SETUP);
    let mut agent = Agent::connect(&place).await;
    for text in [
        // Beside reads: what is allowed as a write, a copy or a lock is no leave to call functions.
        "COPY (SELECT a.wipe FROM accounts a) TO STDOUT",
        "INSERT INTO members SELECT a.wipe FROM accounts a",
        "DECLARE c CURSOR WITH HOLD FOR SELECT * FROM bad_view",
        "SELECT a.wipe FROM accounts a FOR UPDATE",
        // Types that bring code.
        "SELECT * FROM tagged WHERE tags = '{x}'",
        "SELECT p || 'x' FROM pairs",
        // Operators that the text only implies.
        "SELECT * FROM accounts a JOIN accounts b USING (id)",
        "SELECT * FROM accounts a NATURAL JOIN members",
        "SELECT CASE id WHEN 1 THEN 2 END FROM accounts",
        "SELECT * FROM accounts WHERE id IN (SELECT id FROM members)",
        // A call that an older release looks up by its name.
        "SELECT json_object('{a,b}'::varchar)",
    ] {
        let hold = held(&place, &mut agent, &frame::query(text.as_bytes())).await;
        assert!(asks(&hold, Action::PostgresFunction), "{text}");
    }
    let hold = held(&place, &mut agent, &frame::query(b"SELECT * FROM rows")).await;
    assert!(asks(&hold, Action::PostgresOpaque));
    // What a superuser lays over the types of everybody.
    place.truth(
        "CREATE FUNCTION public.to_point(text) RETURNS point LANGUAGE sql AS 'SELECT point(1, 1)';
         CREATE CAST (text AS point) WITH FUNCTION public.to_point(text)",
    );
    // Approved by what was remembered, it is looked up anew, and not executed.
    let n = place.gate.hold_count();
    agent.send(&frame::query(b"CREATE TABLE made(id int DEFAULT length('x'))")).await;
    place.gate.approve(n).await;
    assert_eq!(error(&agent.until_ready().await), "55000");
    let text = b"SELECT length(name) FROM accounts";
    assert!(asks(&held(&place, &mut agent, &frame::query(text)).await, Action::PostgresFunction));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_preparation_is_fenced_and_asks_for_what_parsing_can_run() {
    let place = Place::with_postgres().await;
    let mut agent = Agent::connect(&place).await;
    let describe = |name: &str, text: &str| {
        [frame::parse(name, text.as_bytes(), &[]), frame::describe_statement(name), frame::sync()]
            .concat()
    };
    // No code can run: the relation stays named, so that what forbids it applies.
    agent.send(&describe("quiet", "INSERT INTO accounts SELECT nextval('s')")).await;
    agent.until_ready().await;
    let describes = Action::PostgresDescribe;
    assert_eq!(
        asked(&place),
        [
            Demand { action: describes, resource: Resource::Target },
            demand(describes, "public", "accounts")
        ]
    );

    place.truth(SETUP);
    // Something that went through the gateway, so that it looks again.
    let n = place.gate.hold_count();
    agent.send(&frame::query(b"CREATE TABLE made(id int)")).await;
    place.gate.approve(n).await;
    assert_eq!(error(&agent.until_ready().await), "");
    assert_eq!(place.truth("SELECT 'public.made'::regclass"), "made");
    place.truth(
        "CREATE FUNCTION public.leave(x text) RETURNS bool LANGUAGE plpgsql AS
           'BEGIN DELETE FROM public.accounts; RETURN true; END';
         CREATE DOMAIN public.leaving AS text CHECK (public.leave(VALUE));
         CREATE TABLE public.left_behind(tags public.leaving[]);
         GRANT ALL ON public.left_behind TO app",
    );
    let text = "INSERT INTO left_behind VALUES ('{x}')";
    let hold = held(&place, &mut agent, &describe("code", text)).await;
    assert!(asks(&hold, Action::PostgresFunction));
    // Once it is allowed, the fence still stands, in a block that may write as well.
    for (name, begin) in [("alone", false), ("within", true)] {
        if begin {
            assert_eq!(status(&agent.query("BEGIN").await), 'T');
        }
        let n = place.gate.hold_count();
        agent.send(&describe(name, text)).await;
        place.gate.approve(n).await;
        assert_eq!(error(&agent.until_ready().await), "25006", "{name}");
    }
    assert_eq!(place.truth("SELECT count(*) FROM accounts"), "10");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_is_judged_by_what_it_has_changed_itself() {
    let place = Place::with_postgres().await;
    let (mut agent, mut other) = (Agent::connect(&place).await, Agent::connect(&place).await);
    let read = "SELECT lower('X'::varchar)";
    assert_eq!(kinds(&agent.query(read).await), "TDCZ");
    assert_eq!(status(&agent.query("BEGIN").await), 'T');
    let n = place.gate.hold_count();
    let replace = b"CREATE FUNCTION lower(varchar) RETURNS text LANGUAGE sql AS 'SELECT $1'";
    agent.send(&frame::query(replace)).await;
    place.gate.approve(n).await;
    let answer = agent.until_ready().await;
    assert_eq!(status(&answer), 'T', "{answer:?}");
    // For the others nothing has changed yet, and what they learn now is not believed later.
    assert_eq!(kinds(&other.query(read).await), "TDCZ");
    held(&place, &mut agent, &frame::query(read.as_bytes())).await;
    assert_eq!(status(&agent.query("ROLLBACK").await), 'I');
    assert_eq!(kinds(&agent.query(read).await), "TDCZ");
    let n = place.gate.hold_count();
    agent
        .send(&[execute(&String::from_utf8_lossy(replace)), frame::sync().to_vec()].concat())
        .await;
    place.gate.approve(n).await;
    assert_eq!(error(&agent.until_ready().await), "");
    held(&place, &mut other, &frame::query(read.as_bytes())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_text_was_found_to_mean_is_given_up_with_the_catalogue_that_said_so() {
    let place = Place::with_postgres().await;
    place.truth(SETUP);
    let (mut agent, mut other) = (Agent::connect(&place).await, Agent::connect(&place).await);
    let read = |schema: &str, name: &str| demand(Action::PostgresRead, schema, name);
    let by_portal = [execute("SELECT * FROM through"), frame::sync().to_vec()].concat();
    let by_query = frame::query(b"SELECT * FROM through").to_vec();
    let replace = |source: &str| {
        frame::query(format!("CREATE OR REPLACE VIEW through AS {source}").as_bytes())
    };
    // Often enough that it is known by then.
    for bytes in [&by_portal, &by_portal, &by_portal, &by_query, &by_query, &by_query] {
        agent.send(bytes).await;
        assert_eq!(error(&agent.until_ready().await), "");
        assert_eq!(asked(&place), [read("public", "through"), read("secret", "accounts")]);
    }
    // Another session changes it.
    let n = place.gate.hold_count();
    other.send(&replace("SELECT id::text AS code FROM public.accounts")).await;
    place.gate.approve(n).await;
    assert_eq!(error(&other.until_ready().await), "");
    for bytes in [&by_portal, &by_query, &by_portal, &by_query] {
        agent.send(bytes).await;
        assert_eq!(error(&agent.until_ready().await), "");
        assert_eq!(asked(&place), [read("public", "through")]);
    }
    // The session's own transaction does, and takes it back.
    assert_eq!(status(&agent.query("BEGIN").await), 'T');
    let n = place.gate.hold_count();
    agent.send(&replace("SELECT code FROM secret.accounts")).await;
    place.gate.approve(n).await;
    assert_eq!(status(&agent.until_ready().await), 'T');
    for bytes in [&by_query, &by_query] {
        agent.send(bytes).await;
        assert_eq!(error(&agent.until_ready().await), "");
        assert_eq!(asked(&place), [read("public", "through"), read("secret", "accounts")]);
    }
    assert_eq!(status(&agent.query("ROLLBACK").await), 'I');
    for bytes in [&by_portal, &by_query] {
        agent.send(bytes).await;
        assert_eq!(error(&agent.until_ready().await), "");
        assert_eq!(asked(&place), [read("public", "through")]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parameter_of_a_type_that_is_not_postgresqls_own_is_asked_for() {
    let place = Place::with_postgres().await;
    let known: Vec<String> = crate::classify::built_in_types()
        .filter(|oid| *oid != 0)
        .map(|oid| oid.to_string())
        .collect();
    let found = place.truth(&format!(
        "SELECT count(*) FROM pg_type WHERE oid IN ({}) AND typnamespace = 'pg_catalog'::regnamespace \
           AND typtype IN ('b', 'r', 'p') AND typname !~ '^_reg'",
        known.join(",")
    ));
    assert_eq!(found, known.len().to_string());
    let row = place.truth("SELECT 'accounts'::regtype::oid").parse().unwrap();
    let mut agent = Agent::connect(&place).await;
    let one = |oid: u32, value: &'static [u8]| {
        let bind = frame::Bind {
            portal: "",
            statement: "",
            parameters: [(0, Some(value))].into_iter(),
            result_formats: &[],
        };
        [
            frame::parse("", b"SELECT $1", &[oid]),
            frame::bind(bind),
            frame::execute("", 0),
            frame::sync(),
        ]
        .concat()
    };
    agent.send(&one(23, b"7")).await;
    assert_eq!(kinds(&agent.until_ready().await), "12DCZ");
    let hold = held(&place, &mut agent, &one(row, b"(1,x)")).await;
    assert!(asks(&hold, Action::PostgresFunction));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_block_that_sees_the_past_is_judged_by_what_the_catalogue_is_now() {
    let place = Place::with_postgres().await;
    let mut other = Agent::connect(&place).await;
    // Once as a block that only reads, once as one that has written and is asked in as well.
    for (writes, name) in [(false, "lower"), (true, "initcap")] {
        let mut agent = Agent::connect(&place).await;
        let begun = agent.query("BEGIN ISOLATION LEVEL REPEATABLE READ").await;
        assert_eq!(status(&begun), 'T');
        assert_eq!(error(&agent.query("SELECT count(*) FROM accounts").await), "");
        if writes {
            let n = place.gate.hold_count();
            agent.send(&frame::query(b"UPDATE accounts SET name = 'x' WHERE id = 1")).await;
            place.gate.approve(n).await;
            assert_eq!(error(&agent.until_ready().await), "");
        }
        let read = format!("SELECT {name}('X'::varchar)");
        assert_eq!(error(&agent.query(&read).await), "");
        let n = place.gate.hold_count();
        let shadow =
            format!("CREATE FUNCTION {name}(varchar) RETURNS text LANGUAGE sql AS 'SELECT $1'");
        other.send(&frame::query(shadow.as_bytes())).await;
        place.gate.approve(n).await;
        assert_eq!(error(&other.until_ready().await), "");
        let hold = held(&place, &mut agent, &frame::query(read.as_bytes())).await;
        assert!(asks(&hold, Action::PostgresFunction), "{writes}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn to_be_asked_about_is_not_the_first_query_of_a_block() {
    let place = Place::with_postgres().await;
    let mut agent = Agent::connect(&place).await;
    agent.query("BEGIN ISOLATION LEVEL REPEATABLE READ").await;
    agent.send(&frame::query(b"LOCK TABLE accounts")).await;
    place.gate.hold(0).await;
    place.truth("INSERT INTO public.accounts VALUES (11, 'late')");
    place.gate.approve(0).await;
    assert_eq!(status(&agent.until_ready().await), 'T');
    let answer = agent.query("SELECT count(*) FROM accounts").await;
    assert_eq!(super::agent::rows(&answer), [["11"]], "the lock was there before the snapshot");
    assert_eq!(status(&agent.query("ROLLBACK").await), 'I');

    let mut agent = Agent::connect(&place).await;
    agent.query("BEGIN").await;
    for (n, text) in
        [(1, "LOCK TABLE plain_view"), (2, "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")]
    {
        agent.send(&frame::query(text.as_bytes())).await;
        place.gate.approve(n).await;
        assert_eq!(error(&agent.until_ready().await), "", "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn columns_are_named_by_whatever_a_definition_says_of_them() {
    let place = Place::with_postgres().await;
    place.truth(SETUP);
    let mut agent = Agent::connect(&place).await;
    let (id, name) = ("public.accounts.id", "public.accounts.name");
    let (both, other) = (format!("{id} {name}"), "public.accounts.other");
    for (text, expected) in [
        ("ALTER TABLE accounts RENAME COLUMN name TO other", format!("{name} {other}")),
        (
            "ALTER TABLE accounts RENAME name TO accounts",
            format!("public.accounts.accounts {name}"),
        ),
        ("ALTER TABLE accounts ADD COLUMN other text", other.to_owned()),
        ("ALTER TABLE accounts ADD UNIQUE (name)", name.to_owned()),
        ("ALTER TABLE accounts ADD PRIMARY KEY (id) INCLUDE (name)", both.clone()),
        (
            "ALTER TABLE members ADD FOREIGN KEY (id) REFERENCES accounts (id)",
            format!("{id} public.members.id"),
        ),
        (
            "ALTER TABLE members ADD FOREIGN KEY (id) REFERENCES accounts",
            format!("{both} public.members.id"),
        ),
        ("COMMENT ON COLUMN accounts.name IS 'x'", name.to_owned()),
        ("COMMENT ON TABLE accounts IS 'x'", String::new()),
        (
            "INSERT INTO accounts (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET id = 2 WHERE excluded.name = ''",
            both.clone(),
        ),
        (
            "CREATE TRIGGER g BEFORE UPDATE OF name ON accounts EXECUTE FUNCTION f()",
            name.to_owned(),
        ),
    ] {
        let hold = held(&place, &mut agent, &frame::query(text.as_bytes())).await;
        let named = &hold.operation.classification().columns;
        let shown = named.iter().map(|named| {
            let column = named.column.as_deref().unwrap_or("*");
            format!("{}.{}.{column}", named.schema, named.relation)
        });
        assert_eq!(shown.collect::<Vec<_>>().join(" "), expected, "{text}");
    }
    // A new name of a relation is asked about too.
    let renamed = frame::query(b"ALTER TABLE accounts RENAME TO other");
    let hold = held(&place, &mut agent, &renamed).await;
    assert!(hold.operation.demands().contains(&demand(Action::PostgresDdl, "public", "other")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn columns_are_those_that_the_relations_have() {
    let place = Place::with_postgres().await;
    place.truth(SETUP);
    let mut agent = Agent::connect(&place).await;
    for (text, expected) in [
        ("SELECT * FROM accounts", "public.accounts.id public.accounts.name"),
        (
            "SELECT code, name FROM accounts, secret.accounts s",
            "public.accounts.name secret.accounts.code",
        ),
        ("SELECT a FROM accounts a", "public.accounts.id public.accounts.name"),
        ("SELECT code FROM through", "public.through.code"),
        ("SELECT id FROM parent", "public.parent.id secret.child.id"),
        ("SELECT relname FROM pg_class", "pg_catalog.pg_class.relname"),
        ("SELECT * FROM pg_class", "pg_catalog.pg_class.*"),
        ("SELECT 1", ""),
    ] {
        assert_eq!(error(&agent.query(text).await), "", "{text}");
        let admitted = place.gate.admitted.lock().unwrap();
        let named = &admitted.last().unwrap().classification().columns;
        let shown = named.iter().map(|named| {
            let column = named.column.as_deref().unwrap_or("*");
            format!("{}.{}.{column}", named.schema, named.relation)
        });
        assert_eq!(shown.collect::<Vec<_>>().join(" "), expected, "{text}");
    }
}
