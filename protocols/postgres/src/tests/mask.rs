//! Masked answers of a real PostgreSQL: every way out that was thought of, in both protocols and formats.

mod further;
mod later;

use super::{
    agent::{Agent, Message, error, execute, kinds, status},
    gate::TestGate,
    place::Place,
};
use crate::frame;
use countersign_core::mask::{Detector, MaskKind};
use std::sync::Arc;

/// Nothing that the gateway sends may hold it, in any of the simple ways to write it.
const SECRET: &str = "Geheim-4711-Wert";
/// A number that is covered too, and stands nowhere else.
const SALARY: &str = "7351924";

const SETUP: &str = "
SET ROLE app;
ALTER TABLE accounts ADD ssn text; ALTER TABLE accounts ADD salary int;
UPDATE accounts SET ssn = 'Geheim-4711-Wert', salary = 7351924;
CREATE VIEW people AS SELECT id, ssn AS tax, lower(ssn) AS low, name FROM accounts;
CREATE VIEW more_people AS SELECT tax AS t, name FROM people;
CREATE MATERIALIZED VIEW stored AS SELECT ssn AS s FROM accounts;
CREATE TABLE parent(id int, ssn text, open text);
CREATE TABLE child() INHERITS (parent);
INSERT INTO child VALUES (1, 'Geheim-4711-Wert', 'open');
CREATE TABLE made(ssn text, last text GENERATED ALWAYS AS (right(ssn, 12)) STORED, n int GENERATED ALWAYS AS (1) STORED);
INSERT INTO made VALUES ('Geheim-4711-Wert');
CREATE TABLE log(id int, message text);
CREATE DOMAIN every_row AS accounts;
CREATE FUNCTION told() RETURNS text LANGUAGE sql STABLE AS 'SELECT ssn FROM accounts LIMIT 1';
CREATE FUNCTION loud() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE '%', told(); RETURN 1; END $$;
CREATE FUNCTION failing() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'it is %', told()
  USING DETAIL = told(), HINT = told(), TABLE = told(), ERRCODE = 'G4711'; END $$;
CREATE FUNCTION dynamic() RETURNS int LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'SELECT \"' || told() || '\"'; RETURN 1; END $$;
ANALYZE accounts;
";

