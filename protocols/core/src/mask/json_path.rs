//! Paths into JSON documents: the part of JSONPath (RFC 9535) that names places without looking at values. Members
//! (`.name`, `['name']`), elements (`[0]`), all of them (`.*`, `[*]`), and members at any depth (`..name`).

use std::{fmt, str::FromStr};

/// The most steps of a path.
const MAX_STEPS: usize = 32;

/// A path into a document.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct JsonPath {
    text: String,
    steps: Vec<Step>,
}

/// One step of it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum Step {
    /// The member of this name.
    Member(String),
    /// The element at this place.
    Element(usize),
    /// Every member or element.
    Each,
    /// Every member of this name, however deep.
    Below(String),
}

/// A text that is no path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a path is `$` and steps of `.name`, `['name']`, `[0]`, `[*]`, `.*` or `..name`, at most {MAX_STEPS}: `$.customer.email`, `$.items[*].card`"
)]
pub struct JsonPathError;

/// What one goes down to in a document.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Down<'a> {
    Member(&'a str),
    Element(usize),
}

impl JsonPath {
    /// Whether the path ends behind so many steps.
    pub(super) fn ends(&self, taken: usize) -> bool {
        taken == self.steps.len()
    }

    /// Where the path can be one level further down, behind `taken` steps.
    pub(super) fn down(&self, taken: usize, down: Down<'_>) -> impl Iterator<Item = usize> {
        let step = self.steps.get(taken);
        let moves = match (step, down) {
            (Some(Step::Member(name) | Step::Below(name)), Down::Member(here)) => name == here,
            (Some(Step::Element(place)), Down::Element(here)) => *place == here,
            (Some(Step::Each), Down::Member(_) | Down::Element(_)) => true,
            (Some(Step::Member(_) | Step::Below(_)), Down::Element(_))
            | (Some(Step::Element(_)), Down::Member(_))
            | (None, _) => false,
        };
        let stays = matches!(step, Some(Step::Below(_)));
        stays.then_some(taken).into_iter().chain(moves.then_some(taken + 1))
    }
}

impl fmt::Display for JsonPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for JsonPath {
    type Err = JsonPathError;

    fn from_str(text: &str) -> Result<Self, JsonPathError> {
        let mut rest = text.strip_prefix('$').ok_or(JsonPathError)?;
        let mut steps = Vec::new();
        while !rest.is_empty() {
            let (step, behind) = step(rest).ok_or(JsonPathError)?;
            steps.push(step);
            rest = behind;
        }
        // The whole document is a column.
        if steps.is_empty() || steps.len() > MAX_STEPS {
            return Err(JsonPathError);
        }
        Ok(Self { text: text.to_owned(), steps })
    }
}

/// Reads one step; returns what is behind it.
fn step(text: &str) -> Option<(Step, &str)> {
    if let Some(behind) = text.strip_prefix("..") {
        let (name, behind) = shorthand(behind)?;
        return Some((Step::Below(name.to_owned()), behind));
    }
    if let Some(behind) = text.strip_prefix('.') {
        if let Some(behind) = behind.strip_prefix('*') {
            return Some((Step::Each, behind));
        }
        let (name, behind) = shorthand(behind)?;
        return Some((Step::Member(name.to_owned()), behind));
    }
    let inside = text.strip_prefix('[')?;
    if let Some(behind) = inside.strip_prefix("*]") {
        return Some((Step::Each, behind));
    }
    if let Some(quote @ ('\'' | '"')) = inside.chars().next() {
        return quoted(inside.get(1..)?, quote);
    }
    let (index, behind) = inside.split_once(']')?;
    let plain = index.bytes().all(|byte| byte.is_ascii_digit());
    let shortest = index == "0" || !index.starts_with('0');
    let index = index.parse().ok().filter(|_| plain && shortest)?;
    Some((Step::Element(index), behind))
}

/// A name without quotes (`member-name-shorthand`).
fn shorthand(text: &str) -> Option<(&str, &str)> {
    let belongs = |c: char| c.is_ascii_alphanumeric() || c == '_' || !c.is_ascii();
    let end = text.find(|c| !belongs(c)).unwrap_or(text.len());
    let (name, behind) = text.split_at_checked(end)?;
    let begins = name.starts_with(|c: char| !c.is_ascii_digit());
    begins.then_some((name, behind))
}

/// A name in quotes, behind the first of them. A backslash stands in front of a quote and of itself, and of nothing else.
fn quoted(text: &str, quote: char) -> Option<(Step, &str)> {
    let mut name = String::new();
    let mut chars = text.char_indices();
    while let Some((place, c)) = chars.next() {
        match c {
            '\\' => {
                let (_, escaped) = chars.next()?;
                name.push(Some(escaped).filter(|c| *c == quote || *c == '\\')?);
            }
            c if c == quote => {
                let behind = text.get(place + 1..)?.strip_prefix(']')?;
                return Some((Step::Member(name), behind));
            }
            c => name.push(c),
        }
    }
    None
}
