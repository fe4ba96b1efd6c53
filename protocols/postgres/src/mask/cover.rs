//! Where the values of an answer come from: for each column of the target that a text reads, and for each column of the
//! rows, the covered columns whose values it can carry. It asks nobody: the catalogue's answers and the rules are given.
//!
//! Whatever is not known to carry nothing covered carries [`Source::Anything`].

use crate::{
    catalogue::{Attribute, Kin, Known, Reach, Reached, Rows, Rules},
    classify::{
        Action as Asks, Carries, Classified, Column, Columns, Demand, Extent, Name, Settings,
        Statement, is_plain_spoken, is_system_column,
    },
};
use countersign_core::mask::ColumnName;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Views in views that are followed.
const MAX_DEPTH: usize = 8;

/// Relations of the server's that hold values of other relations' columns, or texts of other sessions.
const VALUED: &[&str] = &[
    "pg_cursors",
    "pg_largeobject",
    "pg_prepared_statements",
    "pg_stat_activity",
    "pg_statistic",
    "pg_statistic_ext_data",
    "pg_stats",
    "pg_stats_ext",
    "pg_stats_ext_exprs",
];
/// Columns of the server's relations that do.
const VALUED_COLUMNS: &[(&str, &str)] = &[
    // A value that a column was added with.
    ("pg_attribute", "attmissingval"),
    // The number of an advisory lock, which may be a value, or four bytes of one.
    ("pg_locks", "classid"),
    ("pg_locks", "objid"),
    ("pg_locks", "objsubid"),
    // What something in the session may have set it to.
    ("pg_settings", "reset_val"),
    ("pg_settings", "setting"),
];

/// Where a value comes from, as far as rules are concerned.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Source {
    /// From nothing that a rule covers.
    Clear,
    /// It is the value of a covered column, which these names mean.
    Column(BTreeSet<ColumnName>),
    /// It can be made of values of these covered columns.
    Derived(BTreeSet<ColumnName>),
    /// From wherever it may be.
    Anything,
}

impl Source {
    /// What is made of both.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Anything, _) | (_, Self::Anything) => Self::Anything,
            (Self::Clear, other) | (other, Self::Clear) => other,
            (Self::Column(mut names), Self::Column(more)) => {
                names.extend(more);
                Self::Column(names)
            }
            (
                Self::Column(mut names) | Self::Derived(mut names),
                Self::Column(more) | Self::Derived(more),
            ) => {
                names.extend(more);
                Self::Derived(names)
            }
        }
    }

    /// The same, no longer as it was.
    fn changed(self) -> Self {
        match self {
            Self::Column(names) => Self::Derived(names),
            Self::Clear | Self::Derived(_) | Self::Anything => self,
        }
    }
}

/// Which columns of an answer are covered, once the catalogue was asked.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Cover {
    relations: BTreeMap<u32, Covered>,
    /// What the session was set to.
    settings: SetBy,
}

/// One relation.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Covered {
    name: Name,
    rules: Rules,
    shape: Shape,
    /// By number, with the name.
    columns: BTreeMap<i16, (String, Source)>,
    /// The whole of a row.
    row: Source,
}

/// Whether all columns of a relation are known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Shape {
    Known,
    Unknown,
}

impl Covered {
    fn has(&self, column: &str) -> bool {
        is_system_column(column) || self.columns.values().any(|(name, _)| name == column)
    }
}

/// A field of a `RowDescription`, as far as it says where the values come from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Origin {
    pub(crate) name: String,
    pub(crate) relation: u32,
    pub(crate) column: i16,
}

/// By whom the session's settings were made what they are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum SetBy {
    /// By the server, the gateway and the agent as it logged in.
    #[default]
    Known,
    /// Perhaps by code that put a value there.
    Anybody,
}

/// Which code a text runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Code {
    /// PostgreSQL's own, over what the text names.
    OfText,
    /// A user's, or what the text does not show.
    Unseen,
}

