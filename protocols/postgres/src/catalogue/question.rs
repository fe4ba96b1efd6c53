//! The questions that a text raises, and the one statement that asks them. Every name in that statement is qualified,
//! operators too, so that nothing a user defined takes part in it.

use crate::classify::{Classified, Name};
use crate::upstream::OwnRow;
use std::collections::{BTreeMap, BTreeSet};

/// A question to the catalogue.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Question {
    /// Which relation a name means; the schema if the text gave one.
    Relation(Option<String>, String),
    /// Whether a user function of this name is in the search path.
    Function(String),
    /// Whether a user operator of this name is.
    Operator(String),
    /// Whether a user function of this name takes a row.
    RowFunction(String),
}

/// An answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Fact {
    /// There is nothing of the kind.
    Absent,
    /// A user function or operator is there.
    Present,
    /// A relation.
    Relation { schema: String, kind: RelationKind },
}

/// What a relation is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum RelationKind {
    /// Its rows are the target's own.
    Plain,
    /// A view, with its definition.
    View(String),
    /// Rows come from elsewhere, or from a partition that does.
    Foreign,
    /// Row security that calls user functions, or something that is not read as a table.
    Other,
}

/// Answers by question.
pub(crate) type Answers = BTreeMap<Question, Fact>;

/// What a classified text raises.
pub(crate) fn questions(classified: &Classified) -> BTreeSet<Question> {
    let system = |schema: &Option<String>| {
        matches!(schema.as_deref(), Some("pg_catalog" | "information_schema"))
    };
    let mut all = BTreeSet::new();
    for statement in &classified.statements {
        let relations = statement.tables.iter().filter(|name| !system(&name.schema));
        all.extend(
            relations.map(|name| Question::Relation(name.schema.clone(), name.name.clone())),
        );
        let unqualified = statement.functions.iter().filter(|name| name.schema.is_none());
        all.extend(unqualified.map(|Name { name, .. }| Question::Function(name.clone())));
        all.extend(statement.operators.iter().cloned().map(Question::Operator));
        all.extend(
            statement
                .attributes
                .iter()
                .map(|Name { name, .. }| Question::RowFunction(name.clone())),
        );
    }
    all
}

