//! Spans, kinds, parameters, fences, notes and the limits of size and depth.

use super::super::{
    Action, Demand, Fence, MAX_TEXT_BYTES, Name, Statement, StatementKind, TransactionStep,
    classify, is_pinned_setting,
};

fn only(text: &str) -> Statement {
    let mut statements = classify(text).statements;
    assert_eq!(statements.len(), 1, "{text}");
    statements.remove(0)
}

fn is_opaque(text: &str) -> bool {
    only(text).demands.contains(&Demand { action: Action::Opaque, object: None })
}

#[test]
fn spans_cut_the_text_into_its_statements() {
    let text = "SELECT 'ü'; DELETE FROM t ;\n UPDATE t SET a = 1";
    let classified = classify(text);
    let parts: Vec<&str> =
        classified.statements.iter().map(|statement| text[statement.span.clone()].trim()).collect();
    assert_eq!(parts, ["SELECT 'ü'", "DELETE FROM t", "UPDATE t SET a = 1"]);
    assert!(classified.is_batch());
    assert!(
        classified
            .demands()
            .contains(&Demand { action: Action::Write, object: Some(Name::bare("t")) })
    );
}

#[test]
fn a_text_without_statements_has_none() {
    for text in ["", "  \n", ";;", "-- DELETE FROM t", "/* x */ ; --"] {
        assert!(classify(text).statements.is_empty(), "{text}");
    }
}

#[test]
fn kinds_tell_the_session_what_happens_to_its_state() {
    let kinds = [
        ("SELECT 1", StatementKind::Select),
        ("SELECT 1 INTO n", StatementKind::Define),
        ("START TRANSACTION", StatementKind::Transaction(TransactionStep::Begin)),
        ("END", StatementKind::Transaction(TransactionStep::Commit)),
        ("ABORT", StatementKind::Transaction(TransactionStep::Rollback)),
        ("ROLLBACK TO a", StatementKind::Transaction(TransactionStep::RollbackTo)),
        ("COMMIT PREPARED 'x'", StatementKind::Transaction(TransactionStep::TwoPhase)),
        ("SET Search_Path = x", StatementKind::Set(Some("search_path".to_owned()))),
        ("DISCARD ALL", StatementKind::Set(None)),
        ("COPY t TO STDOUT", StatementKind::CopyOut),
        ("COPY t FROM STDIN", StatementKind::CopyIn),
        ("COPY t FROM '/x'", StatementKind::CopyAside),
        ("COPY t TO PROGRAM 'x'", StatementKind::CopyAside),
        ("EXECUTE p", StatementKind::Execute),
        ("DO ''", StatementKind::Routine),
        ("nonsense", StatementKind::Opaque),
    ];
    for (text, kind) in kinds {
        assert_eq!(only(text).kind, kind, "{text}");
    }
}

#[test]
fn the_fence_follows_the_demands() {
    assert_eq!(only("SELECT * FROM t").fence, Fence::ReadOnly);
    assert_eq!(only("EXPLAIN ANALYZE SELECT * FROM t").fence, Fence::ReadOnly);
    assert_eq!(only("SHOW server_version").fence, Fence::ReadOnly);
    assert_eq!(only("SELECT f()").fence, Fence::Writes);
    assert_eq!(only("SELECT * FROM t FOR UPDATE").fence, Fence::Writes);
    assert_eq!(only("COMMIT").fence, Fence::TransactionControl);
    assert_eq!(only("nonsense").fence, Fence::Writes);
}

#[test]
fn what_the_catalogue_must_confirm_is_listed() {
    let statement = only(
        "SELECT a.wipe, lower(a.name), pg_catalog.upper('x') FROM public.accounts a WHERE a.id >= $3 AND $1 = 2",
    );
    assert!(statement.is_plain());
    assert_eq!(statement.parameters, 3);
    assert!(statement.attributes.contains(&Name::in_schema("a", "wipe")));
    assert!(statement.functions.contains(&Name::bare("lower")));
    assert!(statement.functions.contains(&Name::in_schema("pg_catalog", "upper")));
    assert!(statement.operators.contains(">="));
    assert_eq!(
        statement.tables.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["public.accounts"]
    );
    assert_eq!(statement.summary, "SELECT: public.accounts");
}

