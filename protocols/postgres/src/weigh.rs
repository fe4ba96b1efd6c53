//! What an answer of the target's catalogue adds to what a text asks for. Answers only ever add demands, or say which
//! relation a bare name means; none takes a demand away. It asks nothing itself.

use crate::{
    catalogue::{Fact, Guard, Question, Relation, RelationKind, Sets},
    classify::{Action as Found, Classified, Name},
    mask::Code,
    target::PostgresTarget,
    understood::{Parsing, Runs, Understood},
};
use countersign_core::operation::Action;
use std::collections::BTreeSet;

/// Relations below one that are demanded each; a text that reads more is opaque.
const MAX_BELOW: usize = 100;

/// Where a relation is named.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Origin<'a> {
    /// In the text.
    Text,
    /// In the definition of a view of this schema.
    ViewOf(&'a str),
}

/// The definition of a view, which must be read in turn.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Definition {
    pub(crate) schema: String,
    pub(crate) name: String,
    pub(crate) body: String,
}

/// Adds what an answer demands; returns the definition of a view.
pub(crate) fn weigh(
    understood: &mut Understood,
    target: &PostgresTarget,
    origin: Origin<'_>,
    question: &Question,
    fact: Fact,
) -> Option<Definition> {
    match (question, fact) {
        (Question::Relation(schema, name), fact) => weigh_relation(
            understood,
            origin,
            Name { schema: schema.clone(), name: name.clone() },
            fact,
        ),
        (Question::Inside(name), fact) => {
            weigh_relation(understood, origin, Name::bare(name), fact)
        }
        (_, Fact::Absent | Fact::Relation(_)) => None,
        (question, Fact::Present) => {
            weigh_code(understood, target, question);
            None
        }
    }
}

/// Code of a user's that may stand in for PostgreSQL's own.
fn weigh_code(understood: &mut Understood, target: &PostgresTarget, question: &Question) {
    let note = match question {
        Question::Function(name) | Question::RowFunction(name)
            if target.allow_functions.contains(name) =>
        {
            // Harmless is what it does; what it returns is still not the built-in one's.
            understood.brought = Code::Unseen;
            return;
        }
        Question::Function(name) => {
            format!("a user function may stand in for a built-in one: {name}")
        }
        Question::RowFunction(name) => {
            format!("a column reference may call a user function: {name}")
        }
        Question::Operator(name) => format!("a user operator may stand in for {name}"),
        Question::Type(oid) => {
            format!("a parameter is given the type {oid}, which can bring code")
        }
        Question::Casts => "a user function converts between PostgreSQL's own types".to_owned(),
        Question::Classes => "a user operator class is the default of a type".to_owned(),
        Question::Domains => {
            understood.parsing = Parsing::RunsCode;
            return;
        }
        // Who may make them may do anything; what they set is still not said.
        Question::EventTriggers => return understood.may_set(),
        Question::Relation(..) | Question::Inside(_) => return,
    };
    understood.demand(Action::PostgresFunction, note);
}

fn weigh_relation(
    understood: &mut Understood,
    origin: Origin<'_>,
    name: Name,
    fact: Fact,
) -> Option<Definition> {
    if name.schema.as_deref().is_some_and(|schema| schema.starts_with("pg_temp_")) {
        let note = format!("{name} is in a schema of temporary relations, by a session's number");
        understood.demand(Action::PostgresOpaque, note);
        return None;
    }
    let Fact::Relation(relation) = fact else {
        understood.runs = Runs::Anything;
        // In a text, the target says itself that there is no such relation; it was asked just now.
        if origin != Origin::Text {
            let note = format!("a view reads {name}, which was not found");
            understood.demand(Action::PostgresOpaque, note);
        }
        return None;
    };
    let actions = match origin {
        Origin::Text => {
            if name.schema.is_none() {
                understood.asked.resolve(&name.name, &relation.schema);
            }
            let Relation { schema, columns, .. } = &relation;
            understood.asked.know_columns(schema, &name.name, columns);
            understood.asked.actions(&name)
        }
        Origin::ViewOf(of) => {
            if relation.schema != of {
                let read = Name::in_schema(&relation.schema, &name.name);
                understood.asked.of_relation(Action::PostgresRead, &read);
            }
            BTreeSet::from([Action::PostgresRead])
        }
    };
    if relation.sets == Sets::Perhaps && actions.iter().any(|action| changes(*action)) {
        understood.may_set();
    }
    weigh_below(understood, &name, &actions, &relation.below);
    weigh_kind(understood, &name.name, relation)
}