/// Statements whose answers hold the secret, unless it is masked.
const WAYS: &[&str] = &[
    "SELECT * FROM accounts",
    "TABLE accounts",
    "SELECT ssn, salary FROM accounts",
    "SELECT ssn AS name, salary AS id FROM public.accounts AS a",
    "SELECT x.n FROM (SELECT ssn AS n FROM accounts) x",
    "WITH w(n) AS (SELECT ssn FROM accounts) SELECT n FROM w",
    "SELECT name FROM accounts UNION ALL SELECT ssn FROM accounts",
    "SELECT (SELECT ssn FROM accounts LIMIT 1)",
    "SELECT ssn FROM accounts a NATURAL JOIN accounts b",
    "SELECT a FROM accounts a",
    "SELECT (a).ssn, (a).* FROM accounts a",
    "SELECT a::text, row_to_json(a), to_jsonb(a), format('%s', a) FROM accounts a",
    "SELECT ROW(a.*), ARRAY[ssn], array_agg(ssn) FROM accounts a GROUP BY a.*, ssn",
    "SELECT a.concat FROM accounts a",
    "SELECT a.array_agg FROM accounts a",
    "SELECT a.json_agg FROM accounts a",
    "SELECT a.jsonb_agg FROM accounts a",
    "SELECT a.json_build_array FROM accounts a",
    "SELECT a.json_build_object FROM accounts a",
    "SELECT a.jsonb_build_array FROM accounts a",
    "SELECT a.jsonb_build_object FROM accounts a",
    "SELECT a.quote_literal FROM accounts a",
    "SELECT a.quote_nullable FROM accounts a",
    "SELECT a.to_jsonb FROM accounts a",
    "SELECT a.row_to_json FROM accounts a",
    "SELECT public.accounts.concat FROM accounts",
    "SELECT a.every_row FROM accounts a",
    "SELECT x.c FROM (SELECT a.every_row AS c FROM accounts a) x",
    "SELECT every_row FROM (SELECT a.every_row FROM accounts a) x",
    "SELECT x.concat FROM (SELECT a.concat AS concat FROM accounts a) x",
    "SELECT concat FROM (SELECT a.concat FROM accounts a) x",
    "SELECT x.concat FROM (SELECT ssn AS n FROM accounts) x",
    "WITH w AS (SELECT ssn AS n FROM accounts) SELECT w.json_agg FROM w",
    "SELECT j.quote_literal FROM (accounts JOIN parent USING (ssn)) AS j",
    "SELECT *, a.concat FROM accounts a",
    "SELECT p.concat FROM people p",
    "SELECT json_agg(a), string_agg(ssn, ',') FROM accounts a",
    "SELECT ssn::bytea, encode(ssn::bytea, 'base64'), encode(ssn::bytea, 'hex'), reverse(ssn) FROM accounts",
    "SELECT replace(ssn, 'Q', 'x'), ssn || '', upper(ssn), lower(ssn), ssn::varchar(40) FROM accounts",
    "SELECT substr(ssn, 1, 8), substr(ssn, 9), left(ssn, 12), right(ssn, 12) FROM accounts",
    "SELECT xmlforest(ssn), xmlelement(name x, ssn) FROM accounts",
    "SELECT salary + 0, salary::text, abs(salary), salary::float8, salary::numeric FROM accounts",
    "SELECT max(ssn), min(ssn), max(salary) FROM accounts",
    "SELECT first_value(ssn) OVER () FROM accounts",
    "SELECT CASE WHEN true THEN ssn END, coalesce(NULL, ssn), greatest(ssn, 'A') FROM accounts",
    "SELECT v FROM unnest(ARRAY(SELECT ssn FROM accounts)) v",
    "SELECT value FROM accounts a, json_each_text(row_to_json(a))",
    "SELECT w FROM accounts, regexp_split_to_table(ssn, 'Q') w",
    "SELECT l.s FROM accounts a CROSS JOIN LATERAL (SELECT a.ssn) l(s)",
    "VALUES ((SELECT ssn FROM accounts LIMIT 1))",
    "WITH RECURSIVE r(s, n) AS (SELECT ssn, 1 FROM accounts UNION SELECT s, n + 1 FROM r WHERE n < 2) SELECT s FROM r",
    "SELECT * FROM people",
    "SELECT tax, low FROM people",
    "SELECT * FROM more_people",
    "SELECT upper(t) FROM more_people",
    "SELECT * FROM stored",
    "SELECT * FROM parent",
    "SELECT * FROM child",
    "SELECT ssn || '' FROM child",
    "SELECT last FROM made",
    "SELECT told()",
    "SELECT t FROM told() t",
    "SELECT name, told() FROM accounts",
    "SELECT loud()",
    "SELECT failing()",
    "SELECT dynamic()",
    "SELECT ssn::int FROM accounts",
    "SELECT id FROM accounts WHERE ssn::int = 1",
    "SELECT ssn::regclass FROM accounts",
    "SELECT ('\"' || ssn || '\"')::regclass FROM accounts",
    "SELECT ssn::regtype FROM accounts",
    "SELECT ('\"' || ssn || '\"')::regtype FROM accounts",
    "SELECT ssn::regproc FROM accounts",
    "SELECT ssn::regprocedure FROM accounts",
    "SELECT ssn::regnamespace FROM accounts",
    "SELECT ssn::regrole FROM accounts",
    "SELECT ssn::date FROM accounts",
    "SELECT ssn::json FROM accounts",
    "SELECT ssn::jsonpath FROM accounts",
    "SELECT (ssn || ' &')::tsquery FROM accounts",
    "SELECT ('<' || ssn)::xml FROM accounts",
    "SELECT ssn::uuid FROM accounts",
    "SELECT ssn::inet FROM accounts",
    "SELECT regexp_match('x', ssn || '(') FROM accounts",
    "SELECT to_date('x', ssn), to_number(ssn, ssn), to_timestamp(ssn, ssn) FROM accounts",
    "SELECT decode(ssn, 'base64'), decode(ssn, ssn) FROM accounts",
    "SELECT date_part(ssn, now()), now() AT TIME ZONE ssn FROM accounts",
    "SELECT query_to_xml('SELECT \"' || ssn || '\"', true, true, '') FROM accounts",
    "SELECT query_to_xml('SELECT ' || ssn || '!!', true, true, '') FROM accounts",
    "SELECT query_to_xml('SELECT 1 FROM \"' || ssn || '\"', true, true, '') FROM accounts",
    "SELECT repeat('x', salary * 1000) FROM accounts",
    "SELECT query_to_xml('SELECT ssn FROM accounts', true, true, '')",
    "DO $$ BEGIN RAISE NOTICE '%', told(); END $$",
    "DO $$ BEGIN RAISE EXCEPTION '%', told(); END $$",
    "CREATE UNIQUE INDEX once ON accounts(ssn)",
    "ALTER TABLE accounts ADD CHECK (ssn = 'x')",
    "ALTER TABLE accounts ALTER ssn TYPE int USING ssn::int",
    "INSERT INTO accounts SELECT id, name, ssn FROM accounts",
    "INSERT INTO log SELECT 1, ssn FROM accounts RETURNING message",
    "WITH i AS (INSERT INTO log SELECT 2, ssn FROM accounts RETURNING message) SELECT message FROM i",
    "UPDATE accounts SET name = name RETURNING *",
    "UPDATE accounts SET name = 'x' WHERE id = 1 RETURNING ssn, accounts::text",
    "UPDATE accounts a SET name = name WHERE id = 1 RETURNING a.concat",
    "DELETE FROM accounts WHERE id = 10 RETURNING ssn AS gone",
    "COPY accounts TO STDOUT",
    "COPY accounts(ssn) TO STDOUT (FORMAT csv)",
    "COPY (SELECT ssn FROM accounts) TO STDOUT (FORMAT binary)",
    "COPY (SELECT a.concat FROM accounts a) TO STDOUT",
    "COPY people TO STDOUT",
    "COPY (SELECT * FROM stored) TO STDOUT",
    "EXPLAIN ANALYZE SELECT ssn FROM accounts WHERE ssn > 'A'",
    "EXPLAIN (VERBOSE) SELECT * FROM accounts WHERE ssn = (SELECT ssn FROM accounts LIMIT 1)",
    "SELECT most_common_vals, most_common_vals::text FROM pg_stats WHERE tablename = 'accounts'",
    "SELECT stavalues1 FROM pg_statistic",
    "SELECT set_config('application_name', ssn, false) FROM accounts LIMIT 1",
    "SELECT set_config('a.b', ssn, false) FROM accounts LIMIT 1",
    "SELECT current_setting('a.b')",
    "SHOW a.b",
    "SELECT set_config('TimeZone', '<' || salary || '>0', false) FROM accounts LIMIT 1",
    "BEGIN",
    "DECLARE c CURSOR FOR SELECT ssn, salary FROM accounts",
    "FETCH 2 FROM c",
    "FETCH ALL FROM c",
    "COMMIT",
    "BEGIN; CREATE OR REPLACE VIEW people AS SELECT id, ssn AS tax, lower(ssn) AS low, name, ssn AS extra FROM accounts",
    "SELECT extra || '' FROM people",
    "ROLLBACK",
    "PREPARE p AS SELECT ssn FROM accounts",
    "EXECUTE p",
    "LISTEN c",
    "SELECT pg_notify('c', ssn) FROM accounts LIMIT 1",
    "SELECT 1",
    "SELECT 'x'::text; SELECT ssn FROM accounts; SELECT name FROM accounts",
    "CREATE TEMP TABLE copied AS SELECT id, name FROM accounts",
    "CREATE TABLE accounts_2 (LIKE accounts); ALTER TABLE accounts_2 INHERIT accounts; INSERT INTO accounts_2 SELECT * FROM accounts",
    "SELECT * FROM accounts_2",
];

