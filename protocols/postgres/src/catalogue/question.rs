//! The questions that a text raises. They are raised whatever the text does: what it is allowed to do is judged with the
//! answers.

use crate::classify::{Action, Classified, Name, Statement, StatementKind};
use std::collections::BTreeSet;

/// A question to the catalogue.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Question {
    /// Which relation a name means; the schema if the text gave one.
    Relation(Option<String>, String),
    /// The same for a name without schema in the definition of a view: of `pg_catalog`, or temporary.
    Inside(String),
    /// Whether a user function of this name is in the search path.
    Function(String),
    /// Whether a user operator of this name is.
    Operator(String),
    /// Whether a user function of this name takes a row.
    RowFunction(String),
    /// Whether values of the type of this number, which an agent gave to a parameter, can bring code of a user's.
    Type(u32),
    /// Whether there is a cast by a user's function between PostgreSQL's own types, which any expression may use.
    Casts,
    /// Whether a user's operator class is the default for a type, by which rows are sorted and grouped.
    Classes,
    /// Whether there is a domain whose check calls a user's function: reading a literal may run it.
    Domains,
    /// Whether event triggers run code when the catalogue is changed.
    EventTriggers,
}

/// What a classified text raises.
pub(crate) fn questions(classified: &Classified) -> BTreeSet<Question> {
    let mut all = BTreeSet::new();
    for statement in &classified.statements {
        let unqualified = statement.functions.iter().filter(|name| name.schema.is_none());
        all.extend(unqualified.map(|Name { name, .. }| Question::Function(name.clone())));
        all.extend(statement.operators.iter().cloned().map(Question::Operator));
        all.extend(
            statement
                .attributes
                .iter()
                .map(|Name { name, .. }| Question::RowFunction(name.clone())),
        );
        all.extend(relations(statement, |name| Question::Relation(None, name)));
        if computes(statement) {
            all.extend([Question::Casts, Question::Classes, Question::Domains]);
        }
        if defines(statement) {
            all.insert(Question::EventTriggers);
        }
    }
    all
}

/// What the definition of a view raises, which the target wrote with every name outside `pg_catalog` qualified: there,
/// only the relations are in question.
pub(crate) fn questions_inside(definition: &Classified) -> BTreeSet<Question> {
    definition.statements.iter().flat_map(|one| relations(one, Question::Inside)).collect()
}

fn relations(
    statement: &Statement,
    bare: impl Fn(String) -> Question,
) -> impl Iterator<Item = Question> {
    let system = |schema: &Option<String>| {
        matches!(schema.as_deref(), Some("pg_catalog" | "information_schema"))
    };
    let relations = statement.tables.iter().filter(move |name| !system(&name.schema));
    relations.map(move |Name { schema, name }| match schema {
        Some(schema) => Question::Relation(Some(schema.clone()), name.clone()),
        None => bare(name.clone()),
    })
}

/// Whether a statement changes the catalogue.
fn defines(statement: &Statement) -> bool {
    let changes = |action| {
        matches!(action, Action::Ddl | Action::Privilege | Action::Role | Action::Maintain)
    };
    statement.demands.iter().any(|demand| changes(demand.action))
}

/// Whether a statement converts, compares or sorts anything.
fn computes(statement: &Statement) -> bool {
    let names = [&statement.tables, &statement.functions, &statement.types, &statement.attributes];
    let moves_nothing =
        matches!(statement.kind, StatementKind::Transaction(_) | StatementKind::Show);
    !moves_nothing
        && (names.iter().any(|names| !names.is_empty()) || !statement.operators.is_empty())
}
