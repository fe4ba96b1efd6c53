//! What the texts of the corpus really do, at a real server: beside each text stands what it asks for and what it did
//! there. First every text runs at the server itself, past the gateway, in both protocols; then through the gateway, under
//! the sample policy, where none may have any effect.
//!
//! After a change of the corpus, `CORPUS=write` writes down what was seen, to be read before it is believed.

mod agree;
mod server;
mod watch;

use super::{
    agent::{Agent, error, execute_with_nulls, status},
    gate::TestGate,
    place::{Listens, Place},
};
use crate::{
    classify::{
        Action, Classified, classify,
        tests::corpus::{self, Case},
    },
    frame,
};
use countersign_core::operation::{Demand, Resource};
use server::{Left, Server};
use std::sync::Arc;
use watch::{Protocol, Seen, State, watch};

/// The effect of a text that finds something to do at one time and nothing at another.
const VARIES: &str = "varies";

/// What stands between a text and what it seems to mean.
const SHADOWS: &str = include_str!("../classify/tests/corpus/shadows.sql");

/// The policy of `countersignctl dev up`.
const SAMPLE: &str = include_str!("../../../../admin-cli/src/dev/sample/policy.yaml");

/// What is wrong with one case, in lines for whoever has to find out why.
fn difference(case: &Case, what: &str, found: &str) -> String {
    format!("{}:{}: {}\n  {what}\n  {found}", case.file, case.line, case.text)
}

/// Runs every text of a file of the corpus at the server itself.
async fn at_the_server(file: &str) {
    let mut server = Server::new(Place::with_postgres().await, "").await;
    let (mut differences, mut lines) = (Vec::new(), Vec::new());
    let cases: Vec<Case> = corpus::every().into_iter().filter(|case| case.file == file).collect();
    assert!(!cases.is_empty(), "{file}");
    for case in &cases {
        let seen = try_out(&mut server, case, &mut differences).await;
        let line = if case.effect == VARIES { VARIES.to_owned() } else { seen.line() };
        if case.effect != line {
            differences.push(difference(case, &format!("written: {}", case.effect), &line));
        }
        lines.push(line);
    }
    write_down_if_wished(&cases, &lines);
    assert!(differences.is_empty(), "{} differ:\n{}", differences.len(), differences.join("\n"));
}

/// A test for each file, so that they share the processors.
macro_rules! what_a_server_does {
    ($($name:ident: $file:literal),+ $(,)?) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            at_the_server($file).await;
        }
    )+};
}

what_a_server_does! {
    what_the_corpus_says_of_reads_is_what_a_server_does: "reads.txt",
    what_the_corpus_says_of_texts_is_what_a_server_does: "text.txt",
    what_the_corpus_says_of_statements_is_what_a_server_does: "statements.txt",
    what_the_corpus_says_of_functions_is_what_a_server_does: "functions.txt",
    what_the_corpus_says_of_scopes_is_what_a_server_does: "scopes.txt",
    what_the_corpus_says_of_further_forms_is_what_a_server_does: "further.txt",
    what_the_corpus_says_of_newer_forms_is_what_a_server_does: "newer.txt",
}

fn write_down_if_wished(cases: &[Case], lines: &[String]) {
    if std::env::var("CORPUS").is_ok_and(|wish| wish == "write") {
        corpus::write_down(cases, lines);
    }
}

/// Runs one text in every way that it can come, and says what is wrong with what is believed of it.
async fn try_out(server: &mut Server, case: &Case, differences: &mut Vec<String>) -> Seen {
    let text = server.placed(&case.text);
    let classified = classify(&text);
    let ways = ways(&classified);
    let mut all = Vec::new();
    for way in ways {
        let seen = watch(server, &text, way, "BEGIN").await;
        let mut wrong = agree::uncovered(&seen, &classified);
        if is_plain(&classified) {
            if !seen.effects.is_empty() {
                wrong = Some("it is taken for a plain read".to_owned());
            }
            let fenced = watch(server, &text, way, "BEGIN READ ONLY").await;
            if (&fenced.code, &fenced.tags) != (&seen.code, &seen.tags) {
                wrong = Some(format!("behind the fence: {} {:?}", fenced.line(), fenced.tags));
            }
        }
        if let Some(wrong) = wrong {
            differences.push(difference(case, &wrong, &format!("{way:?}: {}", seen.line())));
        }
        all.push(seen);
    }
    if let [one, other] = all.as_slice()
        && one != other
        && case.effect != VARIES
    {
        let lines = format!("{} {:?}, {} {:?}", one.line(), one.tags, other.line(), other.tags);
        differences.push(difference(case, "the two protocols differ", &lines));
    }
    all.remove(0)
}

/// The protocols that a text can come in: the extended one takes one statement, the simple one no parameters.
fn ways(classified: &Classified) -> Vec<Protocol> {
    match classified.statements.as_slice() {
        [one] if one.parameters > 0 => vec![Protocol::Extended(one.parameters)],
        [_] => vec![Protocol::Simple, Protocol::Extended(0)],
        _ => vec![Protocol::Simple],
    }
}

