//! What a text asks for, from its reading to its judgement: each demand keeps the name it came from until the catalogue has
//! said which relation that name means. It talks to nobody and decides nothing.
//!
//! A name without a schema and a name with one are never taken for each other: what the catalogue says about `accounts`
//! changes nothing about `secret.accounts`.

use crate::{
    classify::{Action as Found, Classified, Name, Statement},
    target::PostgresTarget,
};
use countersign_core::operation::{Action, Demand, Resource};
use std::collections::{BTreeMap, BTreeSet};

/// What a text asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Asked {
    /// Of the target as a whole, and of relations whose schema is known.
    certain: BTreeSet<Demand>,
    /// Of relations that the text names without a schema, by that name.
    bare: BTreeMap<String, Bare>,
    /// Where names without a schema are looked up, after `pg_catalog`.
    search_path: Vec<String>,
}

/// What is asked of a relation that is named without a schema.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Bare {
    actions: BTreeSet<Action>,
    /// Its schema, once the catalogue has said it.
    schema: Option<String>,
}

impl Asked {
    /// What the classifier found, with the functions that the administrator declares harmless taken as reads.
    pub(crate) fn of(classified: &Classified, target: &PostgresTarget) -> Self {
        let mut asked = Self {
            certain: BTreeSet::new(),
            bare: BTreeMap::new(),
            search_path: target.search_path.clone(),
        };
        for statement in &classified.statements {
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
            bare.schema = Some(schema.to_owned());
        }
    }

    /// What policy is asked. A name of which the schema is not known is every relation that it can mean.
    pub(crate) fn demands(&self) -> BTreeSet<Demand> {
        let mut all = self.certain.clone();
        for (name, bare) in &self.bare {
            let schemas = match &bare.schema {
                Some(schema) => vec![schema.as_str()],
                None => self.schemas_of(name),
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
fn is_allowed(name: &Name, statement: &Statement, target: &PostgresTarget) -> bool {
    target.allow_functions.contains(&name.to_string()) && !statement.types.contains(name)
}

#[cfg(test)]
mod tests;
