//! What every source file must say, and what none may.

use std::path::Path;

use super::tree;

/// Longest production file, in lines.
const MOST_LINES: usize = 600;

/// Names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] =
    &["util", "utils", "common", "manager", "managers", "helper", "helpers", "misc", "mod"];

/// Left-overs, in parts so that this file does not contain them.
const LEFTOVERS: &[&str] = &[
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X:"),
    concat!("dbg", "!("),
    concat!("todo", "!("),
    concat!("unimplemented", "!("),
    concat!("#[igno", "re"),
    concat!("#[allo", "w("),
    concat!("#![allo", "w("),
];

/// Folders of people, which no file of ours should know.
const HOMES: &[&str] = &[concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/Us", "ers/")];

#[test]
fn every_source_file_says_what_it_is_for() {
    for file in tree::rust_files() {
        let first = file.text.lines().next().unwrap_or_default();
        let says = first.strip_prefix("//! ").is_some_and(|said| said.len() > 10);
        assert!(says, "{} does not open with //! and a sentence", file.path);
        assert!(!first.contains("Placeholder"), "{} is still a placeholder", file.path);
    }
}

#[test]
fn no_production_file_is_longer_than_a_sitting() {
    for file in tree::rust_files().iter().filter(|file| !file.is_test_code()) {
        let lines = file.text.lines().count();
        assert!(lines <= MOST_LINES, "{} has {lines} lines, more than {MOST_LINES}", file.path);
    }
}

#[test]
fn names_of_files_and_folders_say_what_is_inside() {
    for file in tree::every_file() {
        for part in &Path::new(&file.path).with_extension("") {
            let part = part.to_string_lossy();
            assert!(!EMPTY_NAMES.contains(&part.as_ref()), "{}: `{part}` says nothing", file.path);
        }
    }
}

#[test]
fn nothing_is_left_over() {
    for file in tree::every_file() {
        if !["rs", "sh", "toml", "proto"].iter().any(|ending| file.has_ending(ending)) {
            continue;
        }
        for left in LEFTOVERS {
            let line = file.text.lines().position(|line| line.contains(left));
            assert_eq!(line, None, "{} has {left} after that many lines", file.path);
        }
    }
}

#[test]
fn no_file_knows_the_machine_it_was_written_on() {
    let top = tree::top();
    let top = top.to_string_lossy();
    let own = (top.matches('/').count() > 1).then_some(top.as_ref());
    for file in tree::every_file().iter().filter(|file| file.name() != "LICENSE") {
        for path in HOMES.iter().copied().chain(own) {
            assert!(!file.text.contains(path), "{} names {path}", file.path);
        }
    }
}

#[test]
fn an_expected_lint_has_a_reason_that_says_something() {
    for file in tree::rust_files() {
        let mut rest = file.text.as_str();
        while let Some(start) = rest.find(concat!("#[expe", "ct(")) {
            let attribute =
                &rest[start..rest[start..].find(")]").map_or(rest.len(), |end| start + end)];
            assert!(attribute.contains("reason = \""), "{}: {attribute}", file.path);
            rest = &rest[start + 1..];
        }
    }
}

/// Looks at running nodes again and again, until a deadline: the one place where a test may pause.
const POLLS: &[&str] = &["raft-store/src/engine/tests/cluster.rs"];

#[test]
fn tests_do_not_sleep_to_synchronise() {
    for file in tree::rust_files().iter().filter(|file| file.is_test_code()) {
        let polls = POLLS.contains(&file.path.as_str());
        assert!(polls || !file.text.contains(concat!("thread::sl", "eep")), "{} sleeps", file.path);
    }
}
