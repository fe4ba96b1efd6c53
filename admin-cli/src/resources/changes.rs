//! What an `apply` changed, or would change, for people: a line for each resource, and under `diff` the places that differ.

use crate::{
    output::{Terminal, Tone},
    visible::visible,
};
use countersign_api::resource::{Applied, ApplyAnswer, ApplyResult, Change};
use serde_json::Value;
use similar::{ChangeTag, TextDiff};

/// Lines of context around a change of a text.
const CONTEXT_LINES: usize = 3;

/// Whether it was done, or would be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    Did,
    Would,
}

/// One line for each resource.
pub(super) fn summary(applied: &ApplyAnswer) -> String {
    let said = if applied.dry_run { Said::Would } else { Said::Did };
    let mut lines: Vec<_> = applied.results.iter().map(|result| line(result, said)).collect();
    lines.push(match (applied.dry_run, applied.revision) {
        (true, _) => "nothing was changed: a dry run".to_owned(),
        (false, Some(revision)) => format!("revision {revision}"),
        (false, None) => "nothing to change".to_owned(),
    });
    lines.join("\n")
}

/// Each resource with the places that differ.
pub(super) fn whole(applied: &ApplyAnswer, terminal: &Terminal) -> String {
    let differing: Vec<_> = applied
        .results
        .iter()
        .filter(|result| result.action != Applied::Unchanged)
        .map(|result| {
            let places: Vec<_> =
                result.changes.iter().map(|change| place(change, terminal)).collect();
            format!("{}\n{}", line(result, Said::Would), places.join("\n"))
        })
        .collect();
    if differing.is_empty() { "no differences".to_owned() } else { differing.join("\n\n") }
}

fn line(result: &ApplyResult, said: Said) -> String {
    let action = match (result.action, said) {
        (Applied::Created, Said::Would) => "would be created",
        (Applied::Created, Said::Did) => "created",
        (Applied::Changed, Said::Would) => "would be changed",
        (Applied::Changed, Said::Did) => "changed",
        (Applied::Unchanged, _) => "unchanged",
        (Applied::Deleted, Said::Would) => "would be deleted",
        (Applied::Deleted, Said::Did) => "deleted",
    };
    format!("{}/{} {action}", result.kind, result.name)
}

fn place(change: &Change, terminal: &Terminal) -> String {
    let place = if change.pointer.is_empty() { "/" } else { &change.pointer };
    let before = change.before.as_ref().map(text).unwrap_or_default();
    let after = change.after.as_ref().map(text).unwrap_or_default();
    let diff = TextDiff::from_lines(&before, &after);
    let mut lines = vec![format!("  {}", visible(place))];
    for (number, group) in diff.grouped_ops(CONTEXT_LINES).iter().enumerate() {
        if number > 0 {
            lines.push("    …".to_owned());
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let (sign, tone) = match change.tag() {
                ChangeTag::Delete => ('-', Tone::Bad),
                ChangeTag::Insert => ('+', Tone::Good),
                ChangeTag::Equal => (' ', Tone::Plain),
            };
            let line = visible(change.value().trim_end_matches('\n'));
            lines.push(format!("    {}", terminal.toned(&format!("{sign} {line}"), tone)));
        }
    }
    lines.join("\n")
}

/// A text as it is, anything else as YAML.
fn text(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            serde_saphyr::to_string(value).unwrap_or_else(|_| value.to_string())
        }
    };
    if text.ends_with('\n') { text } else { format!("{text}\n") }
}
