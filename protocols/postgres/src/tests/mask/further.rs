//! Further ways out, by what the server can do: text search, XML, JSON, ranges, windows, sets, scopes of names, views of its
//! own, and code of a user's that the catalogue brings in.

use super::*;

const FURTHER: &str = "
SET ROLE app;
CREATE FUNCTION told_always() RETURNS text LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN told(); END';
CREATE FUNCTION told_rows() RETURNS SETOF accounts LANGUAGE sql STABLE AS 'SELECT * FROM accounts';
CREATE PROCEDURE tell(INOUT x text) LANGUAGE plpgsql AS 'BEGIN x := told(); END';
CREATE FUNCTION same(int, int) RETURNS text LANGUAGE sql AS 'SELECT told()';
CREATE OPERATOR public.@@@ (LEFTARG = int, RIGHTARG = int, FUNCTION = same);
CREATE VIEW of_function AS SELECT told() AS t, 1 AS n;
CREATE VIEW of_operator AS SELECT 1 @@@ 2 AS t;
CREATE TABLE guarded(id int); INSERT INTO guarded VALUES (1);
ALTER TABLE guarded ENABLE ROW LEVEL SECURITY; ALTER TABLE guarded FORCE ROW LEVEL SECURITY;
CREATE POLICY noisy ON guarded USING (loud() = 1);
CREATE TABLE checked(id int CHECK (loud() = 1));
CREATE TABLE many(id int, a text[]); INSERT INTO many VALUES (1, '{x}');
CREATE DOMAIN short AS text CHECK (length(VALUE) < 3);
CREATE FUNCTION row_text(accounts) RETURNS text LANGUAGE sql AS 'SELECT $1.ssn';
CREATE CAST (accounts AS text) WITH FUNCTION row_text(accounts) AS ASSIGNMENT;
CREATE AGGREGATE first_of(text) (SFUNC = textcat, STYPE = text);
INSERT INTO log VALUES (1, 'open');
";

