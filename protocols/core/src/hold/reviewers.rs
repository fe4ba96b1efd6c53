//! Who must approve, as policy says it: a group, or groups joined by `and` and `or`, as in `dba and (security or on-call)`.
//!
//! `and` asks for the humans of both sides, and no human stands on both; `or` is content with either. The text is also the
//! stored form, so what is read here once is read alike for ever. How many have approved is counted in `quorum`.

mod parse;

pub use parse::ReviewersError;

use std::{collections::BTreeSet, fmt};

/// The most groups that one expression names.
pub const MAX_GROUPS: usize = 16;
/// In so many ways at most can the terms of one hold be met: each is counted at every decision.
pub const MAX_WAYS: u64 = 64;

/// Whom an approval is asked of. Two expressions that differ only in order or in needless parentheses are the same value.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Reviewers {
    /// A member of this group.
    Group(String),
    /// Humans for each of these, every one for one of them. In order; the same part twice asks for two humans.
    All(Vec<Reviewers>),
    /// Humans for one of these. In order, each once.
    Any(Vec<Reviewers>),
}

/// A place that one human takes: a member of any of these groups.
pub(super) type Place<'a> = BTreeSet<&'a str>;

impl Reviewers {
    /// The members of one group.
    pub fn group(name: &str) -> Self {
        Self::Group(name.to_owned())
    }

    /// Reads an expression.
    pub fn parse(text: &str) -> Result<Self, ReviewersError> {
        parse::parse(text)
    }

    fn all(parts: Vec<Self>) -> Self {
        let flat = parts.into_iter().flat_map(|part| match part {
            Self::All(inner) => inner,
            part @ (Self::Group(_) | Self::Any(_)) => vec![part],
        });
        let mut flat: Vec<_> = flat.collect();
        flat.sort();
        single(flat).unwrap_or_else(Self::All)
    }

    fn any(parts: Vec<Self>) -> Self {
        let flat = parts.into_iter().flat_map(|part| match part {
            Self::Any(inner) => inner,
            part @ (Self::Group(_) | Self::All(_)) => vec![part],
        });
        let flat: BTreeSet<_> = flat.collect();
        single(flat.into_iter().collect()).unwrap_or_else(Self::Any)
    }

    /// What must be met of it one by one: the sides of an `and`, or the whole.
    pub fn clauses(self) -> Vec<Self> {
        match self {
            Self::All(parts) => parts,
            whole @ (Self::Group(_) | Self::Any(_)) => vec![whole],
        }
    }

    /// Every group that it names.
    pub fn groups(&self) -> BTreeSet<&str> {
        match self {
            Self::Group(name) => BTreeSet::from([name.as_str()]),
            Self::All(parts) | Self::Any(parts) => parts.iter().flat_map(Self::groups).collect(),
        }
    }

    /// In how many ways it can be met.
    pub(super) fn ways(&self) -> u64 {
        match self {
            Self::Group(_) => 1,
            Self::All(parts) => parts.iter().map(Self::ways).fold(1, u64::saturating_mul),
            Self::Any(parts) => {
                let groups = parts.iter().any(|part| matches!(part, Self::Group(_)));
                let others = parts.iter().filter(|part| !matches!(part, Self::Group(_)));
                others.map(Self::ways).fold(u64::from(groups), u64::saturating_add)
            }
        }
    }

    /// The places of each way in which it can be met. Groups beside each other in an `or` share one place.
    pub(super) fn each_way(&self) -> Vec<Vec<Place<'_>>> {
        match self {
            Self::Group(name) => vec![vec![Place::from([name.as_str()])]],
            Self::All(parts) => {
                parts.iter().fold(vec![Vec::new()], |ways, part| joined(&ways, &part.each_way()))
            }
            Self::Any(parts) => {
                let (single, mut ways): (Vec<_>, Vec<_>) =
                    parts.iter().flat_map(Self::each_way).partition(|way| way.len() == 1);
                let shared: Place<'_> = single.into_iter().flatten().flatten().collect();
                if !shared.is_empty() {
                    ways.push(vec![shared]);
                }
                ways
            }
        }
    }
}

/// Every way of the one beside every way of the other.
pub(super) fn joined<'a>(one: &[Vec<Place<'a>>], other: &[Vec<Place<'a>>]) -> Vec<Vec<Place<'a>>> {
    let beside = |first: &Vec<Place<'a>>| {
        other
            .iter()
            .map(|second| [first.as_slice(), second.as_slice()].concat())
            .collect::<Vec<_>>()
    };
    one.iter().flat_map(beside).collect()
}

/// The only part, or all of them again.
fn single(mut parts: Vec<Reviewers>) -> Result<Reviewers, Vec<Reviewers>> {
    match (parts.pop(), parts.is_empty()) {
        (Some(only), true) => Ok(only),
        (last, _) => Err(parts.into_iter().chain(last).collect()),
    }
}

impl fmt::Display for Reviewers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (parts, word) = match self {
            Self::Group(name) => return f.write_str(&parse::quoted(name)),
            Self::All(parts) => (parts, " and "),
            Self::Any(parts) => (parts, " or "),
        };
        for (place, part) in parts.iter().enumerate() {
            if place > 0 {
                f.write_str(word)?;
            }
            match part {
                Self::Group(_) => write!(f, "{part}")?,
                Self::All(_) | Self::Any(_) => write!(f, "({part})")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
