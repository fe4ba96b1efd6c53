//! The worker and the pool: real processes, and programs that fail in every way in the worker's place.

use std::{io::Cursor, path::PathBuf, sync::Arc, time::Duration};

use countersign_core::agent::Identity;

use super::super::{
    Action, Busy, Classified, Grammar, GrammarCommand, GrammarLimits, MAX_TEXT_BYTES, classify,
    wire::{self, Answer, MAX_ANSWER_BYTES, MAX_REQUEST_BYTES, Request},
    worker,
};

/// The example program that cargo builds beside the tests.
fn worker_program() -> PathBuf {
    let mut path = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    path.join("examples/grammar_worker")
}

fn program(program: impl Into<PathBuf>, arguments: &[&str]) -> GrammarCommand {
    GrammarCommand {
        program: program.into(),
        arguments: arguments.iter().map(Into::into).collect(),
    }
}

fn agent(name: &str) -> Identity {
    Identity { issuer: "https://issuer.test".to_owned(), subject: name.to_owned() }
}

fn limits() -> GrammarLimits {
    GrammarLimits { deadline: Duration::from_secs(30), ..GrammarLimits::default() }
}

fn is_opaque(classified: &Arc<Classified>) -> bool {
    classified.demands().iter().any(|demand| demand.action == Action::Opaque)
}

#[tokio::test]
async fn a_worker_process_says_what_this_process_would_say() {
    let grammar = Grammar::new(program(worker_program(), &[]), limits());
    for text in
        ["SELECT * FROM t", "DELETE FROM t; SELECT pg_sleep(1)", "", "nonsense", "SELECT 'ü\u{b}'"]
    {
        assert_eq!(*grammar.classify(text, &agent("a")).await.unwrap(), classify(text), "{text}");
    }
}

