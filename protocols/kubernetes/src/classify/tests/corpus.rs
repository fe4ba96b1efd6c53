//! The corpus: requests, how the API server maps them, and which actions they are.
//!
//! Each line of `corpus.txt` is `METHOD TARGET | VERB | PLACE | ACTIONS`. The place is a URL, or `GROUP VERSION NAMESPACE
//! RESOURCE NAME SUBRESOURCE` with `-` for what is not there: what the server's `RequestInfo` has for the request, as its
//! audit shows it. What is refused is `METHOD TARGET | refused | REASON`. A `#` with a blank begins a heading.

use super::*;

const CORPUS: &str = include_str!("corpus.txt");

/// Method, target and what is expected of them.
pub(super) fn cases() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    CORPUS.lines().filter(|line| !line.starts_with("# ")).map(|line| {
        let (request, expected) = line.split_once(" | ").unwrap();
        let (method, target) = request.split_once(' ').unwrap();
        (method, target, expected)
    })
}

/// What a request is taken for, as the corpus writes it.
fn found(method: &str, target: &str) -> String {
    match Method::named(method).and_then(|method| classify_head(method, target)) {
        Ok(classified) => {
            let actions: Vec<_> = classified
                .demands
                .iter()
                .map(|demand| demand.action.name().trim_start_matches("kubernetes:"))
                .collect();
            let RequestInfo { verb, subject } = &classified.info;
            format!("{} | {} | {}", verb.name(), place(subject), actions.join(" "))
        }
        Err(unclear) => {
            let reason = format!("{unclear:?}");
            format!("refused | {}", reason.split('(').next().unwrap())
        }
    }
}

fn place(subject: &Subject) -> String {
    match subject {
        Subject::Url(path) => path.clone(),
        Subject::Object(Object { group, version, namespace, resource, name, subresource }) => {
            [group, version, namespace, resource, name, subresource]
                .map(|part| if part.is_empty() { "-" } else { part })
                .join(" ")
        }
    }
}

#[test]
fn every_request_of_the_corpus_is_taken_for_what_the_server_takes_it_for() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for (method, target, expected) in cases() {
        count += 1;
        let found = found(method, target);
        if found != expected {
            wrong.push(format!("{method} {target}\n  expected {expected}\n     found {found}"));
        }
    }
    assert!(count >= 600, "{count} requests");
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_corpus_has_every_action() {
    for action in Action::ALL.iter().filter(|action| action.protocol() == Protocol::Kubernetes) {
        let name = action.name().trim_start_matches("kubernetes:");
        let asked = |expected: &str| {
            expected
                .rsplit(" | ")
                .next()
                .is_some_and(|actions| actions.split(' ').any(|a| a == name))
        };
        assert!(cases().any(|(_, _, expected)| asked(expected)), "{name}");
    }
}

#[test]
fn what_reads_is_a_read_by_its_method_too() {
    let acts = ["POST", "PUT", "PATCH", "DELETE"];
    for (method, target, _) in cases().filter(|(method, ..)| acts.contains(method)) {
        let Ok(classified) = classify_head(Method::named(method).unwrap(), target) else {
            continue;
        };
        let reviews = classified.demands.iter().all(|d| d.action == Action::KubernetesReview);
        assert!(classified.effect == Effect::Lasting || reviews, "{method} {target}");
    }
}
