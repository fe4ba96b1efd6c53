//! What a text asks for, from its reading to its judgement: each demand keeps the name it came from until the catalogue has
//! said which relation that name means. It talks to nobody and decides nothing.
//!
//! A name without a schema and a name with one are never taken for each other: what the catalogue says about `accounts`
//! changes nothing about `secret.accounts`.

use crate::{
    classify::{
        Action as Found, Classified, Name, NamedColumn, Naming, Statement, is_system_column,
    },
    target::PostgresTarget,
};
use countersign_core::operation::{Action, Demand, NamedColumn as Column, Resource};
use std::collections::{BTreeMap, BTreeSet};

/// What a text asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Asked {
    /// Of the target as a whole, and of relations whose schema is known.
    certain: BTreeSet<Demand>,
    /// Of relations that the text names without a schema, by that name.
    bare: BTreeMap<String, Bare>,
    /// The columns that the text names.
    columns: BTreeSet<NamedColumn>,
    /// The columns that relations have, once the catalogue has said it.
    known_columns: BTreeMap<(String, String), BTreeSet<String>>,
    /// Where names without a schema are looked up, after `pg_catalog`.
    search_path: Vec<String>,
}

/// What is asked of a relation that is named without a schema.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Bare {
    actions: BTreeSet<Action>,
    /// Its schema, once the catalogue has said it; several where the catalogue has changed meanwhile.
    schemas: BTreeSet<String>,
}

impl Asked {
    /// What the classifier found, with the functions that the administrator declares harmless taken as reads.
    pub(crate) fn of(classified: &Classified, target: &PostgresTarget) -> Self {
        let mut asked = Self {
            certain: BTreeSet::new(),
            bare: BTreeMap::new(),
            columns: BTreeSet::new(),
            known_columns: BTreeMap::new(),
            search_path: target.search_path.clone(),
        };
        for statement in &classified.statements {
            asked.columns.extend(statement.columns.iter().cloned());
            for found in &statement.demands {
                let action = found.action.policy_action();
                match &found.object {
                    Some(name) if found.action == Found::Function => {
                        let allowed = is_allowed(name, statement, target);
                        asked.of_target(if allowed { Action::PostgresRead } else { action });
                    }
                    Some(name) => asked.of_relation(action, name),
                    None => asked.of_target(action),
                }
            }
        }
        asked
    }

    /// Asks for an action on the target as a whole.
    pub(crate) fn of_target(&mut self, action: Action) {
        self.certain.insert(Demand { action, resource: Resource::Target });
    }

    /// Asks for an action on a relation.
    pub(crate) fn of_relation(&mut self, action: Action, name: &Name) {
        match &name.schema {
            Some(schema) => {
                let resource = relation(schema, &name.name);
                self.certain.insert(Demand { action, resource });
            }
            None => {
                self.bare.entry(name.name.clone()).or_default().actions.insert(action);
            }
        }
    }

    /// What is asked of a relation by exactly this name.
    pub(crate) fn actions(&self, name: &Name) -> BTreeSet<Action> {
        match &name.schema {
            None => self.bare.get(&name.name).map(|bare| bare.actions.clone()).unwrap_or_default(),
            Some(schema) => {
                let wanted = relation(schema, &name.name);
                let on_it = self.certain.iter().filter(|demand| demand.resource == wanted);
                on_it.map(|demand| demand.action).collect()
            }
        }
    }

    /// The catalogue has said which schema a name without one means.
    pub(crate) fn resolve(&mut self, name: &str, schema: &str) {
        if let Some(bare) = self.bare.get_mut(name) {
            bare.schemas.insert(schema.to_owned());
        }
    }

    /// The catalogue has said which columns a relation has.
    pub(crate) fn know_columns(&mut self, schema: &str, name: &str, columns: &BTreeSet<String>) {
        if !columns.is_empty() {
            let known = self.known_columns.entry((schema.to_owned(), name.to_owned()));
            known.or_default().extend(columns.iter().cloned());
        }
    }

    /// Rows of another relation come with those of `name`: columns that are named of one are named of the other.
    pub(crate) fn comes_with(&mut self, name: &Name, below: &Name) {
        let named: Vec<NamedColumn> = self
            .columns
            .iter()
            .filter(|column| column.relation == *name)
            .map(|column| NamedColumn { relation: below.clone(), ..column.clone() })
            .collect();
        self.columns.extend(named);
    }

    /// The columns that the text names, as far as it is known which relations have them.
    pub(crate) fn columns(&self) -> BTreeSet<Column> {
        let mut all = BTreeSet::new();
        for NamedColumn { relation, column, naming } in &self.columns {
            for schema in self.schemas_meant(relation) {
                let of = |column: Option<&String>| Column {
                    schema: schema.to_owned(),
                    relation: relation.name.clone(),
                    column: column.cloned(),
                };
                let known = self.known_columns.get(&(schema.to_owned(), relation.name.clone()));
                match (column, known) {
                    (None, Some(known)) => all.extend(known.iter().map(|column| of(Some(column)))),
                    (Some(column), Some(known)) if !known.contains(column) => match naming {
                        // It calls a function with the whole row.
                        Naming::Qualified if !is_system_column(column) => {
                            all.extend(known.iter().map(|column| of(Some(column))));
                        }
                        // It belongs to another relation of the statement, or the server will say that there is none.
                        Naming::Qualified | Naming::Alone => {}
                        Naming::New => drop(all.insert(of(Some(column)))),
                    },
                    (column, _) => drop(all.insert(of(column.as_ref()))),
                }
            }
        }
        all
    }

    fn schemas_meant<'a>(&'a self, relation: &'a Name) -> Vec<&'a str> {
        match &relation.schema {
            Some(schema) => vec![schema.as_str()],
            None => match self.bare.get(&relation.name).map(|bare| &bare.schemas) {
                Some(schemas) if !schemas.is_empty() => {
                    schemas.iter().map(String::as_str).collect()
                }
                Some(_) | None => self.schemas_of(&relation.name),
            },
        }
    }

    /// What policy is asked. A name of which the schema is not known is every relation that it can mean.
    pub(crate) fn demands(&self) -> BTreeSet<Demand> {
        let mut all = self.certain.clone();
        for (name, bare) in &self.bare {
            let schemas = if bare.schemas.is_empty() {
                self.schemas_of(name)
            } else {
                bare.schemas.iter().map(String::as_str).collect()
            };
            for schema in schemas {
                let resource = relation(schema, name);
                all.extend(
                    bare.actions
                        .iter()
                        .map(|&action| Demand { action, resource: resource.clone() }),
                );
            }
        }
        all
    }

    fn schemas_of(&self, name: &str) -> Vec<&str> {
        // `pg_catalog` is looked at first; its relations all begin with `pg_`.
        let built_in = name.starts_with("pg_").then_some("pg_catalog");
        built_in.into_iter().chain(self.search_path.iter().map(String::as_str)).collect()
    }
}

fn relation(schema: &str, name: &str) -> Resource {
    Resource::Relation { schema: schema.to_owned(), name: name.to_owned() }
}

/// Whether the administrator declares a call harmless. A type or collation of the same name is no function.
pub(crate) fn is_allowed(name: &Name, statement: &Statement, target: &PostgresTarget) -> bool {
    target.allow_functions.contains(&name.to_string()) && !statement.types.contains(name)
}

#[cfg(test)]
pub(crate) mod tests;
