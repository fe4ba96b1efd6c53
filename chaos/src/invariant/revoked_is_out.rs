//! `revoked_is_out`: from its place in the log on nothing is admitted, held, decided or opened for what was revoked; its open
//! sessions are closed in the same entry; what was sent after the revocation was acknowledged is not done, at any node; and
//! an agent whose session was open sees it end in time.

use super::reading::{field, is_withheld, of_kind, statements, windows};
use crate::{
    fault::Fault,
    history::{Answer, End, Entry, History, Out},
};
use countersign_api::audit::AuditEvent;
use std::collections::BTreeMap;

/// How long after the acknowledgement a node may take to end a session: one lease, and two seconds of a busy machine.
const ENDS_MS: u64 = 7_000;
/// A node that is out of reach hears of nothing: it ends its sessions a second after its lease has lapsed; another is
/// for the machine.
const CUT_OFF_ENDS_MS: u64 = ENDS_MS + 2_000;
/// Kinds of events that there are no more for what is out.
const ADMITTING: &[&str] = &["intent", "held", "session_opened", "decided", "glass_broken"];
/// HTTP status of what was done.
const TAKEN: u16 = 200;

pub(super) fn check(history: &History) -> Vec<String> {
    let mut wrong = in_the_log(history.trail());
    for (out, acknowledged) in acknowledged(history) {
        let known = of_kind(history.trail(), "revoked").any(|event| *out == revoked(event))
            // A session that had ended already was not revoked any more.
            || matches!(out, Out::Session(id) if of_kind(history.trail(), "session_closed")
                .any(|event| field(event, "session.id") == id));
        if !known {
            wrong.push(format!("the revocation of {out:?} was acknowledged at {acknowledged} ms, and the trail does not know it"));
        }
        if let Out::Agent(agent) = out {
            wrong.extend(done_later(history, agent, acknowledged));
            wrong.extend(still_open(history, agent, acknowledged));
        }
    }
    wrong
}

/// What was acknowledged first, and when.
pub(super) fn acknowledged(history: &History) -> Vec<(&Out, u64)> {
    let taken = history.entries.iter().filter_map(|entry| match entry {
        Entry::Revoked { at_ms, out, status: TAKEN, .. } => Some((out, *at_ms)),
        Entry::Revoked { .. }
        | Entry::Sent { .. }
        | Entry::Answered { .. }
        | Entry::Decided { .. }
        | Entry::Applied { .. }
        | Entry::Watched { .. }
        | Entry::HeadSeen { .. }
        | Entry::Fault { .. } => None,
    });
    taken.collect()
}

fn revoked(event: &AuditEvent) -> Out {
    match field(event, "session.id") {
        "" => Out::Agent(field(event, "agent.subject").to_owned()),
        id => Out::Session(id.to_owned()),
    }
}

fn in_the_log(trail: &[AuditEvent]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut out: Vec<(Out, &AuditEvent)> = Vec::new();
    let mut open: BTreeMap<&str, &str> = BTreeMap::new();
    let concerns = |out: &Out, event: &AuditEvent| match out {
        Out::Agent(agent) => field(event, "agent.subject") == agent,
        Out::Session(id) => field(event, "session.id") == id,
    };
    for event in trail {
        let session = field(event, "session.id");
        for (out, by) in out.iter().filter(|(out, _)| concerns(out, event)) {
            if ADMITTING.contains(&event.kind.as_str()) && !is_withheld(event) {
                wrong.push(format!(
                    "event {} is a {} of {out:?}, which was revoked at event {}",
                    event.sequence, event.kind, by.sequence
                ));
            }
        }
        match event.kind.as_str() {
            "session_opened" => {
                open.insert(session, field(event, "agent.subject"));
            }
            "session_closed" => {
                open.remove(session);
                let late =
                    out.iter().find(|(out, by)| concerns(out, event) && by.index != event.index);
                if let Some((out, by)) = late {
                    wrong.push(format!("session {session} was closed at log entry {}, its {out:?} was revoked at {}", event.index, by.index));
                }
            }
            "revoked" => out.push((revoked(event), event)),
            _ => {}
        }
    }
    for (session, agent) in open {
        if out.iter().any(|(out, _)| {
            *out == Out::Agent(agent.to_owned()) || *out == Out::Session(session.to_owned())
        }) {
            wrong.push(format!("session {session} of {agent} is still open, and it was revoked"));
        }
    }
    wrong
}

fn done_later(history: &History, agent: &str, acknowledged: u64) -> Vec<String> {
    let statements = statements(history);
    let mut wrong = Vec::new();
    for entry in &history.entries {
        let Entry::Answered { sent_ms, at_ms, mark, node, answer: Answer::Done } = entry else {
            continue;
        };
        let own = statements.get(mark.as_str()).is_some_and(|sent| sent.agent == agent);
        if own && *sent_ms > acknowledged {
            wrong.push(format!("{agent} was out at {acknowledged} ms; node {node} was sent its '{mark}' at {sent_ms} ms and did it at {at_ms} ms"));
        }
    }
    wrong
}

fn still_open(history: &History, agent: &str, acknowledged: u64) -> Vec<String> {
    let mut wrong = Vec::new();
    for entry in &history.entries {
        let Entry::Watched { opened_ms, at_ms, node, agent: whose, end } = entry else { continue };
        if whose != agent || *opened_ms > acknowledged {
            continue;
        }
        let met: Vec<_> = windows(history)
            .into_iter()
            .filter(|met| {
                met.node == *node
                    && met.from < acknowledged + CUT_OFF_ENDS_MS
                    && met.until > acknowledged
            })
            .collect();
        // A frozen process ends nothing; that it does nothing for the agent after it thaws is looked at above.
        if met.iter().any(|met| met.fault == Fault::Freeze.name()) {
            continue;
        }
        let allowed = if met.is_empty() { ENDS_MS } else { CUT_OFF_ENDS_MS };
        if *at_ms > acknowledged + allowed {
            let how = match end {
                End::Closed => "ended",
                End::StillOpen => "was still open",
            };
            wrong.push(format!("{agent} was out at {acknowledged} ms; its session at node {node} {how} at {at_ms} ms"));
        }
    }
    wrong
}
