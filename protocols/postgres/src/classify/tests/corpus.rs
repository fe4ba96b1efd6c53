//! Runs the corpus files. `reads.txt` holds plain reads only; no statement of any other file is plain.

use super::super::{Classified, classify};

const READS: &str = include_str!("corpus/reads.txt");
const HELD: &[(&str, &str)] = &[
    ("text.txt", include_str!("corpus/text.txt")),
    ("statements.txt", include_str!("corpus/statements.txt")),
    ("functions.txt", include_str!("corpus/functions.txt")),
    ("scopes.txt", include_str!("corpus/scopes.txt")),
];

/// The texts of a corpus file with their expectations.
pub(super) fn cases(file: &str) -> Vec<(String, String)> {
    let mut cases = Vec::new();
    let mut text: Vec<&str> = Vec::new();
    for line in file.lines() {
        if let Some(expected) = line.strip_prefix("=> ") {
            cases.push((unescape(&text.join("\n")), expected.trim().to_owned()));
            text.clear();
        } else if !(text.is_empty() && (line.starts_with('#') || line.is_empty())) {
            text.push(line);
        }
    }
    assert!(text.is_empty(), "a case without expectation: {text:?}");
    cases
}

/// Every text of the corpus that is not plain.
pub(super) fn held() -> impl Iterator<Item = String> {
    HELD.iter().flat_map(|(_, file)| cases(file)).map(|(text, _)| text)
}

/// Every plain text of the corpus.
pub(super) fn reads() -> impl Iterator<Item = String> {
    cases(READS).into_iter().map(|(text, _)| text)
}

fn unescape(text: &str) -> String {
    text.replace('␋', "\u{b}")
        .replace('␌', "\u{c}")
        .replace('␍', "\r")
        .replace('␉', "\t")
        .replace('␀', "\0")
}

/// The demands of each statement, as the corpus writes them.
fn written(classified: &Classified) -> String {
    let statement = |statement: &super::super::Statement| {
        statement.demands.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    };
    let all: Vec<String> = classified.statements.iter().map(statement).collect();
    if all.is_empty() { "nothing".to_owned() } else { all.join(" | ") }
}

fn failures(name: &str, file: &str) -> Vec<String> {
    cases(file)
        .into_iter()
        .filter_map(|(text, expected)| {
            let found = written(&classify(&text));
            (found != expected)
                .then(|| format!("{name}: {text}\n  expected {expected}\n  found    {found}"))
        })
        .collect()
}

#[test]
fn every_statement_of_the_corpus_demands_what_it_should() {
    let all: Vec<String> = HELD
        .iter()
        .chain(&[("reads.txt", READS)])
        .flat_map(|(name, file)| failures(name, file))
        .collect();
    assert!(all.is_empty(), "{} cases differ:\n{}", all.len(), all.join("\n"));
}

#[test]
fn the_reads_of_the_corpus_are_plain_and_nothing_else_of_it_is() {
    for text in reads() {
        assert!(
            classify(&text).statements.iter().all(super::super::Statement::is_plain),
            "should be plain: {text}"
        );
    }
    for text in held() {
        let classified = classify(&text);
        assert!(!classified.statements.is_empty(), "should be a statement: {text}");
        assert!(
            classified.statements.iter().any(|statement| !statement.is_plain()),
            "must not be plain: {text}"
        );
    }
}

#[test]
fn the_corpus_is_large() {
    assert!(held().count() >= 300, "{} cases", held().count());
    assert!(reads().count() >= 80, "{} cases", reads().count());
}
