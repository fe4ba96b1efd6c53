//! The answers of the catalogue, read from the rows of the look-up. What a row says that is not understood counts as the
//! least harmless thing it could mean.

use super::question::Question;
use crate::{classify::Name, upstream::OwnRow};
use std::collections::{BTreeMap, BTreeSet};

/// An answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Fact {
    /// There is nothing of the kind.
    Absent,
    /// A user's function, operator, cast or the like is there.
    Present,
    /// A relation.
    Relation(Relation),
}

/// What is known of a relation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Relation {
    /// Its schema; `pg_temp` for the session's own.
    pub(crate) schema: String,
    pub(crate) kind: RelationKind,
    pub(crate) guard: Guard,
    pub(crate) sets: Sets,
    /// Its columns; empty where they are not known.
    pub(crate) columns: BTreeSet<String>,
    /// Relations whose rows come with its own.
    pub(crate) below: BTreeSet<Name>,
}

/// What a relation is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum RelationKind {
    /// Its rows are the target's own, or it has none.
    Plain,
    /// A view, with its definition.
    View(String),
    /// Rows come from elsewhere, or from a partition that does.
    Foreign,
    /// Something that is not known.
    Other,
}

/// What runs between a read and the rows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Guard {
    None,
    /// Row security that uses what a user made, or reads other relations.
    RowSecurity,
    /// Values of a type that brings code of a user's.
    Code,
    /// An index, a constraint or the like that calls what a user made: planning a read may run that.
    Planning,
}

/// Whether a change of its rows can set the session to something that no text shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sets {
    Nothing,
    Perhaps,
}

impl Fact {
    /// Whether it is the same for all sessions, and stays so until somebody changes the catalogue. That a relation is
    /// absent is believed once only.
    pub(crate) fn is_shared(&self, question: &Question) -> bool {
        match (self, question) {
            (Self::Relation(relation), _) => relation.schema != "pg_temp",
            (Self::Absent, Question::Relation(..) | Question::Inside(_)) => false,
            (Self::Absent | Self::Present, _) => true,
        }
    }
}

/// Answers by question.
pub(crate) type Answers = BTreeMap<Question, Fact>;

/// Reads the rows as answers to `questions`.
pub(crate) fn read(
    rows: &[OwnRow],
    questions: &BTreeSet<Question>,
    search_path: &[String],
) -> Answers {
    let answered = |question: &Question| answer(rows, question, search_path);
    questions.iter().map(|question| (question.clone(), answered(question))).collect()
}

/// The answers of several look-ups, each that differs: what one of them has not seen, another has.
pub(crate) fn together(all: &[Answers]) -> Vec<(Question, Fact)> {
    let questions: BTreeSet<&Question> = all.iter().flat_map(BTreeMap::keys).collect();
    let mut answers = Vec::new();
    for question in questions {
        let mut facts: Vec<&Fact> = Vec::new();
        for fact in all.iter().filter_map(|answers| answers.get(question)) {
            if !facts.contains(&fact) {
                facts.push(fact);
            }
        }
        if facts.len() > 1 {
            facts.retain(|fact| **fact != Fact::Absent);
        }
        answers.extend(facts.into_iter().map(|fact| (question.clone(), fact.clone())));
    }
    answers
}

fn answer(rows: &[OwnRow], question: &Question, search_path: &[String]) -> Fact {
    let present = |tag: &str, name: &str| {
        if rows.iter().any(|row| text(row, 0) == tag && text(row, 2) == name) {
            Fact::Present
        } else {
            Fact::Absent
        }
    };
    let path = search_path.iter().map(String::as_str);
    match question {
        Question::Function(name) => present("f", name),
        Question::Operator(name) => present("o", name),
        Question::RowFunction(name) => present("c", name),
        // A row says that it brings none.
        Question::Type(oid) => match present("t", &oid.to_string()) {
            Fact::Absent => Fact::Present,
            Fact::Present | Fact::Relation(_) => Fact::Absent,
        },
        Question::Casts => present("k", ""),
        Question::Classes => present("p", ""),
        Question::Domains => present("m", ""),
        Question::EventTriggers => present("e", ""),
        Question::Relation(Some(schema), name) => relation(rows, [schema.as_str()], name),
        Question::Relation(None, name) => {
            let path = ["pg_catalog"].into_iter().chain(path).chain(["pg_temp"]);
            relation(rows, path, name)
        }
        Question::Inside(name) => relation(rows, ["pg_catalog", "pg_temp"], name),
    }
}

/// The first relation of a name along a path of schemas.
fn relation<'a>(rows: &[OwnRow], path: impl IntoIterator<Item = &'a str>, name: &str) -> Fact {
    let of = |row: &&OwnRow, tag: &str, schema: &str| {
        text(row, 0) == tag && text(row, 1) == schema && text(row, 2) == name
    };
    let found = path.into_iter().find_map(|schema| rows.iter().find(|row| of(row, "r", schema)));
    let Some(row) = found else { return Fact::Absent };
    let schema = text(row, 1);
    let descendants: Vec<&OwnRow> = rows.iter().filter(|row| of(row, "d", schema)).collect();
    let foreign = descendants.iter().any(|row| text(row, 3) == "f");
    Fact::Relation(Relation {
        schema: schema.to_owned(),
        kind: if foreign { RelationKind::Foreign } else { kind(row) },
        guard: match text(row, 5) {
            "" => Guard::None,
            "code" => Guard::Code,
            "planning" => Guard::Planning,
            _ => Guard::RowSecurity,
        },
        sets: if rows.iter().any(|row| of(&row, "s", schema)) {
            Sets::Perhaps
        } else {
            Sets::Nothing
        },
        columns: rows.iter().find(|row| of(row, "a", schema)).map(columns).unwrap_or_default(),
        below: descendants.iter().map(|row| Name::in_schema(text(row, 4), text(row, 5))).collect(),
    })
}

/// Names, each behind its length in bytes and a colon.
fn columns(row: &OwnRow) -> BTreeSet<String> {
    let mut rest = text(row, 3);
    let mut names = BTreeSet::new();
    while let Some((length, after)) = rest.split_once(':') {
        let cut = length.parse().ok().and_then(|length: usize| after.split_at_checked(length));
        // Not understood: none is known.
        let Some((name, more)) = cut else { return BTreeSet::new() };
        names.insert(name.to_owned());
        rest = more;
    }
    names
}

fn kind(row: &OwnRow) -> RelationKind {
    match text(row, 3) {
        "f" => RelationKind::Foreign,
        "v" => match row.get(4) {
            Some(Some(body)) => RelationKind::View(body.clone()),
            // It went away while it was looked up.
            Some(None) | None => RelationKind::Other,
        },
        // Indexes and composite types can be named too, but not read.
        "r" | "p" | "m" | "S" | "t" | "i" | "I" | "c" => RelationKind::Plain,
        _ => RelationKind::Other,
    }
}

fn text(row: &OwnRow, place: usize) -> &str {
    row.get(place).and_then(Option::as_deref).unwrap_or_default()
}
