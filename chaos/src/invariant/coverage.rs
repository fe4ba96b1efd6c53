//! A run that broke nothing, or in which nothing succeeded, proves nothing.

use super::{
    minority_refuses,
    reading::{field, of_kind, statements},
    revoked_is_out,
};
use crate::history::{Answer, Entry, History, Manner, Phase, Shape};
use std::collections::BTreeMap;

/// The least of what is common.
const COMMON: usize = 10;
/// The least of what is rare.
const RARE: usize = 1;

pub(super) fn check(history: &History) -> Vec<String> {
    let mut missing = Vec::new();
    for (fault, (began, ended)) in faults(history) {
        if began == 0 || ended == 0 {
            missing.push(format!("fault {fault} began {began} and ended {ended} times"));
        }
    }
    for (what, found, least) in successes(history).into_iter().chain(changes(history)) {
        if found < least {
            missing.push(format!(
                "only {found} {what}, at least {least} are needed to prove anything"
            ));
        }
    }
    missing
}

type Least = (&'static str, usize, usize);

fn successes(history: &History) -> Vec<Least> {
    let statements = statements(history);
    let done: Vec<_> = history
        .entries
        .iter()
        .filter_map(|entry| match entry {
            Entry::Answered { mark, answer: Answer::Done, .. } => statements.get(mark.as_str()),
            Entry::Answered { .. }
            | Entry::Sent { .. }
            | Entry::Decided { .. }
            | Entry::Applied { .. }
            | Entry::Revoked { .. }
            | Entry::Watched { .. }
            | Entry::HeadSeen { .. }
            | Entry::Fault { .. } => None,
        })
        .collect();
    let shape = |shape: Shape| done.iter().filter(|sent| sent.shape == shape).count();
    let manner = |manner: Manner| done.iter().filter(|sent| sent.manner == manner).count();
    vec![
        ("writes done", shape(Shape::Write), COMMON),
        ("reads done", shape(Shape::Read), COMMON),
        ("statements done with bound values", manner(Manner::Extended), RARE),
        ("statements done in a transaction", manner(Manner::Transaction), RARE),
    ]
}

fn changes(history: &History) -> Vec<Least> {
    let trail = history.trail();
    let kind = |kind: &str| of_kind(trail, kind).count();
    let changed = |kind: &str| {
        of_kind(trail, "resource_changed")
            .filter(|event| field(event, "resource.kind") == kind)
            .count()
    };
    let opaque = of_kind(trail, "held")
        .filter(|event| field(event, "operation.actions").contains("postgres:opaque"))
        .count();
    let heads = history.entries.iter().filter(|entry| matches!(entry, Entry::HeadSeen { .. }));
    vec![
        ("decisions", kind("decided"), COMMON),
        ("opaque statements held", opaque, RARE),
        // The first is the development cluster's own.
        ("revisions of the policy", changed("Policy"), 1 + RARE),
        ("revisions of the target", changed("Target"), 1 + RARE),
        ("revocations acknowledged", revoked_is_out::acknowledged(history).len(), RARE),
        ("heads of the chain seen", heads.count(), COMMON),
        ("statements sent to a cut-off node past its lease", minority_refuses::seen(history), RARE),
    ]
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
