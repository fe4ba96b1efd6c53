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
        let summaries: Vec<&str> =
            statements.iter().map(|statement| statement.summary.as_str()).collect();
        Self {
            demands: all,
            fence,
            copy,
            border,
            settings,
            summary: summaries.join("; "),
            notes: statements
                .iter()
                .flat_map(|statement| statement.notes.iter().cloned())
                .take(MAX_NOTES)
                .collect(),
        }
    }

    /// Something a look at the target has added.
    pub(crate) fn demand(&mut self, action: Action, note: String) {
        self.demands.insert(Demand { action, resource: Resource::Target });
        if action != Action::PostgresRead {
            self.fence = Fence::Writes;
        }
        if self.notes.len() < MAX_NOTES && !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }
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