/// The statement that asks `questions`, with unqualified names looked up in `pg_catalog` and then `search_path`.
pub(crate) fn look_up(questions: &BTreeSet<Question>, search_path: &[String]) -> String {
    let mut relations = BTreeSet::new();
    let mut schemas: BTreeSet<&str> = search_path.iter().map(String::as_str).collect();
    schemas.insert("pg_catalog");
    let (mut functions, mut operators, mut rows) =
        (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for question in questions {
        match question {
            Question::Relation(schema, name) => {
                schemas.extend(schema.as_deref());
                relations.insert(name.as_str());
            }
            Question::Function(name) => drop(functions.insert(name.as_str())),
            Question::Operator(name) => drop(operators.insert(name.as_str())),
            Question::RowFunction(name) => drop(rows.insert(name.as_str())),
        }
    }
    let (schemas, relations) = (array(schemas), array(relations));
    let own = array(search_path.iter().map(String::as_str));
    let (functions, operators, rows) = (array(functions), array(operators), array(rows));
    format!(
        "SELECT 'r', n.nspname, c.relname, c.relkind, \
           CASE WHEN c.relkind OPERATOR(pg_catalog.=) 'v' THEN pg_catalog.pg_get_viewdef(c.oid) END, \
           CASE WHEN c.relrowsecurity AND EXISTS ({POLICY_FUNCTION}) THEN 'row security' \
                WHEN EXISTS ({FOREIGN_DESCENDANT}) THEN 'foreign' END \
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace \
         WHERE c.relname OPERATOR(pg_catalog.=) ANY ({relations}) AND n.nspname OPERATOR(pg_catalog.=) ANY ({schemas}) \
         UNION ALL \
         SELECT 'f', n.nspname, p.proname, NULL, NULL, NULL \
         FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) p.pronamespace \
         WHERE p.proname OPERATOR(pg_catalog.=) ANY ({functions}) AND n.nspname OPERATOR(pg_catalog.=) ANY ({own}) \
         UNION ALL \
         SELECT 'o', n.nspname, o.oprname, NULL, NULL, NULL \
         FROM pg_catalog.pg_operator o JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) o.oprnamespace \
         WHERE o.oprname OPERATOR(pg_catalog.=) ANY ({operators}) AND n.nspname OPERATOR(pg_catalog.=) ANY ({own}) \
         UNION ALL \
         SELECT 'c', n.nspname, p.proname, NULL, NULL, NULL \
         FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) p.pronamespace \
         WHERE p.proname OPERATOR(pg_catalog.=) ANY ({rows}) AND n.nspname OPERATOR(pg_catalog.=) ANY ({own}) \
           AND p.pronargs OPERATOR(pg_catalog.>=) 1"
    )
}

/// Any partition or inheriting table that is foreign, at any depth.
const FOREIGN_DESCENDANT: &str = "WITH RECURSIVE below(relation) AS ( \
     SELECT i.inhrelid FROM pg_catalog.pg_inherits i WHERE i.inhparent OPERATOR(pg_catalog.=) c.oid \
     UNION SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN below b ON i.inhparent OPERATOR(pg_catalog.=) b.relation) \
     SELECT 1 FROM below b JOIN pg_catalog.pg_class f ON f.oid OPERATOR(pg_catalog.=) b.relation \
     WHERE f.relkind OPERATOR(pg_catalog.=) 'f'";

/// A row security policy that calls a user function.
const POLICY_FUNCTION: &str = "SELECT 1 FROM pg_catalog.pg_policy y JOIN pg_catalog.pg_depend d \
       ON d.objid OPERATOR(pg_catalog.=) y.oid \
     WHERE y.polrelid OPERATOR(pg_catalog.=) c.oid \
       AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_policy'::pg_catalog.regclass::pg_catalog.oid \
       AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass::pg_catalog.oid";

/// An array of names as a constant; `standard_conforming_strings` is on, so that only quotes are special.
fn array<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<String> =
        names.into_iter().map(|name| format!("'{}'", name.replace('\'', "''"))).collect();
    format!("ARRAY[{}]::pg_catalog.name[]", quoted.join(","))
}

/// Reads the rows as answers to `questions`.
pub(crate) fn read(
    rows: &[OwnRow],
    questions: &BTreeSet<Question>,
    search_path: &[String],
) -> Answers {
    questions
        .iter()
        .map(|question| (question.clone(), answer(rows, question, search_path)))
        .collect()
}

fn answer(rows: &[OwnRow], question: &Question, search_path: &[String]) -> Fact {
    let present = |tag: &str, name: &str| {
        if rows.iter().any(|row| text(row, 0) == tag && text(row, 2) == name) {
            Fact::Present
        } else {
            Fact::Absent
        }
    };
    match question {
        Question::Function(name) => present("f", name),
        Question::Operator(name) => present("o", name),
        Question::RowFunction(name) => present("c", name),
        Question::Relation(schema, name) => {
            let found = |schema: &str| {
                rows.iter().find(|row| {
                    text(row, 0) == "r" && text(row, 1) == schema && text(row, 2) == name
                })
            };
            let first = match schema {
                Some(schema) => found(schema),
                None => std::iter::once("pg_catalog")
                    .chain(search_path.iter().map(String::as_str))
                    .find_map(found),
            };
            first.map_or(Fact::Absent, |row| Fact::Relation {
                schema: text(row, 1).to_owned(),
                kind: kind(row),
            })
        }
    }
}

fn kind(row: &OwnRow) -> RelationKind {
    match (text(row, 3), text(row, 5)) {
        ("f", _) | (_, "foreign") => RelationKind::Foreign,
        (_, "row security") => RelationKind::Other,
        ("v", _) => RelationKind::View(text(row, 4).to_owned()),
        ("r" | "p" | "m" | "S", _) => RelationKind::Plain,
        _ => RelationKind::Other,
    }
}

fn text(row: &OwnRow, place: usize) -> &str {
    row.get(place).and_then(Option::as_deref).unwrap_or_default()
}