impl Code {
    /// What a statement runs, as far as its text shows; `harmless` are functions that count as reads.
    pub(crate) fn of(statement: &Statement, harmless: impl Fn(&Name) -> bool) -> Self {
        let shown = |Demand { action, object }: &Demand| match (action, object) {
            (
                Asks::Read
                | Asks::Write
                | Asks::Ddl
                | Asks::Lock
                | Asks::Copy
                | Asks::Show
                | Asks::Preference
                | Asks::Transaction
                | Asks::Cursor
                | Asks::Prepare
                | Asks::Explain
                | Asks::Notify,
                _,
            ) => true,
            (Asks::Function, Some(name)) => is_plain_spoken(name) || harmless(name),
            (
                Asks::Function
                | Asks::Program
                | Asks::Session
                | Asks::Privilege
                | Asks::Role
                | Asks::Maintain
                | Asks::Replication
                | Asks::Admin
                | Asks::Opaque,
                _,
            ) => false,
        };
        if statement.demands.iter().all(shown) { Self::OfText } else { Self::Unseen }
    }

    /// What two things run.
    pub(crate) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::OfText, Self::OfText) => Self::OfText,
            (Self::Unseen, _) | (_, Self::Unseen) => Self::Unseen,
        }
    }
}

impl Cover {
    /// Works out what the relations that were reached carry; `covered` says which columns a rule names.
    pub(crate) fn of(known: &Known, covered: &dyn Fn(&ColumnName) -> bool) -> Self {
        let Known { reach, definitions, tables: _ } = known;
        let mut cover = Self::default();
        let work = Work { reach, definitions, covered };
        for oid in reach.relations.keys() {
            work.relation(&mut cover, *oid, 0);
        }
        cover
    }

    /// The same where the session's settings were made by these.
    pub(crate) fn with_settings(self, settings: SetBy) -> Self {
        Self { settings, ..self }
    }

    /// Where each column of the rows of a statement comes from.
    pub(crate) fn sources(
        &self,
        statement: &Statement,
        code: Code,
        origins: &[Origin],
    ) -> Vec<Source> {
        if self.is_rewritten(statement) {
            return vec![Source::Anything; origins.len()];
        }
        let read = self.read_by(&statement.tables);
        let written = read.source(&statement.carried.written, None);
        let computed = |place: usize, origin: &Origin| match (code, &statement.carried.columns) {
            (Code::Unseen, _) | (Code::OfText, Columns::Unknown) => Source::Anything,
            (Code::OfText, Columns::Listed(columns)) => match columns.get(place) {
                Some(column) if columns.len() == origins.len() => {
                    read.source(&column.carries, None)
                }
                Some(_) | None => Source::Anything,
            },
            (Code::OfText, Columns::Starred { named, every, all: _ }) => {
                let by_name = Carries {
                    columns: BTreeSet::from([origin.name.clone()]),
                    ..Carries::default()
                };
                let carries = named.get(&origin.name).unwrap_or(&by_name);
                read.source(carries, None).and(read.source(every, None)).changed()
            }
        };
        let source = |(place, origin): (usize, &Origin)| {
            let own = match origin.relation {
                0 => computed(place, origin),
                relation => self.origin(relation, origin.column),
            };
            if written == Source::Clear { own } else { own.and(written.clone()).changed() }
        };
        origins.iter().enumerate().map(source).collect()
    }

    /// Whether anything that a statement moves can be covered, where no `RowDescription` tells its columns: COPY.
    pub(crate) fn moved(&self, statement: &Statement, code: Code) -> Source {
        if self.is_rewritten(statement) {
            return Source::Anything;
        }
        let read = self.read_by(&statement.tables);
        // What a statement writes it can return under the name of what it writes to.
        let written = read.source(&statement.carried.written, None);
        let moved = match (code, &statement.carried.columns) {
            (Code::Unseen, _) | (Code::OfText, Columns::Unknown) => Source::Anything,
            (Code::OfText, Columns::Listed(columns)) => columns
                .iter()
                .map(|column| read.source(&column.carries, None))
                .fold(Source::Clear, Source::and),
            (Code::OfText, Columns::Starred { all, .. }) => read.source(all, None),
        };
        moved.and(written)
    }

