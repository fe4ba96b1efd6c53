//! Whatever happens to the bytes of a statement, the classifier neither fails nor calls something plain that runs an
//! unlisted function.

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

/// What holds for every text.
fn check(text: &str) -> Result<(), TestCaseError> {
    for statement in &classify(text).statements {
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
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

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
    fn any_characters_at_all_are_classified(text in "\\PC{0,60}") {
        check(&text)?;
    }
}
