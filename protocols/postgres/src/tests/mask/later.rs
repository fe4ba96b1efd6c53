//! Ways out that need time, rules or settings: what changes while an operation is held, what a rule or a trigger returns,
//! what a session was set to, what detectors see in bytes.

use super::*;
use crate::tests::agent::rows;

/// A place where holds wait for the test.
async fn place_of_holds() -> Place {
    let place = Place::with_postgres().await;
    place.truth(SETUP);
    let columns = ["public.accounts.ssn", "public.accounts.salary"];
    place.gate.mask(&columns, &[], MaskKind::Redact);
    place
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_view_that_changes_while_its_reader_is_held_is_masked_by_what_it_is_at_last() {
    let place = place_of_holds().await;
    let mut agent = Agent::connect(&place).await;
    let text = "SELECT name FROM people WHERE id = 1 FOR UPDATE";
    let open = "CREATE OR REPLACE VIEW people AS SELECT id, ssn AS tax, lower(ssn) AS low, name FROM accounts";
    let telling = "CREATE OR REPLACE VIEW people AS SELECT id, ssn AS tax, lower(ssn) AS low, ssn AS name FROM accounts";
    let forms = [
        frame::query(text.as_bytes()).to_vec(),
        pipeline(text, &[], &frame::describe_portal("")),
        pipeline(text, &[1], b""),
    ];
    for (n, bytes) in forms.into_iter().enumerate() {
        place.truth(&format!("SET ROLE app; {open}"));
        agent.send(&bytes).await;
        place.gate.hold(n).await;
        place.truth(&format!("SET ROLE app; {telling}"));
        place.gate.approve(n).await;
        let answer: Vec<Message> = agent.until_ready().await;
        check(text, &answer);
        assert!(answer.iter().any(|message| message.body.ends_with(b"[redacted]")), "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_asks_for_something_else_once_it_is_approved_is_not_executed() {
    let place = place_of_holds().await;
    place.truth(
        "SET ROLE app; CREATE SCHEMA other; CREATE TABLE other.t(id int, ssn text, low text, name text)",
    );
    let mut agent = Agent::connect(&place).await;
    agent.send(&frame::query(b"INSERT INTO log SELECT id, name FROM people")).await;
    place.gate.hold(0).await;
    place.truth(
        "SET ROLE app; CREATE OR REPLACE VIEW people AS SELECT id, ssn AS tax, low, name FROM other.t",
    );
    place.gate.approve(0).await;
    let answer = agent.until_ready().await;
    assert_eq!((kinds(&answer).as_str(), error(&answer).as_str()), ("NEZ", "55000"), "{answer:?}");
    let settled = place.gate.settlement(0).await;
    assert!(!format!("{settled:?}").contains("Completed"), "{settled:?}");
    assert_eq!(rows(&agent.query("SELECT count(*) FROM log").await), [["0"]]);
}

const REWRITTEN: &str = "
SET ROLE app;
CREATE VIEW open AS SELECT id, name FROM accounts;
CREATE RULE told AS ON UPDATE TO open DO INSTEAD
  UPDATE accounts SET name = name WHERE id = OLD.id RETURNING accounts.id, accounts.ssn;
CREATE TABLE plain(id int, name text);
INSERT INTO plain VALUES (1, 'open');
CREATE RULE told AS ON INSERT TO plain DO INSTEAD
  UPDATE accounts SET name = name WHERE id = 1 RETURNING accounts.id, accounts.ssn;
CREATE RULE also AS ON UPDATE TO plain DO ALSO SELECT ssn FROM accounts;
CREATE VIEW over AS SELECT id, name FROM plain;
CREATE FUNCTION told_row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  NEW.name := (SELECT ssn FROM accounts LIMIT 1); RETURN NEW; END $$;
CREATE VIEW triggered AS SELECT id, name FROM accounts;
CREATE TRIGGER told INSTEAD OF INSERT ON triggered FOR EACH ROW EXECUTE FUNCTION told_row();
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_rule_or_a_trigger_returns_in_place_of_a_view_is_covered() {
    let ways = [
        "UPDATE open SET name = 'x' WHERE id = 1 RETURNING name",
        "WITH u AS (UPDATE open SET name = 'x' WHERE id = 1 RETURNING name) SELECT name FROM u",
        "INSERT INTO plain VALUES (1, 'x') RETURNING name",
        "INSERT INTO over VALUES (1, 'x') RETURNING name",
        "UPDATE plain SET name = name WHERE id = 1",
        "INSERT INTO triggered VALUES (1, 'x') RETURNING name",
        "COPY (UPDATE open SET name = 'x' WHERE id = 1 RETURNING name) TO STDOUT",
    ];
    let place = masked_place(MaskKind::Redact).await;
    place.truth(REWRITTEN);
    let mut asking = Asking { place: &place, agent: Agent::connect(&place).await };
    for text in ways {
        for bytes in [
            frame::query(text.as_bytes()).to_vec(),
            pipeline(text, &[], &frame::describe_portal("")),
            pipeline(text, &[1], b""),
        ] {
            check(text, &asking.ask(&bytes).await);
        }
    }
    // What is only read is not rewritten.
    let answer = asking.ask(&frame::query(b"SELECT initcap(name) FROM plain")).await;
    assert_eq!(rows(&answer), [["Open"]], "{answer:?}");
    // The ways are ways.
    place.gate.mask(&[], &[Detector::Uuid], MaskKind::Redact);
    for text in ways {
        let answer = asking.ask(&frame::query(text.as_bytes())).await;
        let told = answer.iter().any(|message| writing_in(message).is_some());
        assert!(told || text.starts_with("COPY"), "{text} tells nothing: {answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_setting_that_code_has_made_of_a_value_is_not_said_by_any_name() {
    let place = masked_place(MaskKind::Redact).await;
    place.truth(
        "SET ROLE app; CREATE FUNCTION sets() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
           PERFORM set_config('application_name', NEW.ssn, false);
           PERFORM set_config('statement_timeout', NEW.salary::text, false);
           PERFORM set_config('TimeZone', regexp_replace(NEW.ssn, '[^A-Za-z]', '', 'g') || '5', false);
           RETURN NEW; END $$;
         CREATE TRIGGER sets BEFORE UPDATE ON accounts FOR EACH ROW EXECUTE FUNCTION sets()",
    );
    let mut agent = Agent::connect(&place).await;
    let known =
        agent.query("SHOW TimeZone; SHOW statement_timeout; SELECT current_setting('TimeZone')");
    let known = rows(&known.await);
    assert!(known.iter().flatten().all(|value| !value.contains("redacted")), "{known:?}");
    check("the report", &agent.query("UPDATE accounts SET name = 'x' WHERE id = 1").await);
    for text in [
        "SHOW application_name",
        "SHOW statement_timeout",
        "SHOW TimeZone",
        "SELECT current_setting('application_name')",
        "SELECT lower(current_setting('timezone'))",
        "SELECT x FROM (SELECT current_setting('statement_timeout') AS x) y",
        "SELECT name, setting, reset_val FROM pg_settings",
        "SELECT s::text FROM pg_settings s",
        "COPY (SELECT current_setting('application_name')) TO STDOUT",
        "COPY (SELECT setting FROM pg_settings) TO STDOUT",
        "SELECT application_name FROM pg_stat_activity",
    ] {
        for bytes in [frame::query(text.as_bytes()).to_vec(), pipeline(text, &[], b"")] {
            agent.send(&bytes).await;
            let answer = agent.until_ready().await;
            check(text, &answer);
            let zone = b"GeheimWert".as_slice();
            let told =
                |message: &Message| message.body.windows(zone.len()).any(|part| part == zone);
            assert!(!answer.iter().any(told), "{text}: {answer:?}");
        }
    }
    // What says nothing of anybody stays.
    assert_eq!(rows(&agent.query("SHOW server_encoding").await), [["UTF8"]]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_view_of_the_servers_own_catalogue_stays_readable() {
    let place = masked_place(MaskKind::Redact).await;
    place.truth(
        "SET ROLE app; CREATE VIEW catalogue AS SELECT c.relname, n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace;
         CREATE VIEW numbers AS SELECT stavalues1::text AS v FROM pg_statistic;
         CREATE VIEW of_catalogue AS SELECT initcap(relname) AS r FROM catalogue",
    );
    let mut agent = Agent::connect(&place).await;
    let text = "SELECT relname, lower(relname), nspname FROM catalogue WHERE relname = 'accounts'";
    assert_eq!(rows(&agent.query(text).await), [["accounts", "accounts", "public"]]);
    let text = "SELECT r || '' FROM of_catalogue WHERE r = 'Accounts'";
    assert_eq!(rows(&agent.query(text).await), [["Accounts"]]);
    check("statistics", &agent.query("SELECT v FROM numbers").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn detectors_take_binary_values_apart_and_a_copy_goes_on_whatever_is_found() {
    let place = Place::with_postgres().await;
    place.truth(
        "SET ROLE app; CREATE TYPE host AS (label text, address inet, id uuid);
         CREATE DOMAIN place AS inet;
         CREATE TYPE span AS RANGE (subtype = inet);
         CREATE TABLE hosts(h host, hs host[], p place[], b span, ids uuid[], addresses inet[], open inet[]);
         INSERT INTO hosts VALUES (ROW('a', '10.1.2.3', NULL), ARRAY[ROW('a', '10.1.2.3', NULL)::host],
           ARRAY['10.1.2.3'::place], span('10.1.2.3', '10.1.2.4'),
           ARRAY['3f2504e0-4f89-41d3-9a0c-0305e82c3301'::uuid], ARRAY['10.1.2.3'::inet], NULL);
         INSERT INTO accounts VALUES (11, 'ann@example.com'), (12, '10.1.2.3')",
    );
    let detectors = [Detector::Ipv4, Detector::Uuid, Detector::Email];
    let address: &[u8] = &[10, 1, 2, 3];
    let id: &[u8] = &[0x3f, 0x25, 0x04, 0xe0];
    approve_all(&place.gate);
    for kind in [MaskKind::Redact, MaskKind::Null] {
        place.gate.mask(&[], &detectors, kind);
        let mut agent = Agent::connect(&place).await;
        for text in [
            "SELECT h, hs, p, b, ids, addresses, open FROM hosts",
            "SELECT ROW(addresses, ids), hosts FROM hosts",
            "SELECT ARRAY[ROW(1, addresses)] FROM hosts",
            "COPY hosts TO STDOUT (FORMAT binary)",
            "COPY accounts TO STDOUT (FORMAT binary)",
            "COPY accounts TO STDOUT",
            "COPY accounts TO STDOUT (FORMAT csv)",
            "COPY (SELECT 1 WHERE false) TO STDOUT (FORMAT binary)",
        ] {
            agent.send(&pipeline(text, &[1], b"")).await;
            let answer = agent.until_ready().await;
            assert_eq!(error(&answer), "", "{kind:?} {text}: {answer:?}");
            for message in &answer {
                for secret in [address, id, b"10.1.2.3", b"ann@example.com"] {
                    let told = message.body.windows(secret.len()).any(|part| part == secret);
                    assert!(!told, "{kind:?} {text}: {message:?}");
                }
            }
        }
        assert!(rows(&agent.query("SELECT name FROM accounts WHERE id = 1").await) == [["name 1"]]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cursors_and_prepared_statements_show_what_their_own_texts_show() {
    let place = masked_place(MaskKind::Redact).await;
    let mut agent = Agent::connect(&place).await;
    for text in [
        "BEGIN",
        "DECLARE c CURSOR FOR SELECT id, ssn, initcap(name) AS n, lower(ssn) FROM accounts ORDER BY id",
        "PREPARE p(int) AS SELECT name || '!' AS m, ssn FROM accounts WHERE id = $1",
    ] {
        assert_eq!(error(&agent.query(text).await), "", "{text}");
    }
    for bytes in [frame::query(b"FETCH 1 FROM c").to_vec(), pipeline("FETCH 1 FROM c", &[], b"")] {
        agent.send(&bytes).await;
        let answer = agent.until_ready().await;
        check("FETCH", &answer);
        let row = rows(&answer).remove(0);
        assert_eq!((&row[0] != "[redacted]", row[2].starts_with("Name")), (true, true), "{row:?}");
        assert_eq!((row[1].as_str(), row[3].as_str()), ("[redacted]", "[redacted]"));
    }
    let answer = agent.query("EXECUTE p(2)").await;
    assert_eq!(rows(&answer), [["name 2!", "[redacted]"]], "{answer:?}");
    let named = String::from_utf8_lossy(&answer.iter().find(|one| one.kind == 'T').unwrap().body)
        .into_owned();
    assert!(named.contains("m\0") && named.contains("ssn\0"), "{named}");
    // What stays open is materialised: it is masked by what its view was, too.
    assert_eq!(error(&agent.query("COMMIT").await), "");
    for text in [
        "CREATE OR REPLACE VIEW people AS SELECT id, ssn AS tax, lower(ssn) AS low, ssn AS name FROM accounts",
        "DECLARE h CURSOR WITH HOLD FOR SELECT name FROM people ORDER BY id",
    ] {
        assert_eq!(error(&agent.query(text).await), "", "{text}");
    }
    place.truth("SET ROLE app; CREATE OR REPLACE VIEW people AS SELECT id, ssn AS tax, lower(ssn) AS low, name FROM accounts");
    check("a cursor of the past", &agent.query("FETCH ALL FROM h").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_code_can_have_given_to_something_else_shows_nothing() {
    let place = masked_place(MaskKind::Redact).await;
    let swaps = "DO $$ DECLARE s text := told(); BEGIN
        EXECUTE 'CLOSE ALL'; EXECUTE 'DEALLOCATE ALL';
        EXECUTE format('DECLARE c CURSOR WITH HOLD FOR SELECT lower(ssn) AS %I FROM accounts', s);
        EXECUTE format('PREPARE p AS SELECT reverse(ssn) AS %I FROM accounts', s); END $$";
    let trigger = "CREATE FUNCTION swaps() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN
        EXECUTE 'CLOSE ALL'; EXECUTE 'DEALLOCATE ALL';
        EXECUTE 'DECLARE c CURSOR WITH HOLD FOR SELECT lower(ssn) AS n FROM accounts';
        EXECUTE 'PREPARE p AS SELECT reverse(ssn) AS n FROM accounts'; RETURN NULL; END $f$;
        CREATE TABLE noisy(n int);
        CREATE CONSTRAINT TRIGGER swaps AFTER INSERT ON noisy DEFERRABLE INITIALLY DEFERRED
          FOR EACH ROW EXECUTE FUNCTION swaps()";
    place.truth(&format!("SET ROLE app; {trigger}"));
    let given = [
        "DECLARE c CURSOR WITH HOLD FOR SELECT initcap(name) AS n FROM accounts",
        "PREPARE p AS SELECT name || '!' AS n FROM accounts",
    ];
    for (before, behind) in [("SELECT 1", swaps), ("INSERT INTO noisy VALUES (1)", "SELECT 1")] {
        let mut agent = Agent::connect(&place).await;
        for text in ["BEGIN", before, given[0], given[1], behind, "COMMIT"] {
            assert_eq!(error(&agent.query(text).await), "", "{text}");
        }
        for text in ["FETCH ALL FROM c", "EXECUTE p"] {
            for bytes in [
                pipeline(text, &[], &frame::describe_portal("")),
                [
                    frame::parse("", text.as_bytes(), &[]),
                    frame::describe_statement(""),
                    frame::sync(),
                ]
                .concat(),
                frame::query(text.as_bytes()).to_vec(),
            ] {
                agent.send(&bytes).await;
                let answer = agent.until_ready().await;
                check(&format!("{behind}: {text}"), &answer);
                let told =
                    answer.iter().any(|one| one.body.windows(7).any(|part| part == b"column1"));
                assert!(told || !kinds(&answer).contains('T'), "{text}: {answer:?}");
            }
        }
        // What fails gives no name.
        assert_ne!(error(&agent.query(given[1]).await), "");
        check("a name that was taken", &agent.query("EXECUTE p").await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_that_the_agent_does_not_listen_to_by_name_is_not_said() {
    let place = masked_place(MaskKind::Redact).await;
    let mut agent = Agent::connect(&place).await;
    let text = "DO $$ BEGIN EXECUTE format('LISTEN %I', told()); EXECUTE format('NOTIFY %I', told()); END $$";
    check("a channel", &agent.query(text).await);
    check("a channel", &agent.query("SELECT 1").await);
    assert_eq!(error(&agent.query("LISTEN known").await), "");
    let answer = agent.query("NOTIFY known").await;
    let told = |message: &Message| message.kind == 'A' && message.body.ends_with(b"known\0\0");
    assert!(answer.iter().any(told), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_acts_and_says_nothing_of_a_column_stays_readable() {
    let place = masked_place(MaskKind::Redact).await;
    place.truth("SET ROLE app; CREATE SEQUENCE s; CREATE FUNCTION public.nextval(text) RETURNS text LANGUAGE sql AS 'SELECT ssn FROM accounts LIMIT 1'");
    let mut agent = Agent::connect(&place).await;
    for (text, shown) in [
        ("SELECT nextval('s'::regclass) + 0", "1"),
        ("SELECT pg_catalog.nextval('s'), pg_catalog.currval('s')", "2"),
        ("SELECT pg_backend_pid() > 0", "t"),
        ("SELECT pg_try_advisory_lock(7)", "t"),
    ] {
        let answer = agent.query(text).await;
        let shown_first = rows(&answer).first().map(|row| row[0].clone());
        let user_function = text.contains("nextval('s'::");
        if user_function {
            // A user function of that name can be meant; nobody but the server knows.
            assert_eq!(shown_first.as_deref(), Some(""), "{text}");
        } else {
            assert_eq!(shown_first.as_deref(), Some(shown), "{text}: {answer:?}");
        }
    }
    check("a user's nextval", &agent.query("SELECT nextval('s'::text)").await);
    check(
        "an argument",
        &agent
            .query("SELECT pg_get_serial_sequence(ssn, ssn), pg_notify('x', ssn) FROM accounts")
            .await,
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_place_in_documents_is_covered_and_the_rest_of_them_stays_readable() {
    let place = Place::with_postgres().await;
    place.truth(&format!(
        r#"SET ROLE app; CREATE DOMAIN document AS jsonb;
         CREATE TABLE orders(id int, a json, b jsonb, c document, t text, l jsonb[]);
         INSERT INTO orders SELECT 1, d::json, d::jsonb, d::jsonb, d, ARRAY[d::jsonb]
           FROM (SELECT '{{"open": "readable", "items": [{{"card": "{SECRET}"}}, {{"card": {SALARY}, "n": 1}}]}}') x(d);
         CREATE VIEW shown AS SELECT id, b AS renamed, b -> 'items' AS items FROM orders;
         CREATE TABLE parts(LIKE orders); ALTER TABLE parts INHERIT orders; INSERT INTO parts SELECT * FROM orders"#
    ));
    place.gate.mask_path("public.orders.*", "$.items[*].card");
    approve_all(&place.gate);
    let mut agent = Agent::connect(&place).await;
    for text in [
        "SELECT a, b, c FROM orders",
        "SELECT * FROM orders",
        "SELECT b AS x FROM parts",
        "SELECT renamed FROM shown",
        "SELECT items FROM shown",
        "SELECT b -> 'items' -> 0, b #>> '{items,0,card}', b['items'], b::text FROM orders",
        "SELECT jsonb_path_query(b, '$.items[*].card'), jsonb_pretty(b), b || '{}', b - 'open' FROM orders",
        "SELECT value FROM orders, jsonb_each(b)",
        "SELECT e FROM orders, jsonb_array_elements(b -> 'items') e",
        "SELECT jsonb_agg(b), array_agg(b), to_json(o), o::text FROM orders o GROUP BY o.*",
        "SELECT t, l FROM orders",
        "UPDATE orders SET id = 1 RETURNING b, b -> 'items'",
        "COPY orders(b) TO STDOUT",
        "SELECT (b ->> 'items')::int FROM orders",
    ] {
        for bytes in [
            frame::query(text.as_bytes()).to_vec(),
            pipeline(text, &[], &frame::describe_portal("")),
            pipeline(text, &[1], b""),
        ] {
            agent.send(&bytes).await;
            let answer = agent.until_ready().await;
            check(text, &answer);
        }
    }
    let open = r#"{"open": "readable", "items": [{"card": "[redacted]"}, {"n": 1, "card": "[redacted]"}]}"#;
    for (text, shown) in [
        ("SELECT b, c FROM orders LIMIT 1", open),
        ("SELECT renamed FROM shown LIMIT 1", open),
        ("SELECT b AS x FROM parts", open),
    ] {
        let answer = agent.query(text).await;
        let row = rows(&answer).remove(0);
        let same: Vec<serde_json::Value> =
            row.iter().map(|one| serde_json::from_str(one).unwrap()).collect();
        let shown: serde_json::Value = serde_json::from_str(shown).unwrap();
        assert!(same.iter().all(|one| *one == shown), "{text}: {row:?}");
    }
    agent.send(&pipeline("SELECT b FROM orders LIMIT 1", &[1], b"")).await;
    let answer = agent.until_ready().await;
    let row = answer.iter().find(|message| message.kind == 'D').unwrap();
    assert_eq!(row.body[6], 1, "the version of a binary jsonb");
    assert!(String::from_utf8_lossy(&row.body).contains("readable"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_of_thousands_of_partitions_shows_what_no_rule_covers() {
    let place = Place::with_postgres().await;
    place.truth(
        "SET ROLE app; CREATE SCHEMA other;
         CREATE TABLE parted(n int, ssn text, tax text, name text, open text) PARTITION BY LIST (n);
         DO $$ BEGIN FOR n IN 1..2001 LOOP
           EXECUTE format('CREATE TABLE part_%s PARTITION OF parted FOR VALUES IN (%s)', n, n);
         END LOOP; END $$;
         CREATE TABLE other.far PARTITION OF parted FOR VALUES IN (0);
         CREATE TABLE \"Schlüssel\" PARTITION OF parted FOR VALUES IN (-1);
         INSERT INTO parted VALUES (7, '078-05-1120', '11', 'ada', 'seen')",
    );
    let columns = ["public.PART_1999.ssn", "other.*.tax", "*.schlüssel.name"];
    place.gate.mask(&columns, &[], MaskKind::Redact);
    let mut agent = Agent::connect(&place).await;
    let text = "SELECT n, ssn, tax, name, open, lower(open) FROM parted WHERE n = 7";
    let seen = rows(&agent.query(text).await);
    let hidden = "[redacted]";
    assert_eq!(seen, [["7", hidden, hidden, hidden, "seen", "seen"]]);
    // Rules that come to name another partition cover that one too, whatever is remembered.
    place.gate.mask(&["public.part_2000.open"], &[], MaskKind::Redact);
    let seen = rows(&agent.query(text).await);
    assert_eq!(seen, [["7", "078-05-1120", "11", "ada", hidden, hidden]]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_for_a_part_of_a_view_leaves_the_rules_on_its_tables_in_force() {
    let place = Place::with_postgres().await;
    place.truth(&format!(
        r#"SET ROLE app; CREATE TABLE files(id int, d jsonb, made jsonb GENERATED ALWAYS AS (d -> 'card') STORED);
         INSERT INTO files VALUES (1, '{{"open": 1, "card": "{SECRET}"}}');
         CREATE VIEW shown AS SELECT id, d AS e, d -> 'card' AS card FROM files"#
    ));
    for (column, path) in
        [("public.shown.e", "$.open"), ("*.shown.card", "$.x"), ("*.files.made", "$.x")]
    {
        place.gate.mask_with_path(&["public.files.d"], (column, path));
        let mut agent = Agent::connect(&place).await;
        for text in ["SELECT e, card FROM shown", "SELECT made FROM files", "TABLE shown"] {
            for bytes in [frame::query(text.as_bytes()).to_vec(), pipeline(text, &[1], b"")] {
                agent.send(&bytes).await;
                let answer = agent.until_ready().await;
                check(&format!("{column}: {text}"), &answer);
                assert!(kinds(&answer).contains('D'), "{answer:?}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_the_same_text_gives_anew_shows_nothing_of_what_it_was() {
    let place = masked_place(MaskKind::Redact).await;
    let mut agent = Agent::connect(&place).await;
    for text in [
        "DECLARE c CURSOR WITH HOLD FOR SELECT initcap(name) AS n FROM accounts",
        "PREPARE p AS SELECT name || '!' AS n FROM accounts",
        "CLOSE c; DECLARE c CURSOR WITH HOLD FOR SELECT lower(ssn) AS n FROM accounts; FETCH 1 FROM c",
        "CLOSE ALL; DECLARE c CURSOR WITH HOLD FOR SELECT lower(ssn) AS n FROM accounts; SELECT 1; FETCH 1 FROM c",
        "DEALLOCATE p; PREPARE p AS SELECT reverse(ssn) AS n FROM accounts; EXECUTE p",
        "FETCH 1 FROM c; CLOSE c; DECLARE c CURSOR WITH HOLD FOR SELECT lower(ssn) AS n FROM accounts; FETCH 1 FROM c",
        "BEGIN; DECLARE d CURSOR FOR SELECT initcap(name) AS n FROM accounts",
        "COMMIT; BEGIN; DECLARE d CURSOR FOR SELECT lower(ssn) AS n FROM accounts; FETCH 1 FROM d; COMMIT",
    ] {
        let answer = agent.query(text).await;
        assert_eq!(error(&answer), "", "{text}");
        check(text, &answer);
    }
    // In front of what gives it anew it is what it was.
    let text = "DECLARE e CURSOR WITH HOLD FOR SELECT initcap(name) AS n FROM accounts ORDER BY id";
    assert_eq!(error(&agent.query(text).await), "");
    let answer = agent.query("SELECT 1; FETCH 1 FROM e").await;
    assert_eq!(rows(&answer), [["1"], ["Name 1"]], "{answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_a_child_are_covered_by_the_rules_of_all_its_parents() {
    let place = masked_place(MaskKind::Redact).await;
    place.truth(
        "SET ROLE app; CREATE TABLE first(id int, ssn text); CREATE TABLE above(ssn text); CREATE TABLE second() INHERITS (above);
         CREATE TABLE lowest() INHERITS (first, second);
         INSERT INTO lowest VALUES (1, 'Geheim-4711-Wert')",
    );
    for covered in ["public.second.ssn", "public.above.ssn", "public.lowest.ssn"] {
        place.gate.mask(&[covered], &[], MaskKind::Redact);
        let mut agent = Agent::connect(&place).await;
        for text in ["SELECT ssn FROM first", "SELECT ssn || '' FROM first", "TABLE above"] {
            let answer = agent.query(text).await;
            check(&format!("{covered}: {text}"), &answer);
            assert!(kinds(&answer).contains('D'), "{answer:?}");
        }
    }
    // A sibling's rows are its own.
    place.truth("SET ROLE app; CREATE TABLE sibling() INHERITS (above); INSERT INTO sibling VALUES ('seen')");
    place.gate.mask(&["public.lowest.ssn"], &[], MaskKind::Redact);
    let mut agent = Agent::connect(&place).await;
    assert_eq!(rows(&agent.query("SELECT ssn FROM sibling").await), [["seen"]]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn detectors_read_the_rows_of_a_copy_whatever_letters_it_is_written_with() {
    let place = Place::with_postgres().await;
    place.truth(
        r#"SET ROLE app; CREATE TABLE mails(a text, b json, c json[], "n@n" text);
         INSERT INTO mails VALUES ('ann@example.com', '{"m": "ann\u0040example.com"}',
           ARRAY['{"m": "ann\u0040example.com"}'::json], E'open\\\t"@'), (NULL, NULL, NULL, 'seen')"#,
    );
    place.gate.mask(&[], &[Detector::Email], MaskKind::Redact);
    approve_all(&place.gate);
    let mut agent = Agent::connect(&place).await;
    for options in [
        "",
        "DELIMITER '@'",
        "(FORMAT csv)",
        "(FORMAT csv, HEADER, DELIMITER '@', NULL 'none')",
        "(FORMAT csv, QUOTE '@')",
        "CSV QUOTE '@' ESCAPE 'n'",
        "(FORMAT csv, QUOTE 'n', ESCAPE 'e', FORCE_QUOTE *)",
        "(FORMAT binary)",
    ] {
        let answer = agent.query(&format!("COPY mails TO STDOUT {options}")).await;
        assert_eq!(error(&answer), "", "{options}: {answer:?}");
        let told: Vec<u8> = answer
            .iter()
            .filter(|message| message.kind == 'd')
            .flat_map(|message| message.body.to_vec())
            .collect();
        let told = String::from_utf8_lossy(&told).into_owned();
        assert!(!told.contains("xample"), "{options}: {told}");
        assert!(told.contains("op") && told.contains("se"), "{options}: {told}");
    }
}
