//! Ways to get a covered value into a column that `RowDescription` gives no origin for, and columns that must stay readable.
//! `c` is a column that carries nothing covered, `m` one that may.

use super::super::{Code, Cover, SetBy, Source, cover::Origin};
use crate::{
    catalogue::{Attribute, Kin, Known, Reach, Reached, Rows, Rules},
    classify::{Classified, Columns, Name, classify},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

const CORPUS: &[(&str, &str)] = &[
    // What carries nothing.
    ("SELECT 1, 'x', now(), current_date, $1::int", "ccccc"),
    ("SELECT count(*) FROM accounts", "c"),
    ("SELECT count(*) FROM accounts WHERE ssn = 'x'", "c"),
    ("SELECT upper(name), id + 1, name || '!' FROM accounts", "ccc"),
    ("SELECT max(id), min(name), array_agg(name) FROM accounts GROUP BY name", "ccc"),
    (
        "SELECT o.total * 2, upper(a.name) FROM accounts a JOIN orders o ON o.account_id = a.id",
        "cc",
    ),
    ("SELECT upper(x.i::text) FROM (SELECT id, lower(ssn) FROM accounts) x(i, t)", "c"),
    ("WITH w(a, b) AS (SELECT id, ssn FROM accounts) SELECT a + 1 FROM w", "c"),
    ("SELECT id FROM accounts UNION SELECT total FROM orders", "c"),
    ("SELECT EXISTS (SELECT ssn FROM accounts)", "c"),
    ("SELECT g FROM generate_series(1, 3) g", "c"),
    ("SELECT CASE WHEN name = 'x' THEN 1 ELSE 0 END, coalesce(name, '') FROM accounts", "cc"),
    ("SELECT id + 1, lower(plain) FROM people", "cc"),
    ("SELECT sum(total) OVER (PARTITION BY account_id ORDER BY id) FROM orders", "c"),
    ("VALUES (1, 'x'), (2, 'y')", "cc"),
    ("UPDATE accounts SET name = 'x' WHERE ssn = 'y' RETURNING upper(name)", "c"),
    ("INSERT INTO accounts(id, ssn) VALUES (1, '078-05-1120') RETURNING id + 1", "c"),
    ("SHOW server_version", "c"),
    ("EXPLAIN SELECT count(*) FROM accounts WHERE name = 'x'", "c"),
    // Expressions.
    ("SELECT upper(ssn) FROM accounts", "m"),
    ("SELECT a.name || a.ssn, a.name || 'x' FROM accounts a", "mc"),
    (
        "SELECT encode(ssn::bytea, 'base64'), reverse(ssn), md5(ssn), ascii(ssn), left(ssn, 1) FROM accounts",
        "mmmmm",
    ),
    ("SELECT ssn::text, ssn COLLATE \"C\", (ssn), ssn || '' FROM accounts", "mmmm"),
    ("SELECT substr(ssn, 1, 4), substr(ssn, 5) FROM accounts", "mm"),
    ("SELECT regexp_split_to_table(ssn, '') FROM accounts", "m"),
    ("SELECT CASE WHEN ssn LIKE '0%' THEN 1 ELSE 0 END FROM accounts", "m"),
    (
        "SELECT ssn IS NULL, ssn = 'x', ssn IN ('a', 'b'), ssn BETWEEN 'a' AND 'b' FROM accounts",
        "mmmm",
    ),
    ("SELECT greatest(name, ssn), coalesce(ssn, ''), nullif(ssn, '') FROM accounts", "mmm"),
    ("SELECT ARRAY[ssn], ROW(ssn)::text, ARRAY[[name], [ssn]] FROM accounts", "mmm"),
    ("SELECT format('%s', ssn), concat(name, ssn), concat_ws(',', id, ssn) FROM accounts", "mmm"),
    ("SELECT xmlforest(ssn), xmlelement(name x, ssn), xmlconcat(ssn::xml) FROM accounts", "mmm"),
    ("SELECT json_build_object('a', ssn), jsonb_agg(ssn), to_json(ssn) FROM accounts", "mmm"),
    // Aggregates and windows.
    (
        "SELECT string_agg(ssn, ','), array_agg(ssn), min(ssn), count(DISTINCT ssn) FROM accounts",
        "mmmm",
    ),
    ("SELECT max(id) FILTER (WHERE ssn > '5') FROM accounts", "m"),
    ("SELECT array_agg(id ORDER BY ssn) FROM accounts", "m"),
    ("SELECT lag(ssn) OVER (), row_number() OVER (ORDER BY ssn) FROM accounts", "mm"),
    ("SELECT rank() OVER w FROM accounts WINDOW w AS (ORDER BY ssn)", "m"),
    // Whole rows.
    ("SELECT row_to_json(a), a::text, (a)::text || '', count(a) FROM accounts a", "mmmm"),
    ("SELECT accounts::text FROM accounts", "m"),
    ("SELECT ROW(a.*)::text, format('%s', a) FROM accounts a", "mm"),
    ("SELECT (a).ssn FROM accounts a", "m"),
    ("SELECT ssn(a) FROM accounts a", "m"),
    ("SELECT to_jsonb(x) FROM (SELECT * FROM accounts) x", "m"),
    ("SELECT (x.r).ssn FROM (SELECT a AS r FROM accounts a) x", "m"),
    // Calls with the whole row in the notation of columns.
    ("SELECT a.concat, a.array_agg, a.json_agg, a.quote_literal, a.max FROM accounts a", "mmmmm"),
    ("SELECT a.concat, a.id + 1, a.ctid::text, a.name || '' FROM accounts a", "mccc"),
    ("SELECT public.accounts.jsonb_agg || '', accounts.of_a_later_release FROM accounts", "mm"),
    ("SELECT o.concat FROM orders o, accounts a", "m"),
    ("SELECT x.concat, x.of_a_later_release FROM (SELECT ssn AS n FROM accounts) x", "mm"),
    ("SELECT x.concat FROM (SELECT name AS n, lower(ssn) AS s, id AS concat FROM accounts) x", "m"),
    ("SELECT concat FROM (SELECT a.concat FROM accounts a) x", "m"),
    ("SELECT concat FROM (SELECT a.concat AS concat FROM accounts a) x", "m"),
    ("SELECT x.row_domain FROM (SELECT a.row_domain AS row_domain FROM accounts a) x", "m"),
    (
        "SELECT row_domain FROM (SELECT a.row_domain FROM accounts a) x, (SELECT 1 AS row_domain) y",
        "m",
    ),
    ("WITH w AS (SELECT ssn AS n FROM accounts) SELECT w.json_build_array FROM w", "m"),
    ("SELECT j.concat FROM (accounts JOIN orders USING (id)) AS j", "m"),
    ("SELECT upper(c) FROM (SELECT *, a.concat AS c FROM accounts a) x", "m"),
    ("SELECT p.concat, p.low FROM people p", "mm"),
    ("UPDATE accounts SET name = 'x' RETURNING accounts.concat, old.concat, new.json_agg", "mmm"),
    ("UPDATE accounts a SET name = a.quote_literal RETURNING name", "m"),
    ("SELECT (SELECT upper(name) AS u FROM accounts ORDER BY u LIMIT 1)", "c"),
    (
        "SELECT x.n || '', x.count + 1 FROM (SELECT name AS n, count(*) FROM accounts GROUP BY 1) x",
        "cc",
    ),
    // A relation of which not all columns are known.
    ("SELECT extra || '' FROM strange", "m"),
    ("SELECT s.extra || '', 1 FROM strange s", "mc"),
    ("SELECT upper(n) FROM (SELECT extra AS n FROM strange) x", "m"),
    // One name in two sub-queries.
    (
        "SELECT a.n || '', b.n || '' FROM (SELECT name AS n FROM accounts) a, (SELECT ssn AS n FROM accounts) b",
        "cm",
    ),
    (
        "WITH a AS (SELECT name AS n FROM accounts), b AS (SELECT ssn AS n FROM accounts) SELECT upper(a.n), upper(b.n), upper(x.n), upper(y.z) FROM a, b, a AS x, b AS y(z)",
        "cmcm",
    ),
    (
        "WITH a(n) AS (SELECT name FROM accounts), b(n) AS (SELECT a.n || ssn FROM accounts, a) SELECT upper(a.n), upper(b.n) FROM a, b",
        "mm",
    ),
    (
        "WITH a(n) AS (SELECT name FROM accounts), b(n) AS (SELECT upper(ssn) FROM accounts) SELECT upper(a.n), upper(b.n) FROM a, b",
        "cm",
    ),
    (
        "SELECT a.n || '' FROM (SELECT ssn AS n FROM accounts) a, (SELECT (SELECT a.n || '' FROM (SELECT name AS n FROM accounts) a)) b",
        "m",
    ),
    ("SELECT a.m || '' FROM (SELECT ssn AS n, name AS m FROM accounts) a(m, x)", "m"),
    ("SELECT a.m || '', a.x || '' FROM (SELECT name AS n, ssn AS m FROM accounts) a(m, x)", "cm"),
    ("SELECT a.x || '' FROM (SELECT *, name AS n FROM accounts) a(m, x)", "m"),
    (
        "SELECT a.n || '' FROM (SELECT *, name AS n FROM accounts) a, (SELECT ssn AS n FROM accounts) b",
        "c",
    ),
    ("SELECT a.n || '' FROM (SELECT name AS n, ssn AS n FROM accounts) a", "m"),
    (
        "SELECT a.n || '' FROM (SELECT name AS n FROM accounts UNION SELECT ssn FROM accounts) a",
        "m",
    ),
    (
        "SELECT a.n || '' FROM (SELECT name AS n FROM accounts UNION SELECT * FROM (SELECT ssn FROM accounts) q) a",
        "m",
    ),
    (
        "WITH a AS (SELECT name AS n FROM accounts) SELECT (WITH a AS (SELECT ssn AS n FROM accounts) SELECT max(a.n) FROM a), a.n || '' FROM a",
        "mm",
    ),
    (
        "WITH a AS (SELECT name AS n FROM accounts), c AS (WITH a AS (SELECT ssn AS n FROM accounts) SELECT max(x.n) AS o FROM a x) SELECT c.o || '', y.n || '' FROM c, a y",
        "mm",
    ),
    (
        "WITH RECURSIVE r(n) AS (SELECT name FROM accounts UNION ALL SELECT q.n FROM (SELECT ssn AS n FROM accounts) q, r) SELECT r.n || '' FROM r",
        "m",
    ),
    (
        "SELECT l.z || '', k.z || '' FROM accounts a, LATERAL (SELECT a.ssn AS z) l, (SELECT name AS z FROM accounts) k",
        "mc",
    ),
    (
        "SELECT a.n || '' FROM (SELECT name AS n FROM accounts) a, LATERAL unnest(ARRAY[a.n]) AS b(n)",
        "c",
    ),
    (
        "SELECT a.n || '' FROM (SELECT name AS n FROM accounts) b, unnest(ARRAY(SELECT ssn FROM accounts)) AS a(n)",
        "m",
    ),
    (
        "SELECT j.n || '' FROM ((SELECT name AS n FROM accounts) a JOIN accounts b ON true) AS j(n, x)",
        "m",
    ),
    (
        "WITH log AS (UPDATE accounts SET name = ssn RETURNING name AS n) SELECT log.n || '' FROM log",
        "m",
    ),
    ("SELECT a.concat || '' FROM (SELECT name AS concat, ssn AS n FROM accounts) a", "m"),
    // Other names.
    ("SELECT s FROM (SELECT reverse(ssn) AS s FROM accounts) x", "m"),
    ("SELECT x.t FROM (SELECT id, lower(ssn) FROM accounts) x(i, t)", "m"),
    ("SELECT lower(b) FROM accounts a(x, b, y)", "m"),
    ("SELECT lower(b) FROM (accounts JOIN orders USING (id)) AS j(a, b)", "m"),
    ("SELECT upper(u::text) FROM accounts JOIN accounts b USING (ssn) AS u", "m"),
    ("WITH w AS (SELECT ssn AS n FROM accounts) SELECT n || '' FROM w", "m"),
    ("WITH w(a, b) AS (SELECT id, ssn FROM accounts) SELECT b || '', a + 1 FROM w", "mc"),
    ("WITH w(a, b) AS (SELECT * FROM accounts) SELECT b || '', a::text FROM w", "mm"),
    (
        "WITH w AS (SELECT id FROM accounts), v AS (SELECT ssn AS z FROM accounts) SELECT z || '' FROM w, v",
        "m",
    ),
    (
        "WITH RECURSIVE r(s) AS (SELECT ssn FROM accounts UNION ALL SELECT s FROM r) SELECT s FROM r",
        "m",
    ),
    (
        "WITH RECURSIVE r(i, s) AS (SELECT id, ssn FROM accounts UNION ALL SELECT i, s FROM r) SEARCH DEPTH FIRST BY s SET o SELECT o FROM r",
        "m",
    ),
    (
        "WITH RECURSIVE r(i, s) AS (SELECT id, ssn FROM accounts UNION ALL SELECT i, s FROM r) CYCLE s SET c USING p SELECT p FROM r",
        "m",
    ),
    ("SELECT l.j || '' FROM accounts a CROSS JOIN LATERAL (SELECT a.ssn) AS l(j)", "m"),
    ("SELECT column1 FROM (VALUES ((SELECT ssn FROM accounts LIMIT 1))) v", "m"),
    ("SELECT k FROM (VALUES ((SELECT ssn FROM accounts LIMIT 1))) v(k)", "m"),
    ("SELECT lower FROM (SELECT lower(ssn) FROM accounts) x", "m"),
    ("SELECT \"?column?\" FROM (SELECT ssn || '' FROM accounts) x", "m"),
    // Set operations and sub-queries.
    ("SELECT name FROM accounts UNION ALL SELECT ssn FROM accounts", "m"),
    ("SELECT id, name FROM accounts EXCEPT SELECT id, ssn FROM accounts", "cm"),
    ("SELECT n FROM (SELECT name AS n FROM accounts UNION SELECT ssn FROM accounts) x", "m"),
    ("SELECT name FROM (SELECT name FROM accounts UNION SELECT ssn FROM accounts) x", "m"),
    (
        "SELECT upper(n) FROM (SELECT name AS n, 1 FROM accounts UNION (SELECT * FROM orders)) x",
        "m",
    ),
    ("SELECT (SELECT ssn FROM accounts LIMIT 1)", "m"),
    ("SELECT ARRAY(SELECT ssn FROM accounts)", "m"),
    ("SELECT EXISTS (SELECT 1 FROM accounts WHERE ssn = 'x')", "m"),
    ("SELECT 'x' = ANY (SELECT ssn FROM accounts)", "m"),
    ("VALUES ((SELECT ssn FROM accounts LIMIT 1))", "m"),
    // Functions in FROM.
    ("SELECT c FROM unnest(ARRAY(SELECT ssn FROM accounts)) c", "m"),
    ("SELECT value FROM accounts a, json_each_text(row_to_json(a))", "m"),
    ("SELECT w FROM accounts a, regexp_split_to_table(a.ssn, '') w", "m"),
    ("SELECT v FROM accounts a, unnest(ARRAY[a.ssn]) WITH ORDINALITY u(v, n)", "m"),
    (
        "SELECT x.c FROM accounts a, XMLTABLE('/r' PASSING xmlelement(name r, a.ssn) COLUMNS c text PATH '.') x",
        "m",
    ),
    // Code that is not shown.
    ("SELECT f(1), pg_read_file('x'), id OPERATOR(public.+) 1 FROM accounts", "mmm"),
    ("SELECT query_to_xml('SELECT ssn FROM accounts', true, true, '')", "m"),
    ("SELECT x FROM f(1) x", "m"),
    ("SELECT set_config('a.b', 'x', false)", "m"),
    ("SHOW application_name", "m"),
    ("SHOW TimeZone", "m"),
    ("SELECT current_setting('timezone') || '', current_setting('server_version')", "mc"),
    ("SELECT x FROM (SELECT current_setting('search_path') AS x) y", "m"),
    ("SELECT setting || '', reset_val, name || '' FROM pg_settings", "mmc"),
    ("SHOW a.b", "m"),
    ("FETCH ALL FROM c", "m"),
    ("EXECUTE p", "m"),
    ("CALL p(1)", "m"),
    ("SELECT FROM", "m"),
    // What is written and returned.
    ("INSERT INTO orders(total) SELECT length(ssn) FROM accounts RETURNING total", "m"),
    ("INSERT INTO accounts(name) SELECT ssn FROM accounts RETURNING name, id", "mm"),
    ("UPDATE accounts SET name = ssn RETURNING name", "m"),
    ("UPDATE accounts SET (name, id) = (SELECT ssn, 1 FROM accounts LIMIT 1) RETURNING name", "m"),
    ("DELETE FROM accounts a RETURNING a::text, upper(ssn), upper(name)", "mmc"),
    (
        "INSERT INTO accounts(id) VALUES (1) ON CONFLICT (id) DO UPDATE SET name = accounts.ssn RETURNING name",
        "m",
    ),
    (
        "INSERT INTO accounts(id) VALUES (1) ON CONFLICT (id) DO UPDATE SET name = 'x' RETURNING row_to_json(old), row_to_json(new)",
        "mm",
    ),
    (
        "MERGE INTO orders o USING accounts a ON true WHEN MATCHED THEN UPDATE SET total = length(a.ssn) RETURNING o.total",
        "m",
    ),
    ("WITH d AS (DELETE FROM accounts RETURNING ssn AS gone) SELECT gone || '' FROM d", "m"),
    (
        "WITH i AS (INSERT INTO orders(total) SELECT length(ssn) FROM accounts RETURNING total AS t) SELECT t FROM i",
        "m",
    ),
    // Plans.
    ("EXPLAIN SELECT * FROM accounts", "m"),
    ("EXPLAIN SELECT 1 FROM accounts WHERE ssn = 'x'", "m"),
    ("EXPLAIN ANALYZE SELECT name FROM accounts WHERE ssn = 'x'", "m"),
    // Views, partitions and the server's own.
    ("SELECT upper(tax), upper(whole), upper(people::text) FROM people", "mmm"),
    ("SELECT upper(tax) FROM more_people", "m"),
    ("SELECT lower(ssn), lower(name), lower(last4) FROM accounts_1", "mcm"),
    ("SELECT lower(x) FROM strange", "m"),
    ("SELECT most_common_vals::text, tablename || '' FROM pg_stats", "mm"),
    ("SELECT query || '' FROM pg_stat_activity", "m"),
    ("SELECT relname || '' FROM pg_class", "c"),
    ("SELECT lower(ssn) FROM elsewhere.accounts", "c"),
    ("SELECT lower(ssn) FROM missing", "m"),
];

const STARRED: &[(&str, &[(&str, char)])] = &[
    (
        "SELECT * FROM (SELECT id, name AS n, lower(ssn) AS s FROM accounts) x",
        &[("id", 'c'), ("n", 'c'), ("s", 'm')],
    ),
    ("SELECT *, upper(ssn) FROM accounts", &[("id", 'm'), ("upper", 'm')]),
    (
        "SELECT *, upper(name) AS u FROM accounts FULL JOIN orders USING (id)",
        &[("id", 'c'), ("u", 'c')],
    ),
    ("SELECT * FROM accounts FULL JOIN accounts b USING (ssn)", &[("ssn", 'm'), ("name", 'c')]),
    ("SELECT * FROM unnest(ARRAY(SELECT ssn FROM accounts)) AS x", &[("x", 'm')]),
    (
        "SELECT x.* FROM (SELECT name FROM accounts UNION SELECT ssn FROM accounts) x",
        &[("name", 'm')],
    ),
    (
        "SELECT * FROM (SELECT * FROM accounts UNION SELECT 1, ssn, '' FROM accounts) x",
        &[("name", 'm')],
    ),
    ("SELECT *, a.concat FROM accounts a", &[("name", 'c'), ("concat", 'm')]),
    ("SELECT x.* FROM (SELECT a.concat, id FROM accounts a) x", &[("concat", 'm'), ("id", 'c')]),
    ("SELECT * FROM strange", &[("extra", 'm')]),
    ("TABLE accounts UNION TABLE accounts", &[("name", 'm')]),
    ("SELECT (a).* FROM accounts a", &[("name", 'm'), ("ssn", 'm')]),
];

fn relation(schema: &str, name: &str, columns: &[&str], rows: Rows) -> Reached {
    let attribute = |name: &str| Attribute {
        name: name.to_owned(),
        generated_from: if name == "last4" { BTreeSet::from([1]) } else { BTreeSet::new() },
    };
    let numbered = columns.iter().zip(1..).map(|(column, n)| (n, attribute(column)));
    Reached {
        name: Name::in_schema(schema, name),
        columns: numbered.collect(),
        kin: Kin::These(BTreeSet::new()),
        rows,
        rules: Rules::None,
    }
}

/// The relations of the corpus; `public.accounts.ssn` is covered.
fn known() -> Known {
    let query = |text: &str| Rows::Query(text.to_owned());
    let own = |name, columns: &[&str]| relation("public", name, columns, Rows::Own);
    let mut partition = own("accounts_1", &["ssn", "id", "name", "last4"]);
    partition.kin = Kin::These(BTreeSet::from([Name::in_schema("public", "accounts")]));
    let relations = [
        own("accounts", &["id", "name", "ssn"]),
        own("orders", &["id", "account_id", "total"]),
        partition,
        relation("elsewhere", "accounts", &["id", "ssn"], Rows::Own),
        relation("public", "strange", &["x"], Rows::Unknown),
        relation(
            "public",
            "people",
            &["id", "tax", "plain", "whole"],
            query(
                "SELECT accounts.id, accounts.ssn AS tax, accounts.name AS plain, (accounts.*)::text AS whole FROM public.accounts",
            ),
        ),
        relation("public", "more_people", &["tax"], query("SELECT people.tax FROM public.people")),
        relation("pg_catalog", "pg_stats", &["tablename", "most_common_vals"], Rows::System),
        relation("pg_catalog", "pg_stat_activity", &["query"], Rows::System),
        relation("pg_catalog", "pg_class", &["relname"], Rows::System),
        relation("pg_catalog", "pg_settings", &["name", "setting", "reset_val"], Rows::System),
    ];
    let reach = Reach { relations: (100..).zip(relations).collect() };
    let definitions: BTreeMap<u32, Arc<Classified>> = reach
        .relations
        .iter()
        .filter_map(|(oid, one)| match &one.rows {
            Rows::Query(text) => Some((*oid, Arc::new(classify(text)))),
            Rows::Own | Rows::System | Rows::Unknown => None,
        })
        .collect();
    Known { reach, definitions, tables: Some(BTreeSet::new()) }
}

fn cover() -> Cover {
    let cover = Cover::of(&known(), &|column| column.to_string() == "public.accounts.ssn");
    cover.with_settings(SetBy::Anybody)
}

fn nameless(names: &[&str]) -> Vec<Origin> {
    let origin = |name: &&str| Origin { name: (*name).to_owned(), relation: 0, column: 0 };
    names.iter().map(origin).collect()
}

fn letters(sources: &[Source]) -> String {
    sources.iter().map(|source| if *source == Source::Clear { 'c' } else { 'm' }).collect()
}

#[test]
fn what_may_carry_a_covered_value_is_found_whatever_it_is_called_and_the_rest_stays_readable() {
    let cover = cover();
    let mut wrong = Vec::new();
    for (text, expected) in CORPUS {
        let classified = classify(text);
        let columns = vec!["c"; expected.len()];
        let found =
            letters(&cover.sources(&classified.statements[0], Code::OfText, &nameless(&columns)));
        if found != *expected {
            wrong.push(format!("{text}\n  expected {expected} found {found}"));
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn columns_that_a_star_stands_for_are_told_by_their_names() {
    let cover = cover();
    for (text, expected) in STARRED {
        let names: Vec<&str> = expected.iter().map(|(name, _)| *name).collect();
        let letter: String = expected.iter().map(|(_, letter)| letter).collect();
        let classified = classify(text);
        let found =
            letters(&cover.sources(&classified.statements[0], Code::OfText, &nameless(&names)));
        assert_eq!(found, letter, "{text}");
    }
}

#[test]
fn a_column_with_an_origin_is_judged_by_it() {
    let cover = cover();
    let statement =
        &classify("SELECT a, b, c, d, e, f, g FROM accounts, people, accounts_1").statements[0];
    let at = |relation, column| Origin { name: "x".to_owned(), relation, column };
    let origins = [
        at(100, 3),  // accounts.ssn
        at(100, 2),  // accounts.name
        at(100, 0),  // a whole row
        at(100, -1), // ctid
        at(100, 9),  // a column that was added since
        at(105, 2),  // people.tax
        at(102, 1),  // accounts_1.ssn
        at(999, 1),  // a table that was made since
        at(104, -1), // of a relation that is not understood
    ];
    let sources = cover.sources(statement, Code::OfText, &origins);
    assert_eq!(letters(&sources), "mcmcmmmmm");
    assert!(matches!(&sources[0], Source::Column(names) if names.len() == 1), "{sources:?}");
    assert!(matches!(&sources[2], Source::Derived(_)), "{sources:?}");
    assert!(matches!(&sources[5], Source::Column(_)), "{sources:?}");
}

#[test]
fn a_rule_on_what_is_made_of_a_column_adds_to_the_rule_on_the_column() {
    let covered = ["public.accounts.ssn", "public.people.tax", "public.accounts_1.last4"];
    let cover = Cover::of(&known(), &|column| covered.contains(&column.to_string().as_str()));
    let statement = &classify("SELECT a, b FROM people, accounts_1").statements[0];
    let at = |relation, column| Origin { name: "x".to_owned(), relation, column };
    let sources = cover.sources(statement, Code::OfText, &[at(105, 2), at(102, 4)]);
    let names = |source: &Source| match source {
        Source::Column(names) | Source::Derived(names) => {
            names.iter().map(ToString::to_string).collect()
        }
        Source::Clear | Source::Anything => Vec::new(),
    };
    assert_eq!(names(&sources[0]), ["public.accounts.ssn", "public.people.tax"]);
    assert_eq!(names(&sources[1]), ["public.accounts.ssn", "public.accounts_1.last4"]);
    assert!(matches!(&sources[1], Source::Derived(_)), "{sources:?}");
}

#[test]
fn settings_stay_readable_as_long_as_no_code_has_made_them() {
    let cover = cover().with_settings(SetBy::Known);
    for text in ["SHOW application_name", "SELECT current_setting('timezone') || ''"] {
        let statement = &classify(text).statements[0];
        let sources = cover.sources(statement, Code::OfText, &nameless(&["x"]));
        assert_eq!(letters(&sources), "c", "{text}");
    }
}

#[test]
fn what_a_rule_or_trigger_returns_is_not_what_the_description_says() {
    let mut known = known();
    known.reach.relations.get_mut(&101).unwrap().rules = Rules::Some;
    let cover = Cover::of(&known, &|column| column.to_string() == "public.accounts.ssn");
    let plain = [Origin { name: "total".to_owned(), relation: 101, column: 3 }];
    for (text, expected) in [
        ("SELECT total FROM orders", "c"),
        ("UPDATE orders SET id = 1 RETURNING total", "m"),
        ("WITH d AS (DELETE FROM orders RETURNING total) SELECT total FROM d", "m"),
    ] {
        let statement = &classify(text).statements[0];
        let sources = cover.sources(statement, Code::OfText, &plain);
        assert_eq!(letters(&sources), expected, "{text}");
    }
}

#[test]
fn code_of_a_users_can_bring_anything_into_what_is_computed_and_nothing_into_what_is_not() {
    let cover = cover();
    let statement = &classify("SELECT upper(name), name FROM accounts").statements[0];
    let plain = Origin { name: "name".to_owned(), relation: 100, column: 2 };
    let origins = [nameless(&["upper"]), vec![plain]].concat();
    assert_eq!(letters(&cover.sources(statement, Code::OfText, &origins)), "cc");
    assert_eq!(letters(&cover.sources(statement, Code::Unseen, &origins)), "mc");
    // More columns than the text has: a rule of the target's answers.
    let origins = nameless(&["a", "b", "c"]);
    assert_eq!(letters(&cover.sources(statement, Code::OfText, &origins)), "mmm");
}

#[test]
fn a_copy_is_judged_by_its_columns() {
    let cover = cover();
    for (text, expected) in [
        ("COPY accounts(id, name) TO STDOUT", 'c'),
        ("COPY accounts TO STDOUT", 'm'),
        ("COPY public.accounts(ssn) TO STDOUT", 'm'),
        ("COPY accounts_1 TO STDOUT", 'm'),
        ("COPY orders TO STDOUT", 'c'),
        ("COPY (SELECT name FROM accounts) TO STDOUT", 'c'),
        ("COPY (SELECT name, ssn FROM accounts) TO STDOUT", 'm'),
        ("COPY (SELECT * FROM accounts) TO STDOUT", 'm'),
        ("COPY (SELECT * FROM orders) TO STDOUT", 'c'),
        ("COPY (SELECT * FROM people) TO STDOUT", 'm'),
        ("COPY (DELETE FROM accounts RETURNING ssn) TO STDOUT", 'm'),
        ("COPY (UPDATE accounts SET name = ssn RETURNING name) TO STDOUT", 'm'),
        ("COPY (INSERT INTO orders SELECT id, ssn FROM accounts RETURNING 1) TO STDOUT", 'm'),
        ("COPY people TO STDOUT", 'm'),
        ("COPY (SELECT a.concat FROM accounts a) TO STDOUT", 'm'),
        ("COPY (SELECT a.id, a.name FROM accounts a) TO STDOUT", 'c'),
        ("COPY missing TO STDOUT", 'm'),
    ] {
        let classified = classify(text);
        let moved = cover.moved(&classified.statements[0], Code::OfText);
        assert_eq!(letters(&[moved]), expected.to_string(), "{text}");
    }
}

#[test]
fn a_text_with_too_many_names_is_not_followed() {
    let items: Vec<String> = (0..1_500).map(|n| format!("a{n} AS a{}", n + 1)).collect();
    let text = format!("SELECT {} FROM (SELECT {} FROM t) x", items.join(","), items.join(","));
    let carried = &classify(&text).statements[0].carried;
    assert_eq!(carried.columns, Columns::Unknown);
}