#[test]
fn fingerprints_tell_relations_and_schemas_apart_and_values_not() {
    let of = |text: &str| only(text).fingerprint.unwrap();
    assert_eq!(of("SELECT * FROM t WHERE a = 1"), of("select  * from t where a = 2"));
    assert_ne!(of("SELECT * FROM secret t"), of("SELECT * FROM public_data t"));
    assert_ne!(of("SELECT * FROM a.t"), of("SELECT * FROM b.t"));
    assert_ne!(of("SELECT * FROM t_2024_01"), of("SELECT * FROM t_2024_02"));
    assert_eq!(
        only("SELECT * FROM t WHERE a = 'x'").normalised.unwrap(),
        "SELECT * FROM t WHERE a = $1"
    );
}

#[test]
fn summaries_and_notes_hold_no_values() {
    for text in [
        "DELETE FROM t WHERE a = 'hunter2'",
        "DO 'hunter2'",
        "ALTER ROLE x PASSWORD 'hunter2'",
        "SELECT 'hunter2' FROM",
    ] {
        let statement = only(text);
        assert!(!statement.summary.contains("hunter2"), "{}", statement.summary);
        assert!(
            !statement.notes.iter().any(|note| note.contains("hunter2")),
            "{:?}",
            statement.notes
        );
    }
}

#[test]
fn too_long_a_text_is_opaque() {
    assert!(is_opaque(&format!("SELECT '{}'", "x".repeat(MAX_TEXT_BYTES))));
    assert!(!is_opaque(&format!("SELECT '{}'", "x".repeat(MAX_TEXT_BYTES / 2))));
}

#[test]
fn too_deep_a_tree_is_opaque() {
    let check = || {
        let nested =
            |levels: usize| format!("SELECT {}1{}", "(SELECT ".repeat(levels), ")".repeat(levels));
        assert!(!is_opaque(&nested(10)));
        assert!(is_opaque(&nested(200)));
        assert!(is_opaque(&format!("SELECT {}1", "- ".repeat(100_000))));
        assert!(is_opaque(&format!("SELECT {}1{}", "(".repeat(200_000), ")".repeat(200_000))));
    };
    // The grammar counts on as much stack as the worker gives it, which a test's thread has not.
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(super::super::worker::STACK_BYTES);
        thread.spawn_scoped(scope, check).unwrap().join().unwrap();
    });
}

#[test]
fn wide_statements_are_understood() {
    let list = (0..5_000).map(|n| n.to_string()).collect::<Vec<_>>().join(", ");
    assert!(only(&format!("SELECT * FROM t WHERE a IN ({list})")).is_plain());
    let terms = vec!["a = 1"; 2_000].join(" OR ");
    assert!(only(&format!("SELECT * FROM t WHERE {terms}")).is_plain());
}

#[test]
fn pinned_settings_are_compared_as_postgresql_compares_them() {
    assert!(is_pinned_setting("Standard_Conforming_Strings"));
    assert!(is_pinned_setting("ROLE"));
    assert!(!is_pinned_setting("statement_timeout"));
}

#[test]
fn a_name_with_a_dot_is_not_a_schema_and_a_name() {
    assert_eq!(Name::bare("a.b").to_string(), "\"a.b\"");
    assert_eq!(Name::in_schema("a", "b").to_string(), "a.b");
    assert_eq!(Name::bare("a\"b").to_string(), "\"a\"\"b\"");
    assert_eq!(Name::bare("1a").to_string(), "\"1a\"");
}

