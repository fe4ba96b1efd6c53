//! The same messages, sent to the server itself and through the gateway, must be answered by the same messages: in
//! pipelines, behind errors at every place, in and out of transactions, whether everything passes or everything is held.
//!
//! What may differ is written down here: notices of holds; that `ParseComplete` and `BindComplete` come before the error of a
//! statement which the target has not seen yet; and the cases of [`OTHERWISE`], which say what the gateway answers instead.

use super::{
    agent::{Agent, Message, execute},
    gate::TestGate,
    place::{Listens, Place},
};
use crate::frame::{self, Bind};
use bytes::BufMut as _;
use std::{fmt::Write as _, sync::Arc, time::Duration};
use tokio::time::timeout;

/// How long a message may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Conversations; the file says how they are written.
const CONVERSATIONS: &str = include_str!("differential/conversations.txt");

/// What goes wrong, each in its own way.
const ERRORS: &[(&str, &str)] = &[
    ("a text that is none", "P bad SELEC 1\nDS bad"),
    ("a table that is not there", "P bad TABLE nowhere\nDS bad"),
    ("a bind of nothing", "B - nothing"),
    ("an execution of nothing", "E nothing 0"),
    ("a description of nothing", "DS nothing"),
    ("a portal of nothing described", "DP nothing"),
    ("a failing execution", "W SELECT 1 / (n - n) FROM t"),
    ("too few values", "P two SELECT $1::int + $2::int\nB - two NULL\nE - 0"),
    ("a value that is none", "P one SELECT $1::int\nB - one 'x'\nE - 0"),
    ("a name that is taken", "P r SELECT 1\nP r SELECT 2"),
    ("several statements in one", "P - SELECT 1; SELECT 2"),
];

/// Pipelines, message by message.
const PIPELINES: &[(&str, &str)] = &[
    ("reads", "P r SELECT n, name FROM t ORDER BY n\nDS r\nB p r\nE p 2\nE p 2\nCP p"),
    (
        "writes",
        "P w UPDATE t SET name = $1 WHERE n = 1\nB - w 'x'\nE - 0\nH\nW INSERT INTO t VALUES (9, 'nine') RETURNING n",
    ),
];

/// What the gateway answers otherwise, and how.
const OTHERWISE: &[(&str, &str)] = &[
    // A write behind a read: the read has made the pipeline's transaction read-only.
    ("W SELECT 1\nW DELETE FROM t\nS", "12TDC E25006 ZI"),
    // A simple query inside a pipeline.
    ("W SELECT 1\nQ SELECT 2\nS", "12TDC E0A000 ZI ZI"),
    // A text that the target has not seen is not refused before it is used.
    ("P s SELEC 1\nS\nB - s\nE - 0\nS", "1ZI E42601 ZI"),
];

/// A part of a conversation.
#[derive(Clone, Debug)]
enum Step {
    Send(Vec<u8>),
    /// Everything up to and with a message of this type.
    Until(char),
    /// Everything up to what nothing else is answered by.
    End,
}

/// What is asked in the end.
const THE_END: &str = "the end";

/// What a line stands for.
fn step(line: &str) -> Step {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    let (first, second) = rest.split_once(' ').unwrap_or((rest, ""));
    let name = if first == "-" { "" } else { first };
    let named = |message: u8, kind: u8| {
        frame::message(message, |out| {
            out.put_u8(kind);
            out.put_slice(name.as_bytes());
            out.put_u8(0);
        })
    };
    let bytes = match word {
        "Q" => frame::query(rest.as_bytes()),
        "W" => execute(rest).into(),
        "P" => frame::parse(name, second.as_bytes(), &[]),
        "B" => bind(name, second),
        "E" => frame::execute(name, second.parse().unwrap()),
        "DS" => named(b'D', b'S'),
        "DP" => named(b'D', b'P'),
        "CS" => named(b'C', b'S'),
        "CP" => named(b'C', b'P'),
        "H" => frame::flush(),
        "S" => frame::sync(),
        "d" => frame::message(b'd', |out| {
            out.put_slice(rest.as_bytes());
            out.put_u8(b'\n');
        }),
        "c" => frame::empty(b'c'),
        "f" => frame::message(b'f', |out| out.put_slice(b"no more\0")),
        "<" => return Step::Until(rest.chars().next().unwrap()),
        _ => panic!("{line}"),
    };
    Step::Send(bytes.to_vec())
}

