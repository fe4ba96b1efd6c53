//! What shells say the words of a line are: the grammar here must read them the same, or not at all.

use super::*;
use proptest::prelude::*;
use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

/// A shell, and how it is told of the command that every line calls: `c1` writes down what it was given, as one piece.
struct Shell {
    program: &'static [&'static str],
    witness: &'static str,
    reads: Reads,
}

/// What of a line that is understood here a shell runs.
#[derive(Clone, Copy, PartialEq)]
enum Reads {
    /// All of it, as it is understood.
    Everything,
    /// No more than that: it can stop where nothing matches a pattern, or where it wants another order.
    NoMore,
}

const POSIX: &str = r#"c1() { printf '%s\0' c1 "$@" END >> seen; }"#;
const FISH: &str = r"function c1; printf '%s\0' c1 $argv END >> seen; end";

/// The first two are on every machine; the others are asked where they are.
const SHELLS: &[Shell] = &[
    Shell { program: &["/bin/bash", "-c"], witness: POSIX, reads: Reads::Everything },
    Shell { program: &["/bin/sh", "-c"], witness: POSIX, reads: Reads::Everything },
    Shell { program: &["/bin/busybox", "sh", "-c"], witness: POSIX, reads: Reads::Everything },
    Shell { program: &["/bin/zsh", "-f", "-c"], witness: POSIX, reads: Reads::NoMore },
    Shell { program: &["/bin/fish", "-N", "-c"], witness: FISH, reads: Reads::NoMore },
];
/// Shells that no machine is without.
const ALWAYS: usize = 2;

impl Shell {
    fn is_there(&self) -> bool {
        Path::new(self.program[0]).exists()
    }

    /// What it calls when it is given the line, sorted.
    fn called(&self, line: &str, folder: &Path) -> Vec<Vec<String>> {
        let seen = folder.join("seen");
        fs::write(&seen, "").unwrap();
        let run = Command::new(self.program[0])
            .args(&self.program[1..])
            .arg(format!("{}\n{line}", self.witness))
            .current_dir(folder)
            .env_clear()
            .env("PATH", "/nonexistent")
            .env("HOME", folder)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(run.status.code().is_some(), "{}: {line:?}", self.program[0]);
        let seen = String::from_utf8(fs::read(&seen).unwrap()).unwrap();
        let mut words: Vec<String> = seen.split('\0').map(str::to_owned).collect();
        // What is behind the last NUL is nothing.
        words.pop();
        let calls = words.split(|word| word == "END").map(<[String]>::to_vec);
        let mut calls: Vec<_> = calls.filter(|call| !call.is_empty()).collect();
        calls.sort();
        calls
    }
}

/// The commands of the line as the grammar here reads them, or nothing where it does not.
fn read(line: &str) -> Option<Vec<Vec<String>>> {
    let commands = grammar::simple_commands(line.as_bytes()).ok()?;
    let words = |command: &grammar::SimpleCommand| {
        command.words.iter().map(|word| word.text.clone()).collect::<Vec<_>>()
    };
    let ours = |words: &Vec<String>| words.first().is_some_and(|name| name == "c1");
    let mut calls: Vec<_> = commands.iter().map(words).filter(ours).collect();
    calls.sort();
    Some(calls)
}

/// Compares, where the line is understood; says whether it is.
fn check(line: &str, folder: &Path) -> bool {
    let Some(read) = read(line) else { return false };
    for shell in SHELLS.iter().filter(|shell| shell.is_there()) {
        let called = shell.called(line, folder);
        let fits = match shell.reads {
            Reads::Everything => called == read,
            Reads::NoMore => called.iter().all(|call| read.contains(call)),
        };
        assert!(fits, "{}: {line:?}: {called:?}, not {read:?}", shell.program[0]);
    }
    true
}

#[test]
fn the_shells_that_no_machine_is_without_are_there() {
    for shell in &SHELLS[..ALWAYS] {
        assert!(shell.is_there(), "{}", shell.program[0]);
        assert!(shell.reads == Reads::Everything);
    }
}

#[test]
fn the_shells_read_the_words_as_they_are_read_here() {
    let folder = tempfile::tempdir().unwrap();
    let understood = [
        "c1 a b",
        "c1 'a b' \"c d\" e'f'\"g\"",
        "c1 '' \"\"",
        "c1 a;c1 b\nc1 c",
        "c1 a | c1 b|c1 c",
        "c1 a && c1 b",
        "c1 a > out 2>&1",
        "c1 2>out a",
        "c1 a2>out",
        "c1 a 2 > out",
        "> out c1 a",
        "c1 a=b",
        "c1 x /nowhere/*.log",
        "c1 '$x' 'a\\b' '`c1`' '*' '~' '{a,b}' '[a]' '#' '^' '(' ';' '&'",
        "c1 \"~\" \"{a,b}\" \"*\" \"#\" \";\" \"'\"",
        "\n\n c1 a \n\n",
        "c1 <seen a",
        "c1 >>out a>>out b",
        "c1 a:b,c@d+e%f-g_h./i %s @ + , : . .. -",
        "c1 1>out 2",
        "c1 - -- -x --y=z",
        "c1\ta",
        "c1 a;",
        "'c1' a; \"c1\" b; c''1 c",
    ];
    for line in understood {
        assert!(check(line, folder.path()), "{line}");
    }
}

/// Characters that the grammar of a shell is made of, few enough to meet often. There is no `/` among them: nothing here
/// leads out of the folder.
const CHARACTERS: &str = "aab12'\"'\"  \t\n;|&<>=*?.-_%+,:@$`\\(){}[]~!#^";

fn pieces() -> impl Strategy<Value = Vec<String>> {
    let character = proptest::sample::select(CHARACTERS.chars().collect::<Vec<_>>());
    let piece = prop_oneof![
        3 => Just("c1 ".to_owned()),
        2 => Just(" ".to_owned()),
        1 => Just("'a b'".to_owned()),
        1 => Just("2>&1".to_owned()),
        1 => Just("; c1 ".to_owned()),
        1 => Just(" | c1 ".to_owned()),
        6 => character.prop_map(String::from),
    ];
    proptest::collection::vec(piece, 1..14)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_line_is_read_otherwise_than_by_the_shells(pieces in pieces()) {
        let line = format!("c1 {}", pieces.concat());
        // What follows `||` does not run, and a failed redirection keeps its command from running.
        if !line.contains("||") && !line.replace("2>&1", "").contains(['<', '>']) {
            let folder = tempfile::tempdir().unwrap();
            check(&line, folder.path());
        }
    }
}