#[test]
fn columns_count_for_every_relation_that_they_can_belong_to() {
    let columns = |text: &str| {
        let named = only(text).columns;
        let shown = named
            .iter()
            .map(|named| format!("{}.{}", named.relation, named.column.as_deref().unwrap_or("*")));
        // By its name alone and behind its relation's, it is one.
        let mut shown: Vec<String> = shown.collect();
        shown.dedup();
        shown.join(" ")
    };
    for (text, expected) in [
        ("SELECT 1", ""),
        ("SELECT a, b FROM t WHERE c > 0 ORDER BY d", "t.a t.b t.c t.d"),
        ("SELECT count(*) FROM t", ""),
        ("SELECT * FROM t", "t.*"),
        ("TABLE s.t", "s.t.*"),
        ("SELECT x.a, y.b FROM t x JOIN s.u AS y ON x.id = y.id", "t.a t.id s.u.b s.u.id"),
        ("SELECT x.* FROM t x, u", "t.*"),
        ("SELECT a FROM t, u", "t.a u.a"),
        ("SELECT t FROM t", "t.* t.t"),
        ("SELECT row_to_json(x) FROM t x", "t.* t.x"),
        ("SELECT public.t.a FROM public.t", "public.t.a"),
        ("SELECT q.n FROM (SELECT iban AS n FROM t) q", "t.iban"),
        ("WITH q AS (SELECT iban FROM t) SELECT q.iban FROM q", "t.iban"),
        ("SELECT x.p FROM t AS x(p, q)", "t.* t.p"),
        ("SELECT j.a FROM (t JOIN u ON true) AS j(a, b)", "t.* u.*"),
        ("SELECT 1 FROM t NATURAL JOIN u", "t.* u.*"),
        ("SELECT 1 FROM t JOIN u USING (id)", "t.id u.id"),
        ("SELECT 1 FROM t WHERE EXISTS (SELECT FROM u WHERE u.a = t.b)", "t.b u.a"),
        ("INSERT INTO t (a, b) VALUES (1, 2)", "t.a t.b"),
        ("INSERT INTO t VALUES (1)", "t.*"),
        (
            "INSERT INTO t (a) VALUES (1) ON CONFLICT (id) DO UPDATE SET b = excluded.a",
            "t.a t.b t.id",
        ),
        ("UPDATE t SET a = b + 1 WHERE c = 2 RETURNING old.d", "t.a t.b t.c t.d"),
        ("DELETE FROM t x USING u WHERE u.a = x.b RETURNING *", "t.* t.b u.* u.a"),
        (
            "MERGE INTO t USING u ON t.id = u.id WHEN NOT MATCHED THEN INSERT VALUES (u.a)",
            "t.* t.id u.a u.id",
        ),
        ("COPY t (a, b) TO STDOUT", "t.a t.b"),
        ("COPY t FROM STDIN", "t.*"),
        ("GRANT SELECT (a), UPDATE (b) ON t TO x", "t.a t.b"),
        ("CREATE INDEX ON t (a, lower(b))", "t.a t.b"),
        ("ALTER TABLE t DROP COLUMN a", "t.a"),
        ("ALTER TABLE t RENAME a TO b", "t.a t.b"),
        ("ALTER TABLE t RENAME CONSTRAINT a TO b", ""),
        ("ALTER TABLE t RENAME TO u", ""),
        ("ALTER TABLE t ADD COLUMN a int", "t.a"),
        ("ALTER TABLE t ADD CHECK (a > b)", "t.a t.b"),
        ("CREATE TABLE t (a int REFERENCES u (b))", "t.b u.b"),
        ("CREATE TABLE t (a int REFERENCES u)", "u.*"),
        ("ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES u ON DELETE SET NULL (a)", "t.a u.* u.a"),
        ("CREATE PUBLICATION p FOR TABLE t (a), u WHERE (b > 0)", "t.a t.b u.* u.a u.b"),
        ("ALTER PUBLICATION p ADD TABLE s.t (a)", "s.t.a"),
        ("COMMENT ON COLUMN s.t.a IS 'x'", "s.t.a"),
        ("SECURITY LABEL ON COLUMN t.a IS 'x'", "t.a"),
        ("VACUUM t (a, b)", "t.a t.b"),
        ("ANALYZE s.t (a)", "s.t.a"),
        ("CREATE TRIGGER g BEFORE UPDATE OF a ON t EXECUTE FUNCTION f()", "t.a"),
        (
            "INSERT INTO t (a) VALUES (1) ON CONFLICT DO UPDATE SET a = 1 WHERE excluded.b > t.c",
            "t.a t.b t.c",
        ),
        ("SELECT \"A b\" FROM \"T\"", "\"T\".A b"),
    ] {
        assert_eq!(columns(text), expected, "{text}");
    }
    // More than are told one by one.
    let many = (0..3000).map(|n| format!("c{n}")).collect::<Vec<_>>().join(", ");
    assert_eq!(columns(&format!("SELECT {many} FROM t")), "t.*");
}
