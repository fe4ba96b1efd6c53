//! Reads the corpus files. `reads.txt` holds plain reads only; no statement of any other file is plain.

use super::super::{Classified, classify};
use std::{fmt::Write as _, path::Path};

const READS: &str = "reads.txt";
/// Texts that the corpus has at least.
const LEAST_CASES: usize = 1000;
/// Texts that do at the server what they say, instead of failing, at least.
const LEAST_WORKING: usize = 750;
const FILES: &[(&str, &str)] = &[
    (READS, include_str!("corpus/reads.txt")),
    ("text.txt", include_str!("corpus/text.txt")),
    ("statements.txt", include_str!("corpus/statements.txt")),
    ("functions.txt", include_str!("corpus/functions.txt")),
    ("scopes.txt", include_str!("corpus/scopes.txt")),
    ("further.txt", include_str!("corpus/further.txt")),
    ("newer.txt", include_str!("corpus/newer.txt")),
];

/// Texts that only the target's catalogue can tell from plain reads, with what is asked for once it was looked at.
const CATALOGUE: &[(&str, &str)] = &[("catalogue.txt", include_str!("corpus/catalogue.txt"))];

/// A text with what is said of it.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) file: &'static str,
    /// Where its demands stand.
    pub(crate) line: usize,
    pub(crate) text: String,
    pub(crate) demands: String,
    /// What it did at a real server; empty where nobody has seen it yet.
    pub(crate) effect: String,
}

impl Case {
    /// Whether it is a plain read.
    pub(crate) fn is_read(&self) -> bool {
        self.file == READS
    }
}

/// Every case that the text alone decides, in the order of the files.
pub(crate) fn every() -> Vec<Case> {
    FILES.iter().flat_map(|(name, file)| cases(name, file)).collect()
}

/// Every case that the catalogue decides.
pub(crate) fn of_the_catalogue() -> Vec<Case> {
    CATALOGUE.iter().flat_map(|(name, file)| cases(name, file)).collect()
}

fn cases(name: &'static str, file: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let mut text: Vec<&str> = Vec::new();
    for (place, line) in file.lines().enumerate() {
        if let Some(demands) = line.strip_prefix("=> ") {
            cases.push(Case {
                file: name,
                line: place + 1,
                text: unescape(&text.join("\n")),
                demands: demands.trim().to_owned(),
                effect: String::new(),
            });
            text.clear();
        } else if let (Some(effect), Some(case), true) =
            (line.strip_prefix("-> "), cases.last_mut(), text.is_empty())
        {
            case.effect = effect.trim().to_owned();
        } else if !(text.is_empty() && (line.starts_with('#') || line.is_empty())) {
            text.push(line);
        }
    }
    assert!(text.is_empty(), "{name}: a case without demands: {text:?}");
    cases
}

/// Every text of the corpus that is not plain.
pub(super) fn held() -> impl Iterator<Item = String> {
    every().into_iter().filter(|case| !case.is_read()).map(|case| case.text)
}

/// Every plain text of the corpus.
pub(super) fn reads() -> impl Iterator<Item = String> {
    every().into_iter().filter(Case::is_read).map(|case| case.text)
}

fn unescape(text: &str) -> String {
    text.replace('␋', "\u{b}")
        .replace('␌', "\u{c}")
        .replace('␍', "\r")
        .replace('␉', "\t")
        .replace('␀', "\0")
}

/// Writes into the files what each text did.
pub(crate) fn write_down(cases: &[Case], effects: &[String]) {
    for (name, file) in FILES.iter().chain(CATALOGUE) {
        let of_file = cases.iter().zip(effects).filter(|(case, _)| case.file == *name);
        let mut effects = of_file.map(|(_, effect)| effect).peekable();
        if effects.peek().is_none() {
            continue;
        }
        let mut whole = String::new();
        for line in file.lines().filter(|line| !line.starts_with("-> ")) {
            writeln!(whole, "{line}").unwrap();
            if line.starts_with("=> ") {
                writeln!(whole, "-> {}", effects.next().unwrap()).unwrap();
            }
        }
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/classify/tests/corpus");
        std::fs::write(folder.join(name), whole).unwrap();
    }
}

/// The demands of each statement, as the corpus writes them.
fn written(classified: &Classified) -> String {
    let statement = |statement: &super::super::Statement| {
        statement.demands.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    };
    let all: Vec<String> = classified.statements.iter().map(statement).collect();
    if all.is_empty() { "nothing".to_owned() } else { all.join(" | ") }
}

#[test]
fn every_statement_of_the_corpus_demands_what_it_should() {
    let differs = |case: Case| {
        let found = written(&classify(&case.text));
        let Case { file, line, text, demands, .. } = case;
        (found != demands)
            .then(|| format!("{file}:{line}: {text}\n  expected {demands}\n  found    {found}"))
    };
    let all: Vec<String> = every().into_iter().filter_map(differs).collect();
    assert!(all.is_empty(), "{} cases differ:\n{}", all.len(), all.join("\n"));
}

#[test]
fn most_of_the_corpus_does_at_a_server_what_it_says() {
    let cases = [every(), of_the_catalogue()].concat();
    assert!(cases.len() >= LEAST_CASES, "{} cases", cases.len());
    let unseen = cases.iter().find(|case| case.effect.is_empty());
    assert!(unseen.is_none(), "nobody has seen what this does: {unseen:?}");
    let working = cases.iter().filter(|case| !case.effect.starts_with("fails ")).count();
    assert!(working >= LEAST_WORKING, "only {working} of them do not fail");
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
