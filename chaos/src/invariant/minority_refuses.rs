//! `minority_refuses`: a node that was cut off for longer than a lease does nothing that is sent to it before it is healed:
//! no statement, no decision, no change, no revocation, not even the head of the chain. A frozen node does nothing at all;
//! what it does after it thaws is for the log to refuse, and the other checkers see that.

use super::reading::{Window, windows};
use crate::{
    fault::{Fault, PAST_LEASE_MS},
    history::{Answer, Entry, History},
};

/// HTTP status of what was done.
const TAKEN: u16 = 200;

pub(super) fn check(history: &History) -> Vec<String> {
    let windows: Vec<_> = windows(history).into_iter().filter_map(silence).collect();
    let mut wrong = Vec::new();
    for done in history.entries.iter().filter_map(done) {
        for silent in windows.iter().filter(|silent| silent.is_broken_by(&done)) {
            wrong.push(format!(
                "node {} was out from {} to {} ms by {}, was sent {} at {} ms and did it at {} ms",
                done.node,
                silent.window.from,
                silent.window.until,
                silent.window.fault,
                done.what,
                done.sent_ms,
                done.at_ms
            ));
        }
    }
    wrong
}

/// How much was sent to cut-off nodes after their lease had run out: without any, nothing was seen.
pub(super) fn seen(history: &History) -> usize {
    let cuts: Vec<_> = windows(history).into_iter().filter(Window::is_cut).collect();
    let was_sent = |entry: &&Entry| match entry {
        Entry::Sent { at_ms, node, .. } => cuts.iter().any(|cut| {
            cut.node == *node && *at_ms > cut.from + PAST_LEASE_MS && *at_ms < cut.until
        }),
        Entry::Answered { .. }
        | Entry::Decided { .. }
        | Entry::Applied { .. }
        | Entry::Revoked { .. }
        | Entry::Watched { .. }
        | Entry::HeadSeen { .. }
        | Entry::Fault { .. } => false,
    };
    history.entries.iter().filter(was_sent).count()
}

/// A time in which a node must do nothing that is sent to it meanwhile.
struct Silence<'a> {
    window: Window<'a>,
    begins: u64,
}

impl Silence<'_> {
    fn is_broken_by(&self, done: &Done<'_>) -> bool {
        done.node == self.window.node
            && done.sent_ms > self.begins
            && done.at_ms >= done.sent_ms
            && done.at_ms < self.window.until
    }
}

fn silence(window: Window<'_>) -> Option<Silence<'_>> {
    if window.is_cut() {
        return Some(Silence { window, begins: window.from + PAST_LEASE_MS });
    }
    (window.fault == Fault::Freeze.name()).then_some(Silence { window, begins: window.from })
}

/// Something that a node did.
struct Done<'a> {
    node: usize,
    sent_ms: u64,
    at_ms: u64,
    what: &'a str,
}

fn done(entry: &Entry) -> Option<Done<'_>> {
    let (node, sent_ms, at_ms, what) = match entry {
        Entry::Answered { sent_ms, at_ms, mark, node, answer: Answer::Done } => {
            (node, sent_ms, at_ms, mark.as_str())
        }
        Entry::Decided { sent_ms, at_ms, node, decision, status: TAKEN, .. } => {
            (node, sent_ms, at_ms, decision.as_str())
        }
        Entry::Applied { sent_ms, at_ms, node, kind, status: TAKEN, .. } => {
            (node, sent_ms, at_ms, kind.as_str())
        }
        Entry::Revoked { sent_ms, at_ms, node, status: TAKEN, .. } => {
            (node, sent_ms, at_ms, "a revocation")
        }
        Entry::HeadSeen { sent_ms, at_ms, node, .. } => {
            (node, sent_ms, at_ms, "a question for the head of the chain")
        }
        Entry::Answered { .. }
        | Entry::Decided { .. }
        | Entry::Applied { .. }
        | Entry::Revoked { .. }
        | Entry::Sent { .. }
        | Entry::Watched { .. }
        | Entry::Fault { .. } => return None,
    };
    Some(Done { node: *node, sent_ms: *sent_ms, at_ms: *at_ms, what })
}
