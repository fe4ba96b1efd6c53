//! Sub-queries and table expressions by the names that a statement gives them, so that what stands behind such a name is the
//! column of that one, and not everything that has the column's name. A name that anything else in the statement has too, in
//! whichever scope, tells nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::flow::{Carries, Output, Outputs};

/// Names that the server may have cut are at least as long, in bytes (`NAMEDATALEN` - 1, less what a cut character has).
const SHORTEST_CUT: usize = 60;

/// A column's name behind another name.
pub(super) type Qualified = (String, String);

/// What is known of the names that can stand in front of columns.
#[derive(Debug, Default)]
pub(super) struct Derived {
    /// How often each is given to something.
    given: BTreeMap<String, usize>,
    /// Columns of sub-queries, with what each carries, by the sub-query's name.
    columns: BTreeMap<String, BTreeMap<String, Carries>>,
    /// Table expressions; none where several have the name.
    tables: BTreeMap<String, Option<Outputs>>,
}

impl Derived {
    /// Something has this name from here on.
    pub(super) fn qualifies(&mut self, name: &str) {
        *self.given.entry(name.to_owned()).or_default() += 1;
    }

    /// A sub-query has it, perhaps with other names for its columns.
    pub(super) fn is_query(&mut self, name: &str, renamed: &[&str], outputs: &Outputs) {
        self.columns.insert(name.to_owned(), named(renamed, outputs));
    }

    /// A table expression is defined, perhaps with other names for its columns.
    pub(super) fn define(&mut self, name: &str, renamed: &[&str], outputs: &Outputs) {
        let unique = !self.tables.contains_key(name);
        let outputs = unique.then(|| renamed_outputs(renamed, outputs)).flatten();
        self.tables.insert(name.to_owned(), outputs);
    }

    /// A table expression has a name in FROM.
    pub(super) fn is_table(&mut self, table: &str, name: &str, renamed: &[&str]) {
        if let Some(Some(outputs)) = self.tables.get(table) {
            let columns = named(renamed, outputs);
            self.columns.insert(name.to_owned(), columns);
        }
    }

    /// What a column behind a name carries, if that is known.
    pub(super) fn meant(&self, (name, column): &Qualified) -> Option<&Carries> {
        let is_whole = |name: &str| name.len() < SHORTEST_CUT;
        if self.given.get(name) != Some(&1) || !is_whole(name) || !is_whole(column) {
            return None;
        }
        self.columns.get(name)?.get(column)
    }
}

/// The columns that have a name of which the text leaves no doubt.
fn named(renamed: &[&str], outputs: &Outputs) -> BTreeMap<String, Carries> {
    let Some(Outputs(outputs)) = renamed_outputs(renamed, outputs) else {
        return BTreeMap::new();
    };
    let mut named = BTreeMap::new();
    let mut twice = BTreeSet::new();
    for output in outputs {
        let Output::One { name, carries, plain } = output else { continue };
        let Some(name) = name.or(plain) else { continue };
        if named.insert(name.clone(), carries).is_some() {
            twice.insert(name);
        }
    }
    named.retain(|name, _| !twice.contains(name));
    named
}

/// The columns under the names that are given for the first of them; none where a `*` is among those.
fn renamed_outputs(renamed: &[&str], outputs: &Outputs) -> Option<Outputs> {
    let mut outputs = outputs.clone();
    if outputs.0.len() < renamed.len() {
        return None;
    }
    for (given, output) in renamed.iter().zip(&mut outputs.0) {
        let Output::One { name, .. } = output else { return None };
        *name = Some((*given).to_owned());
    }
    Some(outputs)
}