/// What is answered for the uncovered columns beside it.
const OPEN: &[(&str, &str)] = &[
    ("SELECT name, ssn FROM accounts WHERE id = 2", "name 2"),
    ("SELECT initcap(name), ssn FROM accounts WHERE id = 2", "Name 2"),
    ("SELECT name || '!', count(*) FROM accounts WHERE id = 2 GROUP BY name", "name 2!"),
    ("SELECT n FROM (SELECT name AS n, lower(ssn) FROM accounts WHERE id = 2) x", "name 2"),
    ("SELECT name FROM more_people WHERE name = 'name 2'", "name 2"),
    ("SELECT open || '', ssn FROM parent", "open"),
    ("SELECT n, last FROM made", "1"),
    ("SELECT a.name || '!', a.ctid::text FROM accounts a WHERE a.id = 2", "name 2!"),
    ("SELECT 'constant'", "constant"),
    ("SHOW server_version_num", "15"),
    ("EXPLAIN SELECT count(*) FROM accounts", "Aggregate"),
];

/// Every simple way to write the secret.
fn writings() -> Vec<Vec<u8>> {
    let hex = "47656865696d2d343731312d57657274".to_owned();
    let all = [
        SECRET.to_owned(),
        SECRET.to_lowercase(),
        SECRET.to_uppercase(),
        SECRET.chars().rev().collect(),
        hex.to_uppercase(),
        hex,
        // Its base64 from the second byte group on, whatever stands in front of it.
        "R2VoZWltLTQ3MTEtV2VydA".to_owned(),
        SALARY.to_owned(),
        // Halves.
        SECRET[..8].to_owned(),
        SECRET[8..].to_owned(),
    ];
    let mut all: Vec<Vec<u8>> = all.map(String::into_bytes).to_vec();
    let salary: i32 = SALARY.parse().unwrap();
    all.push(salary.to_be_bytes().to_vec());
    all.push(f64::from(salary).to_be_bytes().to_vec());
    all
}

