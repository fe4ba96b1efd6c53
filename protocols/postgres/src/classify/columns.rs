//! Which columns a statement names, and of which relations. A name counts for every relation of the statement that it can
//! belong to by the text alone: that says too much where several relations are named, and never too little. What `*` stands
//! for, and whether a relation has such a column, only the target's catalogue knows.

use std::collections::BTreeSet;

use pg_query::{Node, protobuf::RangeVar};
use serde::{Deserialize, Serialize};

use super::{Name, name, walk::Walk};

/// The most columns that are told one by one; a statement that names more names all of each relation.
const MAX_COLUMNS: usize = 2000;

/// A column that a statement names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NamedColumn {
    /// The relation, as the text names it.
    pub relation: Name,
    /// The column, decoded; `None` is every one.
    pub column: Option<String>,
    /// How the text names it.
    pub naming: Naming,
}

/// How a text names a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Naming {
    /// By its name alone.
    Alone,
    /// Behind the name of its relation, which calls a function with the whole row where there is no such column.
    Qualified,
    /// By the name that it is only going to have.
    New,
}

/// The columns that every table has beside its own.
const SYSTEM_COLUMNS: &[&str] = &["tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"];

/// Whether every table has a column of this name.
pub(crate) fn is_system_column(name: &str) -> bool {
    SYSTEM_COLUMNS.contains(&name)
}

/// A column as the text writes it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Written {
    qualifier: Option<String>,
    column: Option<String>,
    naming: Naming,
}

impl Walk {
    /// A column by its name, behind a qualifier or without one; no name is `*`.
    pub(super) fn writes_column(&mut self, qualifier: Option<&str>, column: Option<&str>) {
        self.written_columns.insert(Written {
            qualifier: qualifier.map(ToOwned::to_owned),
            column: column.map(ToOwned::to_owned),
            naming: if qualifier.is_some() { Naming::Qualified } else { Naming::Alone },
        });
    }

    /// A column that comes to be.
    pub(super) fn writes_new_column(&mut self, column: &str) {
        let column = Some(column.to_owned());
        self.written_columns.insert(Written { qualifier: None, column, naming: Naming::New });
    }

    /// Columns by their names alone.
    pub(super) fn writes_columns(&mut self, nodes: &[Node]) {
        for column in name::strings(nodes).unwrap_or_default() {
            self.writes_column(None, Some(column));
        }
    }

    /// The columns of a list that may be left out, which means all of them.
    pub(super) fn writes_columns_or_all(&mut self, nodes: &[Node]) {
        if nodes.is_empty() {
            self.writes_column(None, None);
        }
        self.writes_columns(nodes);
    }

    /// What a relation of the text is called in it.
    pub(super) fn calls_relation(&mut self, relation: &RangeVar, means: &[Name]) {
        let alias = relation.alias.as_ref();
        let called = alias.map_or(relation.relname.as_str(), |alias| alias.aliasname.as_str());
        self.also_called(called, means);
        if alias.is_some_and(|alias| !alias.colnames.is_empty()) {
            // Its columns have other names here.
            self.writes_column(Some(called), None);
        }
    }

    /// Another name of the same, such as `old` in RETURNING.
    pub(super) fn also_called(&mut self, called: &str, means: &[Name]) {
        self.flow.derived.qualifies(called);
        self.called.entry(called.to_owned()).or_default().extend(means.iter().cloned());
    }

    /// The columns, once every relation of the statement is known.
    pub(super) fn settled_columns(&self) -> BTreeSet<NamedColumn> {
        let relations: BTreeSet<&Name> = self.called.values().flatten().collect();
        let all_of = |relation: &Name| NamedColumn {
            relation: relation.clone(),
            column: None,
            naming: Naming::Alone,
        };
        let mut columns = BTreeSet::new();
        for Written { qualifier, column, naming } in &self.written_columns {
            let of = match qualifier {
                Some(qualifier) => self.called.get(qualifier).into_iter().flatten().collect(),
                None => relations.clone(),
            };
            for relation in of {
                let (relation, naming) = (relation.clone(), *naming);
                columns.insert(NamedColumn { relation, column: column.clone(), naming });
            }
            // The name of a relation, where a column can stand, is its whole row.
            let row = column.as_ref().filter(|_| *naming == Naming::Alone);
            columns.extend(
                row.and_then(|name| self.called.get(name)).into_iter().flatten().map(all_of),
            );
            if columns.len() > MAX_COLUMNS {
                return relations.into_iter().map(all_of).collect();
            }
        }
        columns
    }
}