/// A Bind of a statement with texts in quotes, or NULL.
fn bind(portal: &str, rest: &str) -> bytes::Bytes {
    let words: Vec<&str> = rest.split(' ').collect();
    let (statement, values) = words.split_first().unwrap();
    let statement = if *statement == "-" { "" } else { *statement };
    let parameters = values
        .iter()
        .map(|word| (0, (*word != "NULL").then(|| word.trim_matches('\'').as_bytes())));
    frame::bind(Bind { portal, statement, parameters, result_formats: &[] })
}

fn steps<'a>(lines: impl IntoIterator<Item = &'a str>) -> Vec<Step> {
    lines.into_iter().map(step).collect()
}

/// The file's, by name.
fn conversations() -> Vec<(String, Vec<Step>)> {
    let mut all: Vec<(String, Vec<&str>)> = Vec::new();
    for line in CONVERSATIONS.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match (line.strip_prefix("== "), all.last_mut()) {
            (Some(name), _) => all.push((name.to_owned(), Vec::new())),
            (None, Some((_, lines))) => lines.push(line),
            (None, None) => panic!("{line}"),
        }
    }
    all.into_iter().map(|(name, lines)| (name, steps(lines))).collect()
}

/// Every error at every place of every pipeline, alone and in a block; what came of it is asked afterwards.
fn with_errors() -> Vec<(String, Vec<Step>)> {
    let mut all = Vec::new();
    for (kind, pipeline) in PIPELINES {
        let pipeline: Vec<&str> = pipeline.lines().collect();
        for (error, wrong) in ERRORS {
            for place in 0..=pipeline.len() {
                let (before, behind) = pipeline.split_at(place);
                // In a block at one place, alone at the next: both are seen with every error.
                let (begin, name) =
                    if place % 2 == 0 { (Some("Q BEGIN"), "a block of ") } else { (None, "") };
                let count = "Q SELECT count(*) FROM t WHERE name = 'x' OR n = 9";
                let wrong = wrong.lines().chain(behind.iter().copied());
                let lines = begin.into_iter().chain(before.iter().copied()).chain(wrong);
                all.push((
                    format!("{name}{kind}, {error} at {place}"),
                    steps(lines.chain(["S", count])),
                ));
            }
        }
    }
    all
}

/// An answer in words, without what may differ.
fn told(messages: &[Message]) -> String {
    let mut all: Vec<String> = Vec::new();
    for message in messages {
        let code = message.field('C');
        match message.kind {
            'S' => {}
            'N' if code.starts_with("01CS") => {}
            'E' => {
                while matches!(all.last().map(String::as_str), Some("1" | "2")) {
                    all.pop();
                }
                all.push(format!(" E{code} "));
            }
            'N' => all.push(format!(" N{code} ")),
            'Z' => all.push(format!("Z{} ", message.body[0] as char)),
            // Behind the number of the process.
            'A' => all.push(format!("A{:?}", &message.body[4..])),
            'T' | 'D' | 't' | 'C' | 'd' | 'G' | 'H' => {
                all.push(format!("{}{:?}", message.kind, message.body));
            }
            other => all.push(other.to_string()),
        }
    }
    all.concat()
}

/// Everything that is answered, whatever state the conversation leaves the session in.
async fn converse(mut agent: Agent, steps: &[Step]) -> String {
    let ends = ["S", "Q ROLLBACK", &format!("Q SELECT '{THE_END}'")].map(step);
    let last = [Step::End, Step::Until('Z')];
    let mut answer = Vec::new();
    for step in steps.iter().chain(&ends).chain(&last) {
        if let Step::Send(bytes) = step {
            agent.send(bytes).await;
            continue;
        }
        loop {
            let Ok(next) = timeout(PATIENCE, agent.try_next()).await else {
                return told(&answer) + " and then nothing";
            };
            let Some(message) = next else { return told(&answer) + " and then the end" };
            let done = is_over(step, &message);
            answer.push(message);
            if done {
                break;
            }
        }
    }
    told(&answer)
}

