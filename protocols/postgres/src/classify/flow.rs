//! From the names in a statement to what its rows can carry: which column names and which whole rows flow into each column.
//!
//! Names are followed without their scopes: whatever is called `x` anywhere in a statement is one thing. That says too much
//! where two things share a name, and never too little. Only what stands behind the name of a sub-query, which nothing else in
//! the statement has, is that sub-query's column (`derived`). Which of the names a mask rule covers, it does not know.

use std::collections::{BTreeMap, BTreeSet};

use pg_query::protobuf::{Alias, RangeVar};
use serde::{Deserialize, Serialize};

use super::{
    Name,
    derived::{Derived, Qualified},
    name::string,
    walk::Walk,
};

/// Names that are followed through one statement, counted once for each column of its rows; a statement that needs more
/// is not followed.
const MAX_STEPS: usize = 500_000;

/// Harmless settings that can be made to say a value: they take any text, or any number.
const FREE_SETTINGS: &[&str] = &[
    "application_name",
    "lc_messages",
    "lc_monetary",
    "lc_numeric",
    "lc_time",
    "lock_timeout",
    "search_path",
    "statement_timeout",
    "timezone",
];

/// What the rows of a statement can carry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carried {
    /// Column by column.
    pub columns: Columns,
    /// What the statement writes: columns that it returns can carry that too.
    pub written: Carries,
}

/// What the columns of a statement's rows can carry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Columns {
    /// The text does not show it.
    #[default]
    Unknown,
    /// It has these columns.
    Listed(Vec<Column>),
    /// A `*` stands for some of them: what each can carry is told by its name.
    Starred {
        /// What the names that the text gives can carry.
        named: BTreeMap<String, Carries>,
        /// What every column can carry beside a relation's column of its own name.
        every: Carries,
        /// All of it together.
        all: Box<Carries>,
    },
}

/// One column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// What it can carry.
    pub carries: Carries,
    /// The column of a relation that it is without any change, as far as the text shows.
    pub plain: Option<String>,
}

/// What a value can carry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carries {
    /// Values of columns with these names, of whichever relation.
    pub columns: BTreeSet<String>,
    /// Whole rows of these relations.
    pub rows_of: BTreeSet<Name>,
    /// What is written behind the name of a relation: its column or, where it has none of that name, a call with its
    /// whole row. While the walk goes on, the relation is what the text calls it.
    pub attributes: BTreeSet<(Name, String)>,
    /// Columns behind the name of anything, while the walk goes on; behind it, what they are is told by the rest.
    pub qualified: BTreeSet<Qualified>,
    /// Names among `columns` that the text gives to nothing: if no relation has such a column, it is not known what
    /// they are.
    pub strays: BTreeSet<String>,
    /// What the session was set to.
    pub settings: Settings,
    /// What else.
    pub extent: Extent,
}

/// Whether a value can be of a setting that takes any text or number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Settings {
    /// It cannot.
    #[default]
    None,
    /// It can.
    Some,
}

/// How far a value reaches beyond the names that it is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Extent {
    /// Not at all.
    #[default]
    Named,
    /// To whole rows of every relation that the statement reads.
    EveryRow,
    /// To anything in the database: it calls code that the text does not show.
    Anything,
}

impl Carried {
    /// Where the text does not show it: anything can be in any column.
    pub(super) fn unknown() -> Self {
        Self { columns: Columns::Unknown, written: Carries::reaching(Extent::Anything) }
    }
}

impl Carries {
    pub(super) fn column(name: &str) -> Self {
        Self { columns: BTreeSet::from([name.to_owned()]), ..Self::default() }
    }

    fn rows_of(name: Name) -> Self {
        Self { rows_of: BTreeSet::from([name]), ..Self::default() }
    }

    pub(super) fn reaching(extent: Extent) -> Self {
        Self { extent, ..Self::default() }
    }

