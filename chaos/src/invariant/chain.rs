//! The chain of audit events is unbroken on every node that ran, and no two nodes tell different stories.

use crate::history::History;
use countersign_api::audit::AuditEvent;
use countersign_core::record::{self, ChainWalk};

pub(super) fn check(history: &History) -> Vec<String> {
    let mut wrong: Vec<String> = (1..=history.header.nodes)
        .filter(|node| !history.audit.contains_key(node))
        .map(|node| format!("node {node} told no trail"))
        .collect();
    for (node, events) in &history.audit {
        if let Err(story) = walk(events) {
            wrong.push(format!("node {node}: {story}"));
        }
        let differs =
            events.iter().zip(history.trail()).find(|(mine, other)| mine.hash != other.hash);
        if let Some((mine, _)) = differs {
            wrong.push(format!("node {node} has another event {} than its peers", mine.sequence));
        }
        if events.len() != history.trail().len() {
            wrong.push(format!(
                "node {node} has {} events, a peer has {}",
                events.len(),
                history.trail().len()
            ));
        }
    }
    wrong
}

fn walk(events: &[AuditEvent]) -> Result<(), String> {
    let mut walk = ChainWalk::default();
    for event in events {
        let core = record::AuditEvent::try_from(event).map_err(|error| error.to_string())?;
        walk.step(&core).map_err(|error| error.to_string())?;
        if walk.head().hash.to_string() != event.hash {
            return Err(format!("event {} does not hash to what it says", event.sequence));
        }
    }
    Ok(())
}
