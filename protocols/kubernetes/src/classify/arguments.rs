//! The command that a request runs in a container: its words are in the query, one by one, and no shell reads them.

use super::query::Query;
use countersign_core::operation::{Action, Demand};
use std::collections::BTreeSet;

/// The command, as a line of its words with one blank between them, quoted where they must be. A shell that the command
/// itself starts is not looked into.
pub(super) fn commands(demands: &BTreeSet<Demand>, query: &Query<'_>) -> BTreeSet<String> {
    if !demands.iter().any(|demand| demand.action == Action::KubernetesExec) {
        return BTreeSet::new();
    }
    let words: Vec<_> = query.values("command").map(quoted).collect();
    if words.is_empty() { BTreeSet::new() } else { BTreeSet::from([words.join(" ")]) }
}

/// A word as a shell would have to be given it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:,+@%=".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}
