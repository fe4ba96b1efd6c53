//! `minority_refuses`: a node that was cut off (partitioned) for longer than a lease does nothing that is
//! sent to it before it is healed. An answer `Done` inside that window is the counter-example.

use crate::{
    fault::PAST_LEASE_MS,
    history::{Answer, Entry, History, Phase},
};

pub(super) fn check(history: &History) -> Vec<String> {
    let mut wrong = Vec::new();
    for window in windows(history) {
        for (sent_at, node, mark) in sent(history) {
            let inside = node == window.node
                && sent_at > window.from + PAST_LEASE_MS
                && sent_at < window.until;
            if !inside {
                continue;
            }
            if let Some(at) =
                done_at(history, node, mark).filter(|at| (sent_at..window.until).contains(at))
            {
                wrong.push(format!(
                    "node {node} was cut off from {} to {} ms by {}, was sent '{mark}' at {sent_at} ms and answered it at {at} ms",
                    window.from, window.until, window.fault
                ));
            }
        }
    }
    wrong
}

struct Window<'a> {
    fault: &'a str,
    node: usize,
    from: u64,
    until: u64,
}

fn windows(history: &History) -> Vec<Window<'_>> {
    let cuts = |fault: &str| fault.starts_with("partition");
    let mut windows = Vec::new();
    for entry in &history.entries {
        let Entry::Fault { at_ms, fault, node, phase } = entry else { continue };
        match phase {
            Phase::Begin if cuts(fault) => {
                windows.push(Window { fault, node: *node, from: *at_ms, until: u64::MAX });
            }
            Phase::Begin => {}
            Phase::End => {
                let open =
                    windows.iter_mut().rev().find(|open| open.fault == fault && open.node == *node);
                if let Some(open) = open {
                    open.until = *at_ms;
                }
            }
        }
    }
    windows
}

fn sent(history: &History) -> impl Iterator<Item = (u64, usize, &str)> {
    history.entries.iter().filter_map(|entry| match entry {
        Entry::WriteSent { at_ms, mark, node, .. } | Entry::ReadSent { at_ms, mark, node } => {
            Some((*at_ms, *node, mark.as_str()))
        }
        Entry::Answered { .. } | Entry::Decided { .. } | Entry::Fault { .. } => None,
    })
}

fn done_at(history: &History, wanted: usize, name: &str) -> Option<u64> {
    history.entries.iter().find_map(|entry| match entry {
        Entry::Answered { at_ms, mark, node, answer: Answer::Done }
            if *node == wanted && mark == name =>
        {
            Some(*at_ms)
        }
        Entry::Answered { .. }
        | Entry::WriteSent { .. }
        | Entry::ReadSent { .. }
        | Entry::Decided { .. }
        | Entry::Fault { .. } => None,
    })
}