const WAYS: &[&str] = &[
    // Text search.
    "SELECT ts_headline('simple', ssn, to_tsquery('simple', 'geheim')) FROM accounts",
    "SELECT to_tsvector('simple', ssn), ssn::tsvector FROM accounts",
    "SELECT plainto_tsquery('simple', ssn), phraseto_tsquery('simple', ssn) FROM accounts",
    "SELECT word FROM ts_stat('SELECT to_tsvector(''simple'', ssn) FROM accounts')",
    "SELECT ts_rewrite('a'::tsquery, 'SELECT ''a''::tsquery, plainto_tsquery(''simple'', ssn) FROM accounts')",
    "SELECT token FROM accounts, ts_debug('simple', ssn)",
    "SELECT token FROM accounts, ts_parse('default', ssn)",
    // XML.
    "SELECT xmlagg(xmlelement(name x, ssn)) FROM accounts",
    "SELECT x.v FROM accounts, xmltable('/r' PASSING xmlelement(name r, ssn) COLUMNS v text PATH '.') x",
    "SELECT xpath('/r/text()', xmlelement(name r, xmlattributes(ssn AS n), ssn)) FROM accounts",
    "SELECT xmlpi(name x, ssn), xmlcomment(replace(ssn, '-', '_')) FROM accounts",
    "SELECT xmlserialize(content xmlforest(ssn AS q) AS text) FROM accounts",
    "SELECT table_to_xml('accounts', true, true, '')",
    "SELECT cursor_to_xml('c', 5, true, true, '')",
    // JSON.
    "SELECT j.* FROM accounts a, json_to_record(row_to_json(a)) AS j(ssn text)",
    "SELECT r.ssn FROM json_populate_recordset(NULL::accounts, (SELECT json_agg(a) FROM accounts a)) r",
    "SELECT (jsonb_populate_record(NULL::log, jsonb_build_object('message', ssn))).message FROM accounts",
    "SELECT jsonb_path_query(to_jsonb(a), '$.ssn') FROM accounts a",
    "SELECT jsonb_path_query('{}', '$x', jsonb_build_object('x', ssn)) FROM accounts",
    "SELECT jsonb_object_keys(jsonb_build_object(ssn, 1)), json_object_agg(ssn, id) FROM accounts GROUP BY ssn",
    "SELECT jsonb_set('{}', '{a}', to_jsonb(ssn)), json_object(ARRAY['k', ssn]) FROM accounts",
    "SELECT y FROM (SELECT to_json(a) FROM accounts a) AS x(y)",
    // Ranges, numbers, times, geometry.
    "SELECT int4range(salary, NULL), lower(int4range(salary, NULL)), int4range(salary, salary, '[]')::text FROM accounts",
    "SELECT range_agg(int4range(salary, salary + 1)), unnest(int4multirange(int4range(salary, salary + 1))) FROM accounts GROUP BY salary",
    "SELECT point(salary, 1), circle(point(salary, 0), 1), salary::money, salary * interval '1 s' FROM accounts",
    "SELECT salary::oid, salary::oid::regclass, salary::oid::regtype, salary::text::bigint FROM accounts",
    "SELECT g FROM accounts, generate_series(salary, salary) g",
    "SELECT sum(salary) / count(*), avg(salary)::int, bit_and(salary), bit_or(salary) FROM accounts",
    "SELECT to_char(salary, '9999999'), to_char(now(), '\"' || ssn || '\"') FROM accounts",
    // Aggregates and windows.
    "SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY ssn), mode() WITHIN GROUP (ORDER BY salary) FROM accounts",
    "SELECT nth_value(ssn, 1) OVER (), lag(salary, 0) OVER (), array_agg(ssn) OVER () FROM accounts",
    "SELECT last_value(a) OVER w FROM accounts a WINDOW w AS (ROWS CURRENT ROW)",
    "SELECT ssn, count(*) FROM accounts GROUP BY ROLLUP (ssn)",
    "SELECT coalesce(ssn, '') FROM accounts GROUP BY GROUPING SETS ((ssn), (name))",
    "SELECT first_of(ssn) FROM accounts",
    "SELECT DISTINCT ON (ssn) ssn || '' FROM accounts ORDER BY ssn",
    // Sets and scopes.
    "SELECT * FROM ROWS FROM (unnest(ARRAY(SELECT ssn FROM accounts))) WITH ORDINALITY AS r(v, n)",
    "SELECT name FROM unnest(ARRAY(SELECT ssn FROM accounts)) AS name",
    "SELECT u.name FROM accounts a, unnest(ARRAY[a.ssn]) AS u(name)",
    "SELECT string_to_table(ssn, '-'), regexp_matches(ssn, '(.*)') FROM accounts",
    "SELECT v.x FROM accounts, LATERAL (VALUES (ssn), (name)) v(x)",
    "SELECT z FROM accounts a, LATERAL (SELECT a.ssn || '' AS z) l",
    "SELECT (SELECT max(x.s) FROM (SELECT a.ssn AS s) x) FROM accounts a",
    "SELECT x FROM (VALUES ((SELECT ssn FROM accounts LIMIT 1))) v(x)",
    "SELECT a.* FROM guarded g RIGHT JOIN LATERAL (SELECT * FROM accounts) a ON true",
    "SELECT upper(a.name), a.name || '' FROM accounts AS a(i, n, name)",
    "SELECT j.name || '' FROM (accounts a JOIN log l USING (id)) AS j(id, x, name)",
    "SELECT ssn || '' FROM parent FULL JOIN accounts USING (ssn)",
    "SELECT u.ssn || '', u FROM accounts JOIN parent USING (ssn) AS u",
    "WITH accounts AS (SELECT id, ssn AS name FROM accounts) SELECT name || '' FROM accounts",
    "WITH log AS (SELECT ssn AS message FROM accounts) SELECT message || '' FROM log",
    "SELECT message FROM (WITH log AS (SELECT ssn AS message FROM accounts) SELECT message || '' AS message FROM log) x",
    "SELECT accounts FROM (SELECT ssn FROM accounts) accounts",
    "SELECT every.ssn || '' FROM accounts every",
    "SELECT U&\"s\\0073n\" || '', ACCOUNTS.SSN FROM accounts",
    "SELECT orders.public.accounts.ssn || '' FROM orders.public.accounts",
    "SELECT ssn || '' FROM ONLY accounts",
    "SELECT ssn || '' FROM accounts TABLESAMPLE SYSTEM (100)",
    "SELECT (SELECT a FROM accounts a LIMIT 1).ssn, (ARRAY(SELECT a FROM accounts a))[1].ssn",
    "SELECT (x.a).ssn FROM (SELECT a FROM accounts a) x",
    "SELECT name FROM accounts EXCEPT ALL SELECT 'x' UNION SELECT ssn FROM accounts",
    "SELECT name FROM accounts WHERE id = 1 UNION SELECT * FROM (SELECT ssn FROM accounts) q",
    "WITH RECURSIVE r(s, n) AS (SELECT ssn, 1 FROM accounts UNION ALL SELECT s, 2 FROM r WHERE n < 2) SEARCH DEPTH FIRST BY s SET o SELECT o FROM r",
    "WITH RECURSIVE r(s, n) AS (SELECT ssn, 1 FROM accounts UNION ALL SELECT s, 1 FROM r) CYCLE s SET c TO 'x' DEFAULT 'y' USING p SELECT p FROM r",
    "WITH RECURSIVE r(o, s) AS (SELECT name, ssn FROM accounts UNION ALL SELECT s, o FROM r WHERE o LIKE 'name%') SELECT o || '' FROM r",
    "SELECT array_fill(ssn, ARRAY[2]), array_append(ARRAY[name], ssn) FROM accounts",
    // What is written comes back.
    "UPDATE log SET message = a.ssn FROM accounts a RETURNING message, log::text",
    "UPDATE log SET (id, message) = (SELECT id, ssn FROM accounts LIMIT 1) RETURNING log.*",
    "UPDATE log SET (id, message) = ROW(1, (SELECT ssn FROM accounts LIMIT 1)) RETURNING to_json(log)",
    "INSERT INTO log VALUES (DEFAULT, (SELECT ssn FROM accounts LIMIT 1)) RETURNING message",
    "INSERT INTO accounts AS x (id, name) VALUES (1, 'y') ON CONFLICT (id) DO UPDATE SET name = excluded.name || x.ssn RETURNING name",
    // What was written into another column is there in clear.
    "UPDATE accounts SET name = 'name' WHERE id = 1",
    "UPDATE many SET a[1] = ssn FROM accounts RETURNING a, many",
    "WITH x AS (UPDATE log SET message = ssn FROM accounts RETURNING message AS m) SELECT * FROM x",
    "DELETE FROM log USING accounts a RETURNING a, a.ssn || ''",
    "WITH d AS (DELETE FROM accounts WHERE id = 9 RETURNING *) SELECT d, (d).ssn FROM d",
    "INSERT INTO log SELECT 5, ssn FROM accounts; INSERT INTO log SELECT id, NULL FROM accounts RETURNING (SELECT max(ssn) FROM accounts)",
    // Errors and notices.
    "SELECT ssn::short FROM accounts",
    "SELECT ssn::bit(3), ssn::money FROM accounts",
    "SELECT ssn::money FROM accounts",
    "SELECT ssn::int4range FROM accounts",
    "SELECT ssn::interval FROM accounts",
    "SELECT ssn::circle FROM accounts",
    "SELECT ssn::macaddr FROM accounts",
    "SELECT ssn::pg_lsn FROM accounts",
    "SELECT ssn::boolean FROM accounts",
    "SELECT ssn::numeric FROM accounts",
    "SELECT ssn::pg_snapshot FROM accounts",
    "SELECT ssn::regconfig FROM accounts",
    "SELECT ssn::regdictionary FROM accounts",
    "SELECT ssn::regcollation FROM accounts",
    "SELECT ssn::regoper FROM accounts",
    "SELECT (ssn || '(int, int)')::regoperator FROM accounts",
    "SELECT ssn::text[] FROM accounts",
    "SELECT ('{' || ssn)::text[] FROM accounts",
    "SELECT ('(' || ssn)::log FROM accounts",
    "SELECT set_config(ssn, 'x', false) FROM accounts",
    "SELECT current_setting(ssn) FROM accounts",
    "SELECT has_table_privilege(ssn, 'select') FROM accounts",
    "SELECT has_table_privilege('accounts', ssn) FROM accounts",
    "SELECT nextval(ssn) FROM accounts",
    "SELECT pg_get_serial_sequence('accounts', ssn) FROM accounts",
    "SELECT format('%' || ssn) FROM accounts",
    "SELECT convert_from(ssn::bytea, ssn) FROM accounts",
    "SELECT encode('x', ssn) FROM accounts",
    "SELECT date_trunc(ssn, now()) FROM accounts",
    "SELECT pg_size_bytes(ssn) FROM accounts",
    "SELECT parse_ident(ssn || '!') FROM accounts",
    "SELECT 'x' LIKE 'y' ESCAPE ssn FROM accounts",
    "SELECT 'x' SIMILAR TO ssn ESCAPE ssn FROM accounts",
    "SELECT 'x' ~ ('[' || ssn) FROM accounts",
    "SELECT (salary::bigint * salary * salary * salary)::int FROM accounts",
    "SELECT salary::smallint FROM accounts",
    "SELECT pg_terminate_backend(salary) FROM accounts LIMIT 1",
    "SELECT lo_get(salary::oid) FROM accounts LIMIT 1",
    "SELECT pg_xact_status(salary::text::xid8) FROM accounts LIMIT 1",
    "INSERT INTO accounts SELECT NULL, ssn, ssn FROM accounts",
    "INSERT INTO accounts(id, ssn) SELECT 1, ssn FROM accounts",
    "CREATE TABLE dup AS SELECT ssn FROM accounts; CREATE UNIQUE INDEX dups ON dup(ssn)",
    "ALTER DOMAIN short VALIDATE CONSTRAINT short_check; ALTER TABLE accounts ALTER ssn TYPE short",
    "SELECT id FROM guarded",
    "INSERT INTO checked VALUES (1)",
    // Code that the catalogue brings in.
    "SELECT 1 @@@ 2",
    "SELECT t, t || '' FROM of_function",
    "SELECT t FROM of_operator",
    "SELECT a::text, CAST(a AS text) FROM accounts a",
    "SELECT r.ssn FROM told_rows() r",
    "SELECT (told_rows()).ssn",
    "SELECT told_always()",
    "EXPLAIN (VERBOSE) SELECT told_always()",
    "EXPLAIN (VERBOSE, FORMAT JSON) SELECT 1 FROM log WHERE message = told_always()",
    "EXPLAIN (ANALYZE, FORMAT XML) SELECT told_always() FROM log",
    "CALL tell('')",
    "DO $$ DECLARE x text := ''; BEGIN CALL tell(x); RAISE WARNING USING MESSAGE = x, COLUMN = x, DATATYPE = x, CONSTRAINT = x, SCHEMA = x; END $$",
    "CREATE TEMP VIEW passing AS SELECT ssn AS z, upper(ssn) AS u FROM accounts",
    "SELECT z, u FROM passing",
    "SELECT z || '' FROM pg_temp.passing",
    // Views of the server's own.
    "SELECT pg_try_advisory_lock(salary) FROM accounts LIMIT 1",
    "SELECT objid FROM pg_locks WHERE locktype = 'advisory'",
    "SELECT objid::text || '' FROM pg_locks",
    "SELECT l FROM pg_locks l",
    "SELECT (pg_lock_status()).objid",
    "SELECT pg_advisory_unlock_all()",
    "SELECT set_config('a.c', ssn, false) FROM accounts LIMIT 1",
    "SHOW ALL",
    "SELECT setting FROM pg_show_all_settings()",
    "SELECT pg_stat_get_backend_activity(pid) FROM (SELECT pg_backend_pid() AS pid) x",
    "SELECT query FROM pg_stat_get_activity(NULL)",
    "DO $$ BEGIN EXECUTE format('LISTEN %I', told()); EXECUTE format('PREPARE %I AS SELECT 1', told()); EXECUTE format('DECLARE %I CURSOR WITH HOLD FOR SELECT 1', told()); END $$",
    "SELECT pg_listening_channels()",
    "SELECT name FROM pg_prepared_statements",
    "SELECT name FROM pg_cursors",
    "SELECT p.name FROM pg_prepared_statement() p",
    "UNLISTEN *",
    // Cursors.
    "BEGIN",
    "DECLARE b BINARY CURSOR FOR SELECT ssn, salary, salary + 0 FROM accounts",
    "FETCH 1 FROM b",
    "FETCH FORWARD 1 FROM b; FETCH 1 FROM b",
    "MOVE 1 IN b",
    "COMMIT",
    // COPY.
    "COPY (SELECT upper(ssn) FROM accounts) TO STDOUT (FORMAT csv, HEADER)",
    "COPY (TABLE of_function) TO STDOUT",
    "COPY (WITH x AS (SELECT ssn AS id FROM accounts) SELECT id FROM x) TO STDOUT",
    "COPY (UPDATE log SET message = told() RETURNING id, message) TO STDOUT",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn further_ways_out_are_closed_too() {
    let place = masked_place(MaskKind::Redact).await;
    place.truth(FURTHER);
    let mut told = Vec::new();
    for mode in ["simple", "extended, binary, without description"] {
        let mut asking = Asking { place: &place, agent: Agent::connect(&place).await };
        for text in WAYS {
            let bytes = match mode {
                "simple" => frame::query(text.as_bytes()).to_vec(),
                _ => pipeline(text, &[1], b""),
            };
            let answer = asking.ask(&bytes).await;
            assert!(!answer.is_empty(), "{mode}: {text}");
            let found = answer.iter().find_map(|message| Some((writing_in(message)?, message)));
            told.extend(found.map(|found| format!("{mode}: {text}: {found:?}")));
        }
    }
    assert!(told.is_empty(), "{}", told.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_further_ways_are_ways() {
    let place = Place::with_postgres().await;
    place.truth(SETUP);
    place.truth(FURTHER);
    approve_all(&place.gate);
    let mut asking = Asking { place: &place, agent: Agent::connect(&place).await };
    let mut silent = Vec::new();
    for text in WAYS {
        let answer = asking.ask(&frame::query(text.as_bytes())).await;
        if !answer.iter().any(|message| writing_in(message).is_some()) {
            silent.push(format!("{text}: {}", error(&answer)));
        }
    }
    assert!(silent.len() < 45, "{} of {}:\n{}", silent.len(), WAYS.len(), silent.join("\n"));
}
