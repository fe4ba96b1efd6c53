//! What a person is told at the end of a run: what happened in numbers, each counter-example as a story, one last line.

use crate::{
    history::{Answer, Entry, History, Phase},
    invariant::{ALL, Violation},
};
use std::fmt::Write;

/// How many counter-examples of one invariant are told; the rest are counted.
const STORIES: usize = 5;

/// The report.
pub fn report(history: &History, violations: &[Violation], reproduce: &str) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    writeln!(text, "{:>22}: {}", "seed", history.header.seed).ok();
    let count =
        |wanted: fn(&Entry) -> bool| history.entries.iter().filter(|entry| wanted(entry)).count();
    let lines = [
        (
            "statements answered",
            count(|entry| matches!(entry, Entry::Answered { answer: Answer::Done, .. })),
        ),
        (
            "statements refused",
            count(|entry| matches!(entry, Entry::Answered { answer: Answer::Refused { .. }, .. })),
        ),
        (
            "connections lost",
            count(|entry| matches!(entry, Entry::Answered { answer: Answer::Lost { .. }, .. })),
        ),
        ("decisions taken", count(|entry| matches!(entry, Entry::Decided { status: 200, .. }))),
        ("changes applied", count(|entry| matches!(entry, Entry::Applied { status: 200, .. }))),
        ("revocations", count(|entry| matches!(entry, Entry::Revoked { status: 200, .. }))),
        ("heads of the chain", count(|entry| matches!(entry, Entry::HeadSeen { .. }))),
        ("faults", count(|entry| matches!(entry, Entry::Fault { phase: Phase::Begin, .. }))),
        ("rows in the target", history.rows.len()),
        ("audit events", history.trail().len()),
    ];
    for (what, number) in lines {
        writeln!(text, "{what:>22}: {number}").ok();
    }
    for invariant in ALL {
        let found =
            violations.iter().filter(|violation| violation.invariant == invariant.name).count();
        let verdict = if found == 0 { "holds".to_owned() } else { format!("{found} violation(s)") };
        writeln!(text, "{:>28}  {verdict}", invariant.name).ok();
    }
    for invariant in ALL {
        let found = violations.iter().filter(|violation| violation.invariant == invariant.name);
        for violation in found.clone().take(STORIES) {
            writeln!(text, "\n{}: {}", violation.invariant, violation.story).ok();
        }
        let more = found.count().saturating_sub(STORIES);
        if more > 0 {
            writeln!(text, "\n{}: and {more} more", invariant.name).ok();
        }
    }
    if !violations.is_empty() {
        writeln!(text, "\nreproduce with: {reproduce}").ok();
    }
    writeln!(text, "violations: {}", violations.len()).ok();
    text
}

/// The report of the models: what they say of themselves while they are checked is not repeated.
pub fn report_of_models(violations: &[Violation]) -> String {
    let mut text = String::new();
    for violation in violations {
        writeln!(text, "\n{}: {}", violation.invariant, violation.story).ok();
    }
    writeln!(text, "violations: {}", violations.len()).ok();
    text
}
