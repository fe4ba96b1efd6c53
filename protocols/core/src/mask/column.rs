//! Columns, and patterns that name them: `schema.table.column`, each part a name or `*`.

use std::{fmt, str::FromStr};

/// A column of a target, by the names of its catalogue.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ColumnName {
    /// Its schema.
    pub schema: String,
    /// Its table, view or other relation.
    pub table: String,
    /// Its own name.
    pub column: String,
}

impl ColumnName {
    /// The column of these names.
    pub fn new(
        schema: impl Into<String>,
        table: impl Into<String>,
        column: impl Into<String>,
    ) -> Self {
        Self { schema: schema.into(), table: table.into(), column: column.into() }
    }
}

impl fmt::Display for ColumnName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.schema, self.table, self.column)
    }
}

/// A text that is no column pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a column is `schema.table.column`, each part a name, a \"quoted name\" or `*`: `public.customers.email`, `*.*.iban`"
)]
pub struct ColumnPatternError;

/// Names columns of targets.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ColumnPattern {
    schema: Part,
    table: Part,
    column: Part,
}

/// One part of a pattern.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum Part {
    Any,
    /// Whatever its case: somebody who writes `Email` for a column `email` means it, and must not be left without a mask.
    Folded(String),
    /// Exactly this name.
    Quoted(String),
}

impl ColumnPattern {
    /// The name of the one relation that it names, in lower case; none if it names relations of any name.
    pub(super) fn table(&self) -> Option<String> {
        match &self.table {
            Part::Any => None,
            Part::Folded(folded) => Some(folded.clone()),
            Part::Quoted(exact) => Some(exact.to_lowercase()),
        }
    }

    /// Whether it names `column`.
    pub fn names(&self, column: &ColumnName) -> bool {
        self.schema.names(&column.schema)
            && self.table.names(&column.table)
            && self.column.names(&column.column)
    }
}

impl Part {
    fn names(&self, name: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Folded(folded) => *folded == name.to_lowercase(),
            Self::Quoted(exact) => exact == name,
        }
    }

    /// Reads one part off the beginning of `text`; returns what is behind it.
    fn read(text: &str) -> Option<(Self, &str)> {
        if let Some(quoted) = text.strip_prefix('"') {
            return Self::read_quoted(quoted);
        }
        let end = text.find('.').unwrap_or(text.len());
        let (name, rest) = text.split_at_checked(end)?;
        if name == "*" {
            return Some((Self::Any, rest));
        }
        let plain = |c: char| !c.is_control() && !c.is_whitespace() && !matches!(c, '*' | '"');
        let is_name = !name.is_empty() && name.chars().all(plain);
        is_name.then(|| (Self::Folded(name.to_lowercase()), rest))
    }

    /// As in SQL, a quote inside of the name is doubled.
    fn read_quoted(text: &str) -> Option<(Self, &str)> {
        let mut name = String::new();
        let mut rest = text;
        loop {
            let (before, behind) = rest.split_once('"')?;
            name.push_str(before);
            match behind.strip_prefix('"') {
                Some(goes_on) => {
                    name.push('"');
                    rest = goes_on;
                }
                None if name.is_empty() || name.contains('\0') => return None,
                None => return Some((Self::Quoted(name), behind)),
            }
        }
    }
}

impl FromStr for ColumnPattern {
    type Err = ColumnPatternError;

    fn from_str(text: &str) -> Result<Self, ColumnPatternError> {
        let (schema, rest) = Part::read(text).ok_or(ColumnPatternError)?;
        let rest = rest.strip_prefix('.').ok_or(ColumnPatternError)?;
        let (table, rest) = Part::read(rest).ok_or(ColumnPatternError)?;
        let rest = rest.strip_prefix('.').ok_or(ColumnPatternError)?;
        let (column, rest) = Part::read(rest).ok_or(ColumnPatternError)?;
        if rest.is_empty() { Ok(Self { schema, table, column }) } else { Err(ColumnPatternError) }
    }
}