    /// The value of a setting.
    pub(super) fn setting(name: &str) -> Self {
        let free = FREE_SETTINGS.iter().any(|free| name.eq_ignore_ascii_case(free));
        let settings = if free { Settings::Some } else { Settings::None };
        Self { settings, ..Self::default() }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.columns.extend(other.columns.iter().cloned());
        self.rows_of.extend(other.rows_of.iter().cloned());
        self.attributes.extend(other.attributes.iter().cloned());
        self.qualified.extend(other.qualified.iter().cloned());
        self.strays.extend(other.strays.iter().cloned());
        self.settings = self.settings.max(other.settings);
        self.extent = self.extent.max(other.extent);
    }

    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The columns of one query.
#[derive(Clone, Debug, Default)]
pub(super) struct Outputs(pub(super) Vec<Output>);

/// One of them.
#[derive(Clone, Debug)]
pub(super) enum Output {
    /// One column.
    One {
        /// The name that the text gives it.
        name: Option<String>,
        carries: Carries,
        /// The name of the column that it is, if it is nothing but that.
        plain: Option<String>,
    },
    /// `*` or `alias.*`: columns that keep their names.
    Star(Carries),
    /// Something that is in columns of the text's without a name for it.
    Hidden(Carries),
}

impl Output {
    fn carries(&self) -> &Carries {
        match self {
            Self::One { carries, .. } | Self::Star(carries) | Self::Hidden(carries) => carries,
        }
    }

    fn carries_mut(&mut self) -> &mut Carries {
        match self {
            Self::One { carries, .. } | Self::Star(carries) | Self::Hidden(carries) => carries,
        }
    }

    pub(super) fn is_one(&self) -> bool {
        matches!(self, Self::One { .. })
    }
}

impl Outputs {
    /// Everything that the columns carry.
    pub(super) fn all(&self) -> Carries {
        let mut all = Carries::default();
        self.0.iter().for_each(|output| all.add(output.carries()));
        all
    }

    /// The columns of two arms of a set operation, which have the names of the first.
    pub(super) fn joined(self, other: &Self) -> Self {
        let Self(mut outputs) = self;
        if outputs.len() == other.0.len() && outputs.iter().chain(&other.0).all(Output::is_one) {
            for (output, other) in outputs.iter_mut().zip(&other.0) {
                output.carries_mut().add(other.carries());
            }
        } else {
            // Which of the columns a `*` stands for they meet, the text does not show.
            outputs.push(Output::Hidden(other.all()));
        }
        for output in &mut outputs {
            // The first arm names the column.
            if let Output::One { name, plain, .. } = output {
                *name = name.take().or(plain.take());
                *plain = None;
            }
        }
        Self(outputs)
    }

    /// Adds what every column carries as well.
    pub(super) fn with(mut self, more: &Carries) -> Self {
        if !more.is_empty() {
            self.0.iter_mut().for_each(|output| output.carries_mut().add(more));
        }
        self
    }
}

/// What a walk has found of the flow so far.
#[derive(Debug, Default)]
pub(super) struct Flow {
    /// What the part of the text that is being walked mentions.
    current: Carries,
    /// The columns of the query that was walked last.
    outputs: Outputs,
    /// What the names that the text gives stand for.
    renamed: BTreeMap<String, Carries>,
    /// What columns of queries are that keep their names.
    kept: BTreeMap<String, Carries>,
    /// Names that the text gives to columns, whether or not anything refers to them.
    given: BTreeSet<String>,
    others: OtherNames,
    /// Sub-queries by their names.
    pub(super) derived: Derived,
    /// What can be under a name that the text does not show.
    ambient: Carries,
    written: Carries,
}

/// Whether columns of the text's can have names that it does not show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum OtherNames {
    #[default]
    None,
    Some,
}

impl Walk {
    /// The text mentions a column, or a row by the name of its relation.
    pub(super) fn mention(&mut self, name: &str) {
        self.flow.current.columns.insert(name.to_owned());
    }

    /// The text mentions a column behind a qualifier.
    pub(super) fn mention_of(&mut self, qualifier: &str, name: &str) {
        self.flow.current.qualified.insert((qualifier.to_owned(), name.to_owned()));
        self.flow.current.attributes.insert((Name::bare(qualifier), name.to_owned()));
    }

    /// The text gives this name to a column.
    pub(super) fn gives(&mut self, name: &str) {
        self.flow.given.insert(name.to_owned());
    }

    /// The part that is being walked reaches further than its names.
    pub(super) fn reach(&mut self, extent: Extent) {
        self.flow.current.extent = self.flow.current.extent.max(extent);
    }

    /// How far it reaches so far.
    pub(super) fn flow_extent(&self) -> Extent {
        self.flow.current.extent
    }