/// Whether an action can change rows.
fn changes(action: Action) -> bool {
    !matches!(action, Action::PostgresRead | Action::PostgresShow | Action::PostgresLock)
}

/// What is done to a relation is done to those below it.
fn weigh_below(
    understood: &mut Understood,
    name: &Name,
    actions: &BTreeSet<Action>,
    below: &BTreeSet<Name>,
) {
    if below.len() > MAX_BELOW {
        let note = format!("too many tables belong to {name} to ask for each");
        return understood.demand(Action::PostgresOpaque, note);
    }
    for below in below {
        understood.asked.comes_with(name, below);
        for &action in actions {
            understood.asked.of_relation(action, below);
        }
    }
}

fn weigh_kind(understood: &mut Understood, name: &str, relation: Relation) -> Option<Definition> {
    let Relation { schema, kind, guard, sets: _, columns: _, below: _ } = relation;
    if (&kind, guard) != (&RelationKind::Plain, Guard::None) {
        understood.runs = Runs::Anything;
    }
    match guard {
        Guard::None | Guard::Planning => {}
        Guard::RowSecurity => understood.demand(
            Action::PostgresOpaque,
            format!("the row security of {schema}.{name} does more than compare its columns"),
        ),
        Guard::Code => understood.demand(
            Action::PostgresFunction,
            format!("the types of {schema}.{name} bring user functions"),
        ),
    }
    match kind {
        RelationKind::Plain => None,
        // The server's own views.
        RelationKind::View(_) if schema == "pg_catalog" || schema == "information_schema" => None,
        RelationKind::View(body) => Some(Definition { schema, name: name.to_owned(), body }),
        RelationKind::Foreign => {
            understood.demand(
                Action::PostgresFunction,
                format!("rows of {schema}.{name} come from elsewhere"),
            );
            None
        }
        RelationKind::Other => {
            understood.demand(
                Action::PostgresOpaque,
                format!("{schema}.{name} is not a plain table or view"),
            );
            None
        }
    }
}

/// A view is as harmless as what its definition does. What it reads in its own schema is read by the right to the view, as
/// PostgreSQL's own privileges have it; what it reads elsewhere is asked for by name.
pub(crate) fn weigh_view(
    understood: &mut Understood,
    target: &PostgresTarget,
    view: &Definition,
    inside: &Classified,
) {
    // To change a row of such a view sets something, as it does in pg_settings itself.
    let tables = inside.statements.iter().flat_map(|statement| &statement.tables);
    if tables.into_iter().any(|table| table.name == "pg_settings") {
        understood.may_set();
    }
    for demand in inside.demands() {
        match (demand.action, &demand.object) {
            (Found::Read, Some(name)) => {
                if name.schema.as_ref().is_some_and(|schema| *schema != view.schema) {
                    understood.asked.of_relation(Action::PostgresRead, name);
                }
            }
            (Found::Read, None) => {}
            (Found::Function, Some(name)) if is_allowed(name, target) => {}
            (action, _) => {
                let action = if action == Found::Opaque {
                    Action::PostgresOpaque
                } else {
                    Action::PostgresFunction
                };
                understood.demand(action, format!("the view {} does more than read", view.name));
            }
        }
    }
}

/// Whether the administrator declares a function harmless that a definition names with its schema.
fn is_allowed(name: &Name, target: &PostgresTarget) -> bool {
    let in_path = name.schema.as_ref().is_some_and(|schema| target.search_path.contains(schema));
    target.allow_functions.contains(&name.to_string())
        || in_path && target.allow_functions.contains(&Name::bare(&name.name).to_string())
}