fn is_over(step: &Step, message: &Message) -> bool {
    match step {
        Step::Send(_) => true,
        Step::Until(kind) => message.kind == *kind,
        Step::End => message.kind == 'D' && message.body.ends_with(THE_END.as_bytes()),
    }
}

const SETUP: &str = "SET ROLE app; CREATE TABLE public.t(n int PRIMARY KEY, name text);
    CREATE TABLE public.late(n int UNIQUE DEFERRABLE INITIALLY DEFERRED);
    CREATE FUNCTION public.twice(n int) RETURNS int LANGUAGE sql AS 'SELECT 2 * $1'";
const RESET: &str =
    "DELETE FROM t; DELETE FROM late; INSERT INTO t VALUES (1, 'one'), (2, 'two'), (3, 'three')";

/// What is not understood, a text that is none for one, is let pass by a rule that names it.
const PASSES: &str = "permit(principal, action, resource);
    permit(principal, action == Action::\"postgres:opaque\", resource);";
const HOLDS: &str = "@hold(\"dba\") permit(principal, action, resource);
    @hold(\"dba\") permit(principal, action == Action::\"postgres:opaque\", resource);";

/// Has every conversation at the server and through the gateway.
async fn compare(policy: &str, conversations: Vec<(String, Vec<Step>)>) {
    let place = Place::behind(TestGate::judging_by(policy), Listens::Postgres, |_| {}).await;
    place.truth(SETUP);
    let mut control = Agent::direct(place.folder.path(), "orders", "control").await;
    let gate = Arc::clone(&place.gate);
    let approving = tokio::spawn(async move {
        for n in 0.. {
            gate.approve(n).await;
        }
    });
    let (count, mut differ) = (conversations.len(), String::new());
    assert!(count >= 60);
    for (name, steps) in conversations {
        control.query(RESET).await;
        let direct = Agent::direct_as(place.folder.path(), "app", "orders", "direct").await;
        let expected = converse(direct, &steps).await;
        control.query(RESET).await;
        let found = converse(Agent::connect(&place).await, &steps).await;
        if found != expected || found.contains(" and then ") {
            writeln!(differ, "{name}:\n  {expected}\n  {found}").unwrap();
        }
    }
    approving.abort();
    assert!(differ.is_empty(), "of {count}:\n{differ}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_passes_is_answered_as_by_the_server_itself() {
    compare(PASSES, conversations()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_held_is_answered_as_by_the_server_itself() {
    compare(HOLDS, conversations()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_at_any_place_of_a_pipeline_is_answered_as_by_the_server_itself() {
    compare(PASSES, with_errors()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_answered_otherwise_is_answered_as_it_is_said() {
    let gate = TestGate::judging_by(PASSES);
    let place = Place::behind(gate, Listens::Postgres, |_| {}).await;
    place.truth(SETUP);
    for (lines, expected) in OTHERWISE {
        let steps = steps(lines.lines());
        let direct = Agent::direct_as(place.folder.path(), "app", "orders", "direct").await;
        let at_the_server = shape(&converse(direct, &steps).await);
        let found = shape(&converse(Agent::connect(&place).await, &steps).await);
        assert!(found.starts_with(expected), "{lines}: {found}");
        assert!(!at_the_server.starts_with(expected), "it is no difference any more: {lines}");
    }
}

/// The types alone.
fn shape(told: &str) -> String {
    let mut shape = String::new();
    let mut rest = told;
    while let Some((before, quoted)) = rest.split_once("b\"") {
        shape.push_str(before);
        rest = quoted.split_once('"').map_or("", |(_, rest)| rest);
    }
    shape.push_str(rest);
    shape.replace("  ", " ").trim().to_owned()
}
