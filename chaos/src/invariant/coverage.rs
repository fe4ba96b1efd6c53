//! A run that broke nothing, or in which nothing succeeded, proves nothing.

use super::of_kind;
use crate::history::{Answer, Entry, History, Phase};
use std::collections::{BTreeMap, BTreeSet};

/// The least writes that must have been done.
const MIN_WRITES_DONE: usize = 10;
/// The least reads that must have been done.
const MIN_READS_DONE: usize = 10;
/// The least decisions that must have been taken.
const MIN_DECISIONS: usize = 10;

pub(super) fn check(history: &History) -> Vec<String> {
    let mut missing = Vec::new();
    for (fault, (began, ended)) in faults(history) {
        if began == 0 || ended == 0 {
            missing.push(format!("fault {fault} began {began} and ended {ended} times"));
        }
    }
    let writes: BTreeSet<&str> = history.entries.iter().filter_map(write_mark).collect();
    let done: Vec<&str> = history.entries.iter().filter_map(done_mark).collect();
    let writes_done = done.iter().filter(|mark| writes.contains(*mark)).count();
    let reads_done = done.len() - writes_done;
    let decisions = of_kind(history.trail(), "decided").count();
    for (what, found, least) in [
        ("writes done", writes_done, MIN_WRITES_DONE),
        ("reads done", reads_done, MIN_READS_DONE),
        ("decisions", decisions, MIN_DECISIONS),
    ] {
        if found < least {
            missing.push(format!(
                "only {found} {what}, at least {least} are needed to prove anything"
            ));
        }
    }
    missing
}

fn faults(history: &History) -> BTreeMap<&str, (usize, usize)> {
    let mut counts: BTreeMap<&str, (usize, usize)> =
        crate::fault::Fault::ALL.iter().map(|fault| (fault.name(), (0, 0))).collect();
    for entry in &history.entries {
        if let Entry::Fault { fault, phase, .. } = entry {
            let count = counts.entry(fault).or_default();
            match phase {
                Phase::Begin => count.0 += 1,
                Phase::End => count.1 += 1,
            }
        }
    }
    counts
}

fn write_mark(entry: &Entry) -> Option<&str> {
    match entry {
        Entry::WriteSent { mark, .. } => Some(mark),
        Entry::ReadSent { .. }
        | Entry::Answered { .. }
        | Entry::Decided { .. }
        | Entry::Fault { .. } => None,
    }
}

fn done_mark(entry: &Entry) -> Option<&str> {
    match entry {
        Entry::Answered { mark, answer: Answer::Done, .. } => Some(mark),
        Entry::Answered { .. }
        | Entry::WriteSent { .. }
        | Entry::ReadSent { .. }
        | Entry::Decided { .. }
        | Entry::Fault { .. } => None,
    }
}
