//! Whatever happens to the bytes of a statement, the classifier neither fails nor calls something plain that runs an
//! unlisted function.

use crate::tests::thorough;
use proptest::prelude::*;

use super::{
    super::{Action, StatementKind, classify, functions},
    corpus::{held, reads},
};

/// Pieces that turn a read into something else when they land in the right place.
const SPLINTERS: &[&str] = &[
    "'",
    "\"",
    "$$",
    "--",
    "/*",
    "*/",
    ";",
    "\\",
    "(",
    ")",
    "\n",
    "\r",
    "\u{b}",
    ".",
    "::",
    " f()",
    "pg_sleep(1)",
    " FOR UPDATE",
    " INTO n",
    "DELETE FROM t",
    "; COMMIT",
    ".pg_read_file",
    "x",
    "E'",
    "U&\"",
    "::mytype",
    "WITH ",
    " UNION ",
    ", ",
    "=",
    "===",
];

fn changed(text: &str, steps: &[(usize, usize, u8)]) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for &(place, splinter, how) in steps {
        let at = place % (bytes.len() + 1);
        match how % 4 {
            0 => {
                let piece = SPLINTERS[splinter % SPLINTERS.len()].bytes();
                bytes.splice(at..at, piece);
            }
            1 if at < bytes.len() => drop(bytes.remove(at)),
            2 if at < bytes.len() => bytes[at] = u8::try_from(splinter % 256).unwrap(),
            _ => {
                let end = (at + splinter % 8).min(bytes.len());
                let copy = bytes[at..end].to_vec();
                bytes.splice(at..at, copy);
            }
        }
    }
    // The session refuses what is no UTF-8 before it comes here.
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Words and marks that a statement can be made of, also of nonsense.
const TOKENS: &[&str] = &[
    "SELECT",
    "FROM",
    "WHERE",
    "t",
    "a",
    "b",
    "*",
    ",",
    "(",
    ")",
    "1",
    "'x'",
    "$1",
    "=",
    "<",
    "||",
    "::",
    "int",
    "text",
    "regclass",
    "AS",
    "WITH",
    "RECURSIVE",
    "q",
    "INSERT",
    "INTO",
    "VALUES",
    "UPDATE",
    "SET",
    "DELETE",
    "RETURNING",
    "UNION",
    "ALL",
    "FOR",
    "UPDATE",
    "SHARE",
    "COPY",
    "TO",
    "STDOUT",
    "PROGRAM",
    "'id'",
    "EXPLAIN",
    "ANALYZE",
    "DO",
    "CALL",
    "f",
    "()",
    "pg_sleep",
    "lower",
    "count",
    "OVER",
    "PARTITION",
    "BY",
    "ORDER",
    "LIMIT",
    "TABLE",
    "LATERAL",
    "JOIN",
    "ON",
    "USING",
    "CASE",
    "WHEN",
    "THEN",
    "END",
    "ARRAY",
    "[",
    "]",
    ".",
    ";",
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    "SHOW",
    "timezone",
    "PREPARE",
    "EXECUTE",
    "DECLARE",
    "CURSOR",
    "FETCH",
    "LOCK",
    "TRUNCATE",
    "GRANT",
    "CREATE",
    "DROP",
    "ALTER",
    "VIEW",
    "pg_catalog",
    "secret",
    "\"T\"",
    "U&\"\\0061\"",
    "E'\\''",
    "$$x$$",
    "NOT",
    "NULL",
    "IS",
    "IN",
    "EXISTS",
    "ROW",
    "COLLATE",
    "\"C\"",
    "MERGE",
    "MATCHED",
    "TABLESAMPLE",
    "system",
    "XMLTABLE",
    "JSON_TABLE",
    "pg_read_file",
    "current_user",
    "nextval",
    "GROUP",
    "HAVING",
    "WINDOW",
];

/// What may stand between them.
const BLANKS: &[&str] = &[" ", "", "\n", "/**/", "--\n", "\t", "\r"];

/// What another walk over the same tree, the parser library's own, says of a text that is taken for plain.
fn agrees_with_another_walk(text: &str) -> Result<(), TestCaseError> {
    let parsed = pg_query::parse(text, 0);
    prop_assert!(parsed.is_ok(), "plain, and the grammar does not take it: {text}");
    let parsed = parsed.unwrap();
    prop_assert!(parsed.dml_tables().is_empty(), "plain, with {:?}: {text}", parsed.dml_tables());
    prop_assert!(parsed.ddl_tables().is_empty(), "plain, with {:?}: {text}", parsed.ddl_tables());
    for name in parsed.functions() {
        let bare = name.strip_prefix("pg_catalog.").unwrap_or(&name);
        let known = functions::built_in_functions().any(|known| known == bare);
        let otherwise = matches!(bare, "current_setting" | "extract");
        prop_assert!(known || otherwise, "plain with {name}: {text}");
    }
    Ok(())
}

/// What holds for every text.
fn check(text: &str) -> Result<(), TestCaseError> {
    let classified = classify(text);
    if classified.statements.iter().all(super::super::Statement::is_plain) {
        agrees_with_another_walk(text)?;
    }
    for statement in &classified.statements {
        prop_assert!(!statement.demands.is_empty(), "no demand: {text}");
        prop_assert!(text.get(statement.span.clone()).is_some(), "no such span: {text}");
        let opaque = statement.demands.iter().any(|demand| demand.action == Action::Opaque);
        prop_assert!(
            opaque || statement.kind != StatementKind::Opaque,
            "opaque without the demand: {text}"
        );
        if statement.is_plain() {
            for name in &statement.functions {
                let setting = name.name == "current_setting";
                prop_assert!(setting || functions::is_harmless(name), "plain with {name}: {text}");
            }
            let kind = matches!(
                statement.kind,
                StatementKind::Select
                    | StatementKind::Explain
                    | StatementKind::Show
                    | StatementKind::Transaction(_)
            );
            prop_assert!(kind, "plain {:?}: {text}", statement.kind);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(thorough(2000))]

    #[test]
    fn a_changed_read_never_hides_an_unlisted_function(
        start in any::<prop::sample::Index>(),
        steps in prop::collection::vec((any::<usize>(), any::<usize>(), any::<u8>()), 1..6),
    ) {
        let reads: Vec<String> = reads().collect();
        check(&changed(start.get::<String>(&reads), &steps))?;
    }

    #[test]
    fn a_changed_held_statement_keeps_the_rules_too(
        start in any::<prop::sample::Index>(),
        steps in prop::collection::vec((any::<usize>(), any::<usize>(), any::<u8>()), 1..4),
    ) {
        let held: Vec<String> = held().collect();
        check(&changed(start.get::<String>(&held), &steps))?;
    }

    #[test]
    fn words_in_any_order_are_no_read_that_they_are_not(
        words in prop::collection::vec((prop::sample::select(TOKENS), prop::sample::select(BLANKS)), 1..24),
        select in any::<bool>(),
    ) {
        let start = if select { "SELECT " } else { "" };
        let text: String = words.iter().flat_map(|(word, blank)| [*word, *blank]).collect();
        check(&format!("{start}{text}"))?;
    }

    #[test]
    fn any_characters_at_all_are_classified(text in "\\PC{0,60}") {
        check(&text)?;
    }
}