    /// Takes back what it was said to reach since.
    pub(super) fn set_flow_extent(&mut self, extent: Extent) {
        self.flow.current.extent = extent;
    }

    /// The part that is being walked says what a setting is.
    pub(super) fn tell_setting(&mut self, name: &str) {
        self.flow.current.add(&Carries::setting(name));
    }

    /// The part that is being walked carries this too.
    pub(super) fn carry(&mut self, carries: &Carries) {
        self.flow.current.add(carries);
    }

    /// Walks a part by itself and says what it mentions.
    pub(super) fn apart(&mut self, part: impl FnOnce(&mut Self)) -> Carries {
        let outer = std::mem::take(&mut self.flow.current);
        part(self);
        std::mem::replace(&mut self.flow.current, outer)
    }

    /// Takes the columns of the query that was walked last.
    pub(super) fn outputs(&mut self) -> Outputs {
        std::mem::take(&mut self.flow.outputs)
    }

    pub(super) fn set_outputs(&mut self, outputs: Outputs) {
        self.flow.outputs = outputs;
    }

    /// A name stands for something from here on.
    pub(super) fn stands_for(&mut self, name: &str, carries: &Carries) {
        if name.is_empty() {
            self.spread(carries);
        } else {
            self.flow.renamed.entry(name.to_owned()).or_default().add(carries);
        }
    }

    /// What this carries can be under any name.
    pub(super) fn spread(&mut self, carries: &Carries) {
        self.flow.others = OtherNames::Some;
        self.flow.ambient.add(carries);
    }

    /// A relation in FROM, under its alias or name.
    pub(super) fn flows_from(&mut self, relation: &RangeVar) {
        let carries = if self.is_cte(relation) {
            Carries::column(&relation.relname)
        } else {
            Carries::rows_of(named(relation))
        };
        if let Some(alias) = &relation.alias {
            self.alias_flows(alias, &carries);
        } else {
            self.flow.derived.qualifies(&relation.relname);
            self.stands_for(&relation.relname, &carries);
        }
    }

    /// An alias, and the columns that it renames: which of the relation's columns those are is not looked at.
    pub(super) fn alias_flows(&mut self, alias: &Alias, carries: &Carries) {
        self.stands_for(&alias.aliasname, carries);
        for column in alias.colnames.iter().filter_map(string) {
            self.stands_for(column, carries);
        }
    }

    /// The relation that a statement changes, under every name that RETURNING may have for its rows.
    pub(super) fn changed_flows(&mut self, relation: &RangeVar) {
        let rows = Carries::rows_of(named(relation));
        for name in ["excluded", "old", "new", &relation.relname] {
            self.flow.derived.qualifies(name);
            self.stands_for(name, &rows);
        }
        if let Some(alias) = &relation.alias {
            self.alias_flows(alias, &rows);
        }
    }

    /// The columns of a query that stands in FROM or WITH under a name, perhaps with other names for its columns.
    pub(super) fn query_flows(&mut self, name: Option<&str>, columns: &[&str], outputs: &Outputs) {
        let all = outputs.all();
        if let Some(name) = name {
            self.stands_for(name, &all);
        }
        // Up to the first `*`, the names given stand for the columns in order, which have no others then.
        let ones = outputs.0.iter().take_while(|output| output.is_one()).count();
        let renamed = ones.min(columns.len());
        for (column, output) in columns.iter().zip(&outputs.0).take(renamed) {
            self.stands_for(column, output.carries());
        }
        for column in columns.iter().skip(renamed) {
            self.stands_for(column, &all);
        }
        for output in outputs.0.iter().skip(renamed) {
            match output {
                Output::One { name: Some(name), carries, .. } => self.stands_for(name, carries),
                // These keep their names; what is called like a column can be a call.
                Output::One { plain: Some(name), name: None, carries } => {
                    self.flow.kept.entry(name.clone()).or_default().add(carries);
                }
                Output::Star(_) => {}
                // What the server calls it is not looked at.
                Output::One { name: None, plain: None, carries } | Output::Hidden(carries) => {
                    self.spread(carries);
                }
            }
        }
    }

    /// The statement writes this.
    pub(super) fn writes(&mut self, carries: &Carries) {
        self.flow.written.add(carries);
    }