fn is_plain(classified: &Classified) -> bool {
    classified.statements.iter().all(crate::classify::Statement::is_plain)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_the_sample_policy_no_text_of_the_corpus_has_an_effect() {
    let mut server = Server::new(behind_the_sample_policy().await, "").await;
    let mut differences = Vec::new();
    let mut agent = Agent::connect(&server.place).await;
    for case in corpus::every().iter().filter(|case| !case.text.contains('\0')) {
        let text = server.placed(&case.text);
        let classified = classify(&text);
        let wanted = if case.is_read() && !reaches_elsewhere(&classified) || prefers(&classified) {
            Passed::Allowed
        } else if classified.statements.is_empty() {
            Passed::Unasked
        } else {
            Passed::Held
        };
        for way in ways(&classified) {
            let found = through_the_gateway(&mut server, &mut agent, &text, way).await;
            if found != Ok(wanted) {
                let (wanted, found) = (format!("{way:?}: {wanted:?}"), format!("{found:?}"));
                differences.push(difference(case, &wanted, &found));
            }
        }
    }
    assert!(differences.is_empty(), "{} differ:\n{}", differences.len(), differences.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_only_the_catalogue_tells_from_a_read_is_asked_for() {
    let mut server = Server::new(behind_the_sample_policy().await, SHADOWS).await;
    let (mut differences, mut lines) = (Vec::new(), Vec::new());
    let cases = corpus::of_the_catalogue();
    let mut agent = Agent::connect(&server.place).await;
    for case in &cases {
        for way in ways(&classify(&case.text)) {
            let found = through_the_gateway(&mut server, &mut agent, &case.text, way).await;
            let demands = last_demands(&server, found.as_ref().ok());
            if found.is_err() || demands != case.demands {
                let wanted = format!("{way:?}, written: {}", case.demands);
                differences.push(difference(case, &wanted, &format!("{demands} {found:?}")));
            }
        }
    }
    for case in &cases {
        let seen = watch(&mut server, &case.text, Protocol::Simple, "BEGIN").await;
        if case.effect != seen.line() {
            differences.push(difference(case, &format!("written: {}", case.effect), &seen.line()));
        }
        lines.push(seen.line());
    }
    write_down_if_wished(&cases, &lines);
    assert!(differences.is_empty(), "{} differ:\n{}", differences.len(), differences.join("\n"));
}

/// What the operation that came to the gate last asked for, as the corpus writes it.
fn last_demands(server: &Server, passed: Option<&Passed>) -> String {
    let operation = match passed {
        Some(Passed::Allowed) => server.place.gate.admitted.lock().unwrap().last().cloned(),
        Some(Passed::Held) => {
            server.place.gate.holds.borrow().last().map(|hold| Arc::clone(&hold.operation))
        }
        Some(Passed::Unasked) | None => None,
    };
    let shown = |demand: &Demand| {
        let action = demand.action.name().trim_start_matches("postgres:");
        match &demand.resource {
            Resource::Target
            | Resource::Path { .. }
            | Resource::Program { .. }
            | Resource::ApiObject { .. }
            | Resource::Url { .. } => action.to_owned(),
            Resource::Relation { schema, name } => format!("{action} {schema}.{name}"),
        }
    };
    operation
        .map(|operation| operation.demands().iter().map(shown).collect::<Vec<_>>().join("; "))
        .unwrap_or_default()
}

/// How a text fared at the gate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Passed {
    Allowed,
    Held,
    /// There was nothing to ask for.
    Unasked,
}

/// Sends a text through the gateway; fails if anything at the target is different behind it.
async fn through_the_gateway(
    server: &mut Server,
    agent: &mut Agent,
    text: &str,
    protocol: Protocol,
) -> Result<Passed, String> {
    let (holds, allowed) = (server.place.gate.hold_count(), admitted(server));
    let (before, _) = State::of(server).await;
    let bytes = match protocol {
        Protocol::Simple => frame::query(text.as_bytes()).to_vec(),
        Protocol::Extended(parameters) => {
            [execute_with_nulls(text, parameters), frame::sync().to_vec()].concat()
        }
    };
    agent.send(&bytes).await;
    let answer = agent.answer_without_rows(&frame::empty(b'c')).await;
    let code = error(&answer);
    match status(&answer) {
        'I' => {}
        'T' | 'E' => drop(agent.query("ROLLBACK").await),
        _ => *agent = Agent::connect(&server.place).await,
    }
    let (after, _) = State::of(server).await;
    let changed = after.changed(&before);
    if !changed.is_empty() || answer.iter().any(watch::discloses) {
        server.restore(&changed, Left::Committed).await;
        *agent = Agent::connect(&server.place).await;
        return Err(format!("{changed:?} {code}"));
    }
    Ok(if server.place.gate.hold_count() > holds {
        Passed::Held
    } else if admitted(server) > allowed {
        Passed::Allowed
    } else {
        Passed::Unasked
    })
}

fn admitted(server: &Server) -> usize {
    server.place.gate.admitted.lock().unwrap().len()
}

/// Whether a read is of a schema that the sample policy does not let everybody read.
fn reaches_elsewhere(classified: &Classified) -> bool {
    classified.demands().iter().any(|demand| {
        demand.object.as_ref().is_some_and(|object| {
            object.schema.as_deref().is_some_and(|schema| schema != "public")
                || object.name.starts_with("pg_")
        })
    })
}

/// Whether a text changes nothing but what a client may say when it logs in.
fn prefers(classified: &Classified) -> bool {
    let demands = classified.demands();
    !demands.is_empty() && demands.iter().all(|demand| demand.action == Action::Preference)
}

/// A place whose gate judges by the sample policy and lets nobody approve, and whose role at the target is a superuser:
/// there is no other barrier than the gateway.
async fn behind_the_sample_policy() -> Place {
    let (_, cedar) = SAMPLE.split_once("cedar: |\n").unwrap();
    let gate = TestGate::where_nobody_approves(cedar);
    Place::behind(gate, Listens::Postgres, |target| {
        for role in target.roles.values_mut() {
            role.user = "postgres".to_owned();
        }
    })
    .await
}