    /// Whether a rule or a trigger can say what a statement returns, whatever `RowDescription` calls it. A rule may stand on
    /// what a view reads: any that was reached counts.
    fn is_rewritten(&self, statement: &Statement) -> bool {
        let writes = statement.demands.iter().any(|demand| demand.action == Asks::Write);
        writes && self.relations.values().any(|relation| relation.rules == Rules::Some)
    }

    /// A column as the target names it.
    fn origin(&self, relation: u32, column: i16) -> Source {
        let Some(covered) = self.relations.get(&relation) else { return Source::Anything };
        match column {
            0 => covered.row.clone().changed(),
            // A system column; where nothing of a relation is known, nothing is known of these.
            ..0 if covered.row == Source::Anything => Source::Anything,
            ..0 => Source::Clear,
            1.. => match covered.columns.get(&column) {
                Some((_, source)) => source.clone(),
                None => Source::Anything,
            },
        }
    }

    fn read_by<'a>(&'a self, tables: &'a BTreeSet<Name>) -> Read<'a> {
        let named = |name: &Name| {
            let mut found =
                self.relations.values().filter(|one| name.can_mean(&one.name)).peekable();
            found.peek().is_some().then(|| found.collect::<Vec<_>>())
        };
        let found: Option<Vec<Vec<&Covered>>> = tables.iter().map(named).collect();
        let all = if found.is_some() { All::Found } else { All::NotFound };
        Read { relations: found.unwrap_or_default().concat(), all, settings: self.settings }
    }
}

/// The relations that one statement names.
struct Read<'a> {
    relations: Vec<&'a Covered>,
    all: All,
    settings: SetBy,
}

/// Whether the catalogue has every relation that a statement names.
#[derive(Clone, Copy, PartialEq, Eq)]
enum All {
    Found,
    NotFound,
}

impl Read<'_> {
    /// Where a value comes from that carries this; `plain` is the column that it is, if it is nothing but that.
    fn source(&self, carries: &Carries, plain: Option<&str>) -> Source {
        if *carries == Carries::default() {
            return Source::Clear;
        }
        if carries.extent == Extent::Anything || self.all == All::NotFound {
            return Source::Anything;
        }
        if (carries.settings, self.settings) == (Settings::Some, SetBy::Anybody) {
            return Source::Anything;
        }
        if self.is_unknown(carries) {
            return Source::Anything;
        }
        let mut source = Source::Clear;
        for relation in &self.relations {
            if takes_row(carries, relation) {
                source = source.and(relation.row.clone()).changed();
            }
            for (name, of_column) in relation.columns.values() {
                if carries.columns.contains(name) {
                    source = source.and(of_column.clone());
                }
            }
        }
        match plain {
            Some(_) => source,
            None => source.changed(),
        }
    }

    /// Whether a name can mean what no relation is known to have.
    fn is_unknown(&self, carries: &Carries) -> bool {
        let has = |name: &String| self.relations.iter().any(|relation| relation.has(name));
        let some_shape = self.relations.iter().any(|relation| relation.shape == Shape::Unknown);
        some_shape && !carries.columns.is_empty() || !carries.strays.iter().all(has)
    }
}

/// Whether a value can be made of whole rows of a relation.
fn takes_row(carries: &Carries, relation: &Covered) -> bool {
    let calls =
        |(name, column): &(Name, String)| name.can_mean(&relation.name) && !relation.has(column);
    carries.extent == Extent::EveryRow
        || carries.rows_of.iter().any(|name| name.can_mean(&relation.name))
        || carries.attributes.iter().any(calls)
}

struct Work<'a> {
    reach: &'a Reach,
    definitions: &'a BTreeMap<u32, Arc<Classified>>,
    covered: &'a dyn Fn(&ColumnName) -> bool,
}

