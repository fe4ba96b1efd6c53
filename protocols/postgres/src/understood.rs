//! What one text asks for, in the words of policy: the classifier's findings with their relations resolved against the
//! pinned search path. Where a name could mean relations of several schemas, all of them are demanded.

use crate::classify::{Action as Found, Classified, Fence, Name, StatementKind, TransactionStep};
use crate::target::PostgresTarget;
use countersign_core::operation::{Action, Demand, Resource};
use std::collections::BTreeSet;

/// What one text asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Understood {
    pub(crate) demands: BTreeSet<Demand>,
    pub(crate) fence: Fence,
    pub(crate) copy: Copy,
    /// Whether it begins a transaction block.
    pub(crate) border: Border,
    /// Whether it changes settings, so that later operations mean something else.
    pub(crate) settings: Settings,
    pub(crate) summary: String,
    pub(crate) notes: Vec<String>,
}

/// Which COPY the target may begin for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Copy {
    None,
    Out,
    In,
}

/// What it does to the transaction block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Border {
    None,
    Begins,
    Other,
}

/// Whether it changes settings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Settings {
    Kept,
    Changed,
}

/// The most notes a reviewer is given.
const MAX_NOTES: usize = 32;
/// The longest note, in bytes.
const MAX_NOTE: usize = 1024;
/// The longest summary, in bytes, with room for a few words around it: it is a line in lists, and a part of every record,
/// which takes no text of any length. The text itself stands beside it.
const MAX_SUMMARY: usize = 4 * 1024;

impl Understood {
    /// Reads what the classifier found.
    pub(crate) fn of(classified: &Classified, target: &PostgresTarget) -> Self {
        let statements = &classified.statements;
        let all = demands(classified, target);
        let reads = all
            .iter()
            .all(|demand| matches!(demand.action, Action::PostgresRead | Action::PostgresShow));
        let fence = match statements.as_slice() {
            [one] if one.fence == Fence::TransactionControl => Fence::TransactionControl,
            // What only calls functions that the administrator declares harmless reads too.
            _ if reads => Fence::ReadOnly,
            many if many.iter().all(|statement| statement.fence == Fence::ReadOnly) => {
                Fence::ReadOnly
            }
            _ => Fence::Writes,
        };
        let any = |kinds: fn(&StatementKind) -> bool| {
            statements.iter().any(|statement| kinds(&statement.kind))
        };
        let copy = if any(|kind| *kind == StatementKind::CopyIn) {
            Copy::In
        } else if any(|kind| *kind == StatementKind::CopyOut) {
            Copy::Out
        } else {
            Copy::None
        };
        let border = if any(|kind| *kind == StatementKind::Transaction(TransactionStep::Begin)) {
            Border::Begins
        } else if any(|kind| matches!(kind, StatementKind::Transaction(_))) {
            Border::Other
        } else {
            Border::None
        };
        let settings = if any(|kind| matches!(kind, StatementKind::Set(_))) {
            Settings::Changed
        } else {
            Settings::Kept
        };
        Self {
            demands: all,
            fence,
            copy,
            border,
            settings,
            summary: summary(statements.iter().map(|statement| statement.summary.as_str())),
            notes: statements
                .iter()
                .flat_map(|statement| statement.notes.iter())
                .take(MAX_NOTES)
                .map(|note| cut(note, MAX_NOTE))
                .collect(),
        }
    }

    /// Something a look at the target has added.
    pub(crate) fn demand(&mut self, action: Action, note: String) {
        self.demands.insert(Demand { action, resource: Resource::Target });
        if action != Action::PostgresRead {
            self.fence = Fence::Writes;
        }
        let note = cut(&note, MAX_NOTE);
        if self.notes.len() < MAX_NOTES && !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }
}

/// One line over all statements; where it becomes too long, with the count of those it leaves out.
fn summary<'a>(statements: impl ExactSizeIterator<Item = &'a str>) -> String {
    let mut line = String::new();
    let count = statements.len();
    for (n, statement) in statements.enumerate() {
        let between = if n == 0 { "" } else { "; " };
        if n > 0 && line.len() + between.len() + statement.len() > MAX_SUMMARY {
            return format!("{line}; and {} more statements", count - n);
        }
        line.push_str(between);
        line.push_str(&cut(statement, MAX_SUMMARY));
    }
    line
}

/// The beginning of a text that is too long, with the length of the whole.
fn cut(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(most);
    let beginning = text.get(..end).unwrap_or_default();
    format!("{beginning}… ({} bytes in all)", text.len())
}

fn demands(classified: &Classified, target: &PostgresTarget) -> BTreeSet<Demand> {
    let mut all = BTreeSet::new();
    for found in classified.demands() {
        if found.action == Found::Function && is_allowed(found.object.as_ref(), target) {
            all.insert(Demand { action: Action::PostgresRead, resource: Resource::Target });
            continue;
        }
        let action = found.action.policy_action();
        match &found.object {
            Some(name) if found.action != Found::Function => {
                all.extend(
                    candidates(name, &target.search_path)
                        .map(|resource| Demand { action, resource }),
                );
            }
            Some(_) | None => {
                all.insert(Demand { action, resource: Resource::Target });
            }
        }
    }
    all
}

fn is_allowed(function: Option<&Name>, target: &PostgresTarget) -> bool {
    function.is_some_and(|name| target.allow_functions.contains(&name.to_string()))
}

/// The relations that a name can mean.
pub(crate) fn candidates(name: &Name, search_path: &[String]) -> impl Iterator<Item = Resource> {
    let schemas = if let Some(schema) = &name.schema {
        vec![schema.clone()]
    } else {
        // `pg_catalog` is looked at first; its relations all begin with `pg_`.
        let built_in = name.name.starts_with("pg_").then(|| "pg_catalog".to_owned());
        built_in.into_iter().chain(search_path.iter().cloned()).collect()
    };
    let name = name.name.clone();
    schemas.into_iter().map(move |schema| Resource::Relation { schema, name: name.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the replicated state takes of a summary (`MAX_SHORT_TEXT` of raft-store).
    const TAKEN: usize = 8 * 1024;

    #[test]
    fn a_summary_fits_into_a_record_however_many_statements_a_text_has() {
        let few = summary(["SELECT of a", "DELETE of b"].into_iter());
        assert_eq!(few, "SELECT of a; DELETE of b");
        let names = vec!["SELECT of public.a_relation_with_quite_a_long_name"; 1000];
        let many = summary(names.into_iter());
        assert!(many.len() < TAKEN / 2 + 64, "{}", many.len());
        assert!(many.ends_with("; and 922 more statements"), "{many}");
        let long = "é".repeat(TAKEN);
        let one = summary([long.as_str(), "SELECT"].into_iter());
        assert!(one.len() < TAKEN / 2 + 64, "{}", one.len());
        assert!(one.ends_with("… (16384 bytes in all); and 1 more statements"), "{one}");
    }
}