#[tokio::test]
async fn many_texts_at_once_share_the_workers() {
    let grammar = Arc::new(Grammar::new(program(worker_program(), &[]), limits()));
    let mut tasks = Vec::new();
    for number in 0..200 {
        let grammar = Arc::clone(&grammar);
        tasks.push(tokio::spawn(async move {
            let text = format!("SELECT * FROM t{number}");
            let classified = grammar.classify(&text, &agent("a")).await.unwrap();
            assert_eq!(classified.statements[0].summary, format!("SELECT: t{number}"));
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn a_known_text_is_answered_from_memory() {
    let grammar = Grammar::new(program(worker_program(), &[]), limits());
    let first = grammar.classify("SELECT * FROM t", &agent("a")).await.unwrap();
    let second = grammar.classify("SELECT * FROM t", &agent("b")).await.unwrap();
    assert!(Arc::ptr_eq(&first, &second));
    let other = grammar.classify("SELECT * FROM T", &agent("a")).await.unwrap();
    assert!(!Arc::ptr_eq(&first, &other), "only the exact text is the same text");
}

#[tokio::test]
async fn a_text_is_refused_where_no_worker_can_be_started() {
    let grammar = Grammar::new(program("/nonexistent/worker", &[]), limits());
    assert_eq!(grammar.classify("SELECT 1", &agent("a")).await, Err(Busy));
}

#[tokio::test]
async fn a_worker_that_ends_at_once_makes_texts_opaque() {
    let grammar = Grammar::new(program("/bin/false", &[]), limits());
    assert!(is_opaque(&grammar.classify("SELECT 1", &agent("a")).await.unwrap()));
    assert!(
        is_opaque(&grammar.classify("SELECT 1", &agent("a")).await.unwrap()),
        "failures are not remembered as meanings"
    );
}

#[tokio::test]
async fn a_worker_that_talks_nonsense_makes_texts_opaque() {
    // An echo sends the request back: a well-formed frame that is no answer.
    let echo = Grammar::new(program("/bin/cat", &[]), limits());
    assert!(is_opaque(&echo.classify("SELECT 1", &agent("a")).await.unwrap()));
    // `yes` sends a length far beyond the limit.
    let noise = Grammar::new(program("/usr/bin/yes", &[]), limits());
    assert!(is_opaque(&noise.classify("SELECT 1", &agent("a")).await.unwrap()));
}

#[tokio::test]
async fn a_worker_that_never_answers_is_given_up_at_the_deadline() {
    let limits = GrammarLimits { deadline: Duration::from_millis(50), ..limits() };
    let grammar = Grammar::new(program("/bin/sleep", &["600"]), limits);
    assert_eq!(grammar.classify("SELECT 1", &agent("a")).await, Err(Busy));
}

#[tokio::test]
async fn a_text_is_refused_where_too_many_wait() {
    let grammar =
        Grammar::new(program(worker_program(), &[]), GrammarLimits { waiting: 0, ..limits() });
    assert_eq!(grammar.classify("SELECT 1", &agent("a")).await, Err(Busy));
}

#[tokio::test]
async fn an_agent_that_fills_its_share_keeps_nobody_else_waiting() {
    // The first worker hangs; the next is a true one.
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("started");
    let script = format!(
        "test -e {0} || {{ : > {0}; exec sleep 600; }}; exec {1}",
        mark.display(),
        worker_program().display()
    );
    let limits = GrammarLimits { waiting_of_one: 2, ..limits() };
    let grammar = Arc::new(Grammar::new(program("/bin/sh", &["-c", &script]), limits));
    let mut waiting = Vec::new();
    for text in ["SELECT 1", "SELECT 2"] {
        let grammar = Arc::clone(&grammar);
        waiting.push(tokio::spawn(async move {
            drop(grammar.classify(text, &agent("greedy")).await);
        }));
    }
    while !mark.exists() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(grammar.classify("SELECT 3", &agent("greedy")).await, Err(Busy));
    assert!(!is_opaque(&grammar.classify("SELECT 3", &agent("modest")).await.unwrap()));
    for task in waiting {
        task.abort();
    }
}

#[tokio::test]
async fn a_worker_that_dies_is_replaced() {
    // The shell answers nothing to the first text and becomes a true worker from the second start on.
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("started");
    let script = format!(
        "test -e {0} || {{ : > {0}; exit 1; }}; exec {1}",
        mark.display(),
        worker_program().display()
    );
    let grammar = Grammar::new(program("/bin/sh", &["-c", &script]), limits());
    assert!(is_opaque(&grammar.classify("SELECT 1", &agent("a")).await.unwrap()));
    assert!(!is_opaque(&grammar.classify("SELECT 1", &agent("a")).await.unwrap()));
}

#[tokio::test]
async fn too_long_a_text_needs_no_worker() {
    let grammar = Grammar::new(program("/nonexistent/worker", &[]), limits());
    let classified = grammar.classify(&"x".repeat(MAX_TEXT_BYTES + 1), &agent("a")).await.unwrap();
    assert!(classified.statements[0].notes.iter().any(|note| note.contains("longer")));
}

#[test]
fn the_worker_answers_in_order_and_ends_with_its_input() {
    let texts = ["SELECT 1", "DELETE FROM t"];
    let mut input = Vec::new();
    for (number, text) in (7..).zip(texts) {
        input.extend(
            wire::frame(&Request { number, text: text.to_owned() }, MAX_REQUEST_BYTES).unwrap(),
        );
    }
    let mut output = Vec::new();
    worker::serve(&mut Cursor::new(input), &mut output).unwrap();
    let mut rest = output.as_slice();
    for (number, text) in (7..).zip(texts) {
        let (header, after) = rest.split_first_chunk::<4>().unwrap();
        let (body, after) = after.split_at(wire::body_length(*header, MAX_ANSWER_BYTES).unwrap());
        let answer: Answer = wire::body(body).unwrap();
        assert_eq!((answer.number, answer.classified), (number, classify(text)));
        rest = after;
    }
    assert!(rest.is_empty());
}

#[test]
fn the_worker_gives_up_on_a_broken_frame() {
    for input in
        [u32::MAX.to_le_bytes().to_vec(), vec![3, 0, 0, 0, 255, 255, 255], vec![9, 0, 0, 0, 1]]
    {
        assert!(worker::serve(&mut Cursor::new(input), &mut Vec::new()).is_err());
    }
}