    /// What the rows of the statement that was walked can carry, its queries' names followed to the relations.
    pub(super) fn carried(&mut self) -> Carried {
        let outputs = self.outputs();
        let followed = || self.flow.renamed.values().chain(self.flow.kept.values());
        let length = |carries: &Carries| {
            1 + carries.columns.len() + carries.attributes.len() + carries.qualified.len()
        };
        let steps: usize = followed().map(length).sum();
        let starred = !outputs.0.iter().all(Output::is_one);
        let closures = if starred { followed().count() } else { 0 } + outputs.0.len();
        if steps.saturating_mul(1 + closures) > MAX_STEPS {
            return Carried::unknown();
        }
        let columns = if starred { self.starred(&outputs) } else { self.listed(outputs) };
        let written = if self.flow.written.is_empty() {
            Carries::default()
        } else {
            self.followed_with_ambient(&self.flow.written)
        };
        Carried { columns, written }
    }

    fn listed(&self, outputs: Outputs) -> Columns {
        let Outputs(outputs) = outputs;
        let column = |output: Output| match output {
            Output::Star(carries) | Output::Hidden(carries) => Column { carries, plain: None },
            Output::One { carries, plain, name: _ } => {
                let unmoved = self.flow.ambient.is_empty();
                let plain = plain.filter(|name| unmoved && !self.flow.renamed.contains_key(name));
                Column { carries: self.followed_with_ambient(&carries), plain }
            }
        };
        Columns::Listed(outputs.into_iter().map(column).collect())
    }

    fn starred(&mut self, outputs: &Outputs) -> Columns {
        self.query_flows(None, &[], outputs);
        let names: BTreeSet<String> =
            self.flow.renamed.keys().chain(self.flow.kept.keys()).cloned().collect();
        let named = names
            .into_iter()
            .map(|name| {
                let carries = self.followed_with_ambient(&Carries::column(&name));
                (name, carries)
            })
            .collect();
        Columns::Starred {
            named,
            every: self.followed(&self.flow.ambient),
            all: Box::new(self.followed_with_ambient(&outputs.all())),
        }
    }

    fn followed_with_ambient(&self, carries: &Carries) -> Carries {
        let mut start = carries.clone();
        start.add(&self.flow.ambient);
        self.followed(&start)
    }

    /// What a value carries once every name in it is replaced by what it stands for.
    fn followed(&self, start: &Carries) -> Carries {
        let mut all = Carries::default();
        let mut open = vec![start];
        while let Some(carries) = open.pop() {
            all.rows_of.extend(carries.rows_of.iter().cloned());
            all.attributes.extend(carries.attributes.iter().cloned());
            all.settings = all.settings.max(carries.settings);
            all.extent = all.extent.max(carries.extent);
            let mut names: Vec<&String> = carries.columns.iter().collect();
            for qualified in &carries.qualified {
                match self.flow.derived.meant(qualified) {
                    Some(meant) if all.qualified.insert(qualified.clone()) => open.push(meant),
                    Some(_) => {}
                    None => names.push(&qualified.1),
                }
            }
            for name in names {
                if all.columns.insert(name.clone()) {
                    let meant = [self.flow.renamed.get(name), self.flow.kept.get(name)];
                    open.extend(meant.into_iter().flatten());
                }
            }
        }
        all.qualified.clear();
        all.attributes = self.attributes_meant(&all.attributes);
        if self.flow.others == OtherNames::None {
            let Flow { renamed, given, .. } = &self.flow;
            let stray = |name: &&String| !renamed.contains_key(*name) && !given.contains(*name);
            all.strays = all.columns.iter().filter(stray).cloned().collect();
        }
        all
    }

    /// The same behind the names of the relations instead of what the text calls them. What stands behind the name of
    /// anything else is found by its own name.
    fn attributes_meant(&self, written: &BTreeSet<(Name, String)>) -> BTreeSet<(Name, String)> {
        let meant = |(qualifier, column): &(Name, String)| {
            let relations = self.called.get(&qualifier.name).into_iter().flatten().cloned();
            let column = column.clone();
            relations.map(move |relation| (relation, column.clone())).collect::<Vec<_>>()
        };
        written.iter().flat_map(meant).collect()
    }
}

fn named(relation: &RangeVar) -> Name {
    Name {
        schema: Some(relation.schemaname.clone()).filter(|schema| !schema.is_empty()),
        name: relation.relname.clone(),
    }
}