impl Work<'_> {
    /// Puts a relation, and what it reads, into `cover`.
    fn relation(&self, cover: &mut Cover, oid: u32, depth: usize) {
        if cover.relations.contains_key(&oid) {
            return;
        }
        let Some(reached) = self.reach.relations.get(&oid) else { return };
        let columns: BTreeMap<i16, (String, Source)> = match &reached.rows {
            Rows::Unknown => every(reached, |_| Source::Anything),
            Rows::System => every(reached, |name| self.of_system(reached, name)),
            Rows::Own => self.own(reached),
            Rows::Query(_) if depth >= MAX_DEPTH => every(reached, |_| Source::Anything),
            Rows::Query(_) => self.view(cover, (oid, reached), depth),
        };
        let unknown = columns.is_empty() && reached.rows == Rows::Unknown;
        let start = if unknown { Source::Anything } else { Source::Clear };
        let row = columns.values().fold(start, |row, (_, source)| row.and(source.clone()));
        let covered = Covered {
            name: reached.name.clone(),
            rules: reached.rules,
            shape: if reached.rows == Rows::Unknown { Shape::Unknown } else { Shape::Known },
            columns,
            row: row.changed(),
        };
        cover.relations.insert(oid, covered);
    }

    /// The columns of a table. One that is generated carries what it is generated from, which is never generated itself.
    fn own(&self, reached: &Reached) -> BTreeMap<i16, (String, Source)> {
        let by_number = |number: &i16| match reached.columns.get(number) {
            Some(Attribute { name, .. }) => self.by_rule(reached, name),
            None => Source::Anything,
        };
        let source = |(number, attribute): (&i16, &Attribute)| {
            let from = attribute.generated_from.iter().filter(|from| *from != number);
            let made = from.map(by_number).fold(Source::Clear, Source::and).changed();
            // A rule on the column itself adds to those on what it is made from: it may be about a part of it only.
            let source = self.by_rule(reached, &attribute.name).and(made);
            (*number, (attribute.name.clone(), source))
        };
        reached.columns.iter().map(source).collect()
    }

    /// A column by the rules that name it, in its own relation or in one that shares its rows.
    fn by_rule(&self, reached: &Reached, column: &str) -> Source {
        let Kin::These(kin) = &reached.kin else { return Source::Anything };
        let of = |relation: &Name| {
            let schema = relation.schema.as_deref().unwrap_or_default();
            ColumnName::new(schema, relation.name.as_str(), column)
        };
        let names = std::iter::once(&reached.name).chain(kin).map(of);
        let covered: BTreeSet<ColumnName> = names.filter(|name| (self.covered)(name)).collect();
        if covered.is_empty() { Source::Clear } else { Source::Column(covered) }
    }

    fn of_system(&self, reached: &Reached, column: &str) -> Source {
        let relation = reached.name.name.as_str();
        if VALUED.contains(&relation) || VALUED_COLUMNS.contains(&(relation, column)) {
            Source::Anything
        } else {
            self.by_rule(reached, column)
        }
    }

    /// The columns of a view are what its definition makes of other columns; rules that name them add to those on the others.
    fn view(
        &self,
        cover: &mut Cover,
        (oid, reached): (u32, &Reached),
        depth: usize,
    ) -> BTreeMap<i16, (String, Source)> {
        let Some([statement]) = self.definitions.get(&oid).map(|read| read.statements.as_slice())
        else {
            return every(reached, |_| Source::Anything);
        };
        for (read, relation) in &self.reach.relations {
            let is_read = statement.tables.iter().any(|name| name.can_mean(&relation.name));
            if is_read && *read != oid {
                self.relation(cover, *read, depth + 1);
            }
        }
        let read = cover.read_by(&statement.tables);
        let Columns::Listed(columns) = &statement.carried.columns else {
            return every(reached, |_| Source::Anything);
        };
        if columns.len() != reached.columns.len() {
            return every(reached, |_| Source::Anything);
        }
        let source = |((number, Attribute { name, .. }), column): ((&i16, &Attribute), &Column)| {
            let made = read.source(&column.carries, column.plain.as_deref());
            let source = self.by_rule(reached, name).and(made);
            (*number, (name.clone(), source))
        };
        reached.columns.iter().zip(columns).map(source).collect()
    }
}

fn every(reached: &Reached, source: impl Fn(&str) -> Source) -> BTreeMap<i16, (String, Source)> {
    let columns = reached.columns.iter();
    columns
        .map(|(number, Attribute { name, .. })| (*number, (name.clone(), source(name))))
        .collect()
}