fn writing_in(message: &Message) -> Option<String> {
    let is_in =
        |writing: &Vec<u8>| message.body.windows(writing.len()).any(|bytes| bytes == writing);
    writings().into_iter().find(is_in).map(|writing| String::from_utf8_lossy(&writing).into_owned())
}

fn check(what: &str, answer: &[Message]) {
    for message in answer {
        let found = writing_in(message);
        assert!(found.is_none(), "{what} tells {found:?} in {message:?}");
    }
}

/// Approves whatever is held.
pub(super) fn approve_all(gate: &Arc<TestGate>) {
    let gate = Arc::clone(gate);
    tokio::spawn(async move {
        for n in 0.. {
            gate.approve(n).await;
        }
    });
}

fn pipeline(text: &str, result_formats: &[u16], describe: &[u8]) -> Vec<u8> {
    let none: [(u16, Option<&[u8]>); 0] = [];
    let bind =
        frame::Bind { portal: "", statement: "", parameters: none.iter().copied(), result_formats };
    [
        frame::parse("", text.as_bytes(), &[]).as_ref(),
        &frame::bind(bind),
        describe,
        &frame::execute("", 0),
        &frame::sync(),
    ]
    .concat()
}

/// One session; another where the last one was ended.
struct Asking<'a> {
    place: &'a Place,
    agent: Agent,
}

impl Asking<'_> {
    async fn ask(&mut self, bytes: &[u8]) -> Vec<Message> {
        self.agent.send(bytes).await;
        let mut answer = Vec::new();
        while let Some(message) = self.agent.try_next().await {
            let done = message.kind == 'Z';
            answer.push(message);
            if done {
                return answer;
            }
        }
        self.agent = Agent::connect(self.place).await;
        answer
    }
}

async fn masked_place(kind: MaskKind) -> Place {
    let place = Place::with_postgres().await;
    place.truth(SETUP);
    let columns =
        ["public.accounts.ssn", "public.accounts.salary", "public.parent.ssn", "*.made.ssn"];
    place.gate.mask(&columns, &[], kind);
    approve_all(&place.gate);
    place
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_covered_value_does_not_come_out_whatever_is_asked() {
    let place = masked_place(MaskKind::Redact).await;
    for mode in ["simple", "extended, text", "extended, binary, without description"] {
        let mut asking = Asking { place: &place, agent: Agent::connect(&place).await };
        for text in WAYS {
            let bytes = match mode {
                "simple" => frame::query(text.as_bytes()).to_vec(),
                "extended, text" => pipeline(text, &[], &frame::describe_portal("")),
                _ => pipeline(text, &[1], b""),
            };
            let answer = asking.ask(&bytes).await;
            assert!(!answer.is_empty(), "{mode}: {text}");
            check(&format!("{mode}: {text}"), &answer);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ways_are_ways() {
    let place = Place::with_postgres().await;
    place.truth(SETUP);
    approve_all(&place.gate);
    let mut asking = Asking { place: &place, agent: Agent::connect(&place).await };
    let mut told = 0;
    for text in WAYS {
        let answer = asking.ask(&frame::query(text.as_bytes())).await;
        told += usize::from(answer.iter().any(|message| writing_in(message).is_some()));
    }
    assert!(told > 105, "{told} of {} tell the secret where nothing is masked", WAYS.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_covered_stays_readable_and_the_audit_says_what_was_masked() {
    let place = masked_place(MaskKind::Hash).await;
    let mut agent = Agent::connect(&place).await;
    for (text, open) in OPEN {
        for bytes in [
            frame::query(text.as_bytes()).to_vec(),
            pipeline(text, &[], &frame::describe_portal("")),
            pipeline(text, &[], b""),
        ] {
            agent.send(&bytes).await;
            let answer = agent.until_ready().await;
            check(text, &answer);
            let rows: Vec<u8> = answer
                .iter()
                .filter(|message| message.kind == 'D')
                .flat_map(|message| message.body.to_vec())
                .collect();
            let rows = String::from_utf8_lossy(&rows).into_owned();
            assert!(rows.contains(open), "{text}: {answer:?}");
        }
    }
    let settled = place.gate.settlement(0).await;
    let masked: Vec<_> = settled.masked.iter().collect();
    assert_eq!(masked, [("covers", "public.accounts.ssn", 1)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_description_that_the_agent_did_not_ask_for_is_not_passed_on() {
    let place = masked_place(MaskKind::Redact).await;
    let mut agent = Agent::connect(&place).await;
    agent.send(&pipeline("SELECT ssn, name FROM accounts WHERE id = 1", &[1, 0], b"")).await;
    let answer = agent.until_ready().await;
    assert_eq!((kinds(&answer).as_str(), status(&answer)), ("12DCZ", 'I'), "{answer:?}");
    let row = answer.iter().find(|message| message.kind == 'D').unwrap();
    assert_eq!(&row.body[..], b"\0\x02\0\0\0\x0a[redacted]\0\0\0\x06name 1");
    agent.send(&pipeline("DELETE FROM log", &[], b"")).await;
    assert_eq!(kinds(&agent.until_ready().await), "12NCZ");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn further_rows_of_a_portal_are_masked_like_its_first_ones() {
    let place = masked_place(MaskKind::Redact).await;
    let mut agent = Agent::connect(&place).await;
    let none: [(u16, Option<&[u8]>); 0] = [];
    let bind = frame::Bind {
        portal: "rows",
        statement: "s",
        parameters: none.iter().copied(),
        result_formats: &[1],
    };
    let all = [
        frame::parse("s", b"SELECT name, ssn FROM accounts ORDER BY id", &[]),
        frame::bind(bind),
        frame::execute("rows", 2),
        frame::execute("rows", 3),
        frame::describe_portal("rows"),
        frame::execute("rows", 0),
        frame::sync(),
    ];
    agent.send(&all.concat()).await;
    let answer = agent.until_ready().await;
    assert_eq!(kinds(&answer), "12DDsDDDsTDDDDDCZ", "{answer:?}");
    check("a portal", &answer);
    let redacted = |message: &&Message| message.body.ends_with(b"[redacted]");
    assert_eq!(answer.iter().filter(redacted).count(), 10);
    let settled =
        place.gate.settled.subscribe().wait_for(|all| all.len() == 2).await.unwrap().clone();
    let masked = settled.iter().flat_map(|one| one.masked.iter()).map(|(_, _, values)| values);
    assert_eq!(masked.sum::<u64>(), 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prepared_statement_is_judged_by_the_catalogue_of_its_execution() {
    let place = masked_place(MaskKind::Redact).await;
    let mut agent = Agent::connect(&place).await;
    let prepared = [
        frame::parse("s", b"SELECT name FROM accounts WHERE id = 2", &[]),
        frame::describe_statement("s"),
        frame::sync(),
    ];
    agent.send(&prepared.concat()).await;
    assert_eq!(kinds(&agent.until_ready().await), "1tTZ");
    let none: [(u16, Option<&[u8]>); 0] = [];
    let run = || {
        let bind = frame::Bind {
            portal: "",
            statement: "s",
            parameters: none.iter().copied(),
            result_formats: &[],
        };
        [frame::bind(bind), frame::execute("", 0), frame::sync()].concat()
    };
    agent.send(&run()).await;
    let answer = agent.until_ready().await;
    assert!(answer.iter().any(|message| message.body.ends_with(b"name 2")), "{answer:?}");
    // The names change places; the numbers of the columns do not.
    for text in [
        "ALTER TABLE accounts RENAME name TO other",
        "ALTER TABLE accounts RENAME ssn TO name",
        "ALTER TABLE accounts RENAME other TO ssn",
    ] {
        assert_eq!(error(&agent.query(text).await), "", "{text}");
    }
    let answer = agent.query("SELECT ssn FROM accounts WHERE id = 2").await;
    assert!(answer.iter().any(|message| message.body.ends_with(b"[redacted]")), "{answer:?}");
    // A table of the same name, in the place of the first.
    for text in [
        "ALTER TABLE accounts RENAME TO old_accounts",
        "CREATE TABLE accounts(ssn text, name text, id int)",
        "INSERT INTO accounts SELECT name, 'open', id FROM old_accounts",
    ] {
        assert_eq!(error(&agent.query(text).await), "", "{text}");
    }
    for text in ["SELECT * FROM accounts WHERE id = 2", "SELECT ssn || '' FROM accounts"] {
        let answer = agent.query(text).await;
        check(text, &answer);
        assert!(kinds(&answer).starts_with("TD"), "{answer:?}");
    }
    agent.send(&run()).await;
    check("the prepared statement", &agent.until_ready().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_session_changes_past_the_gateway_is_covered_as_soon_as_it_is_there() {
    let place = masked_place(MaskKind::Redact).await;
    let mut agent = Agent::connect(&place).await;
    assert_eq!(kinds(&agent.query("SELECT ssn FROM accounts WHERE id = 1").await), "TDCZ");
    place.truth(
        "SET ROLE app; ALTER TABLE accounts RENAME TO gone; \
         CREATE TABLE accounts(name text, ssn text, later text); \
         INSERT INTO accounts SELECT ssn, ssn, ssn FROM gone",
    );
    // A table that was not there when the catalogue was asked.
    check("a new table", &agent.query("SELECT name, ssn, later FROM accounts").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_rows_are_masked_in_bounded_memory() {
    let place = masked_place(MaskKind::Redact).await;
    let long = 20 * 1024 * 1024;
    place.truth(&format!(
        "ALTER TABLE accounts ADD document text; \
         UPDATE accounts SET document = repeat('d', {long}) WHERE id = 1; \
         UPDATE accounts SET ssn = repeat('Geheim-4711-Wert', 700000) WHERE id = 2"
    ));
    let mut agent = Agent::connect(&place).await;
    let answer = agent.query("SELECT ssn, document FROM accounts WHERE id = 1").await;
    assert_eq!(kinds(&answer), "TDCZ");
    let row = answer.iter().find(|message| message.kind == 'D').unwrap();
    assert!(row.body.starts_with(b"\0\x02\0\0\0\x0a[redacted]"));
    assert_eq!(row.body.len(), 2 + 4 + 10 + 4 + long);
    // A covered value that is too long to be held is none.
    let answer = agent.query("SELECT id, ssn, name FROM accounts WHERE id = 2").await;
    let row = answer.iter().find(|message| message.kind == 'D').unwrap();
    assert_eq!(&row.body[..], b"\0\x03\0\0\0\x012\xff\xff\xff\xff\0\0\0\x06name 2");
    // What stands in front of a covered value and is too long to be held ends the session.
    agent.send(&frame::query(b"SELECT document, ssn FROM accounts WHERE id = 1")).await;
    let answer = agent.rest().await;
    assert_eq!((kinds(&answer).as_str(), error(&answer).as_str()), ("TE", "42501"), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn detectors_read_texts_of_every_column_and_message() {
    let place = Place::with_postgres().await;
    place.truth(
        "SET ROLE app; UPDATE accounts SET name = 'ann@example.com' WHERE id = 1; \
         CREATE TABLE things(j jsonb, a text[], x xml, c varchar(40)); \
         INSERT INTO things VALUES ('{\"m\": \"ann@example.com\"}', '{x,ann@example.com}', '<m>ann@example.com</m>', 'ann@example.com')",
    );
    place.gate.mask(&[], &[Detector::Email], MaskKind::Redact);
    approve_all(&place.gate);
    let address = b"ann@example.com";
    for text in [
        "SELECT * FROM accounts WHERE id = 1",
        "SELECT name || '' FROM accounts WHERE id = 1",
        "SELECT j, a, x, c FROM things",
        "SELECT t FROM things t",
        "SELECT name::int FROM accounts WHERE id = 1",
        "COPY (SELECT * FROM accounts ORDER BY id) TO STDOUT",
        "COPY accounts TO STDOUT (FORMAT csv)",
        "DO $$ BEGIN RAISE NOTICE '%', (SELECT name FROM accounts WHERE id = 1); END $$",
        "LISTEN c",
        "SELECT pg_notify('c', name) FROM accounts WHERE id = 1",
    ] {
        let mut asking = Asking { place: &place, agent: Agent::connect(&place).await };
        for bytes in [
            frame::query(text.as_bytes()).to_vec(),
            pipeline(text, &[], &frame::describe_portal("")),
            pipeline(text, &[1], b""),
        ] {
            for message in asking.ask(&bytes).await {
                let found = message.body.windows(address.len()).any(|bytes| bytes == address);
                assert!(!found, "{text} in {message:?}");
            }
        }
    }
    let mut agent = Agent::connect(&place).await;
    let answer = agent.query("SELECT j, a, x, c FROM things").await;
    let row = answer.iter().find(|message| message.kind == 'D').unwrap();
    let row = String::from_utf8_lossy(&row.body).into_owned();
    for shown in [r#"{"m": "[redacted]"}"#, r#"{x,"[redacted]"}"#, "<m>[redacted]</m>"] {
        assert!(row.contains(shown), "{row}");
    }
    let answer = agent.query("COPY accounts TO STDOUT (FORMAT binary)").await;
    assert_eq!(error(&answer), "", "{answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_keep_what_helps_and_lose_what_could_tell() {
    let place = masked_place(MaskKind::Redact).await;
    let mut agent = Agent::connect(&place).await;
    let of = |answer: &[Message]| {
        let message = answer.iter().find(|message| message.kind == 'E').unwrap();
        "CMPDn".chars().map(|name| message.field(name)).collect::<Vec<_>>()
    };
    // The agent's own text.
    let answer = agent.query("SELECT nothing FROM accounts").await;
    assert_eq!(of(&answer), ["42703", "column \"nothing\" does not exist", "8", "", ""]);
    let answer = agent.query("SELECT FROM WHERE").await;
    assert_eq!(of(&answer)[..2], ["42601", "syntax error at or near \"WHERE\""]);
    // Values.
    let answer = agent.query("SELECT ssn::int FROM accounts").await;
    assert_eq!(of(&answer), ["22P02", "invalid text representation", "", "", ""]);
    let answer = agent.query("INSERT INTO accounts(id) VALUES (1)").await;
    assert_eq!(of(&answer), ["23505", "unique violation", "", "", "accounts_pkey"]);
    // A code that is made up.
    let answer = agent.query("SELECT failing()").await;
    assert_eq!(of(&answer), ["XX000", "error of the target", "", "", ""]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copying_what_is_not_covered_goes_on_and_a_masked_copy_is_refused_before_it_begins() {
    let place = masked_place(MaskKind::Redact).await;
    let mut agent = Agent::connect(&place).await;
    let answer = agent.query("COPY accounts(id, name) TO STDOUT").await;
    assert!(
        kinds(&answer).contains("HdddddddddddcCZ") || kinds(&answer).contains("Hdddddddddd"),
        "{answer:?}"
    );
    let holds = place.gate.hold_count();
    let answer = agent.query("COPY accounts TO STDOUT").await;
    assert_eq!((kinds(&answer).as_str(), error(&answer).as_str()), ("EZ", "42501"), "{answer:?}");
    assert_eq!(place.gate.hold_count(), holds, "nobody is asked for what cannot be done");
    agent.send(&[execute("SELECT 1"), frame::sync().to_vec()].concat()).await;
    assert_eq!(kinds(&agent.until_ready().await), "12TDCZ");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_block_that_sees_the_past_is_masked_by_the_present() {
    let place = masked_place(MaskKind::Redact).await;
    let mut agent = Agent::connect(&place).await;
    for text in ["BEGIN ISOLATION LEVEL REPEATABLE READ", "SELECT name FROM accounts WHERE id = 1"]
    {
        assert_eq!(error(&agent.query(text).await), "", "{text}");
    }
    let mut other = Agent::connect(&place).await;
    let changed = "CREATE OR REPLACE VIEW people AS \
                   SELECT id, ssn AS tax, lower(ssn) AS low, ssn AS name FROM accounts";
    assert_eq!(error(&other.query(changed).await), "");
    let answer = agent.query("SELECT name FROM people WHERE id = 1").await;
    check("a block of the past", &answer);
    assert!(kinds(&answer).starts_with("TD"), "{answer:?}");
}
