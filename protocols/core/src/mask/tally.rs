//! What was masked, for the audit: which rule, where, how many values. Never a value.

use super::ColumnName;
use std::{collections::BTreeMap, fmt};

/// The most entries of one tally. What comes beyond is summed up, a line a rule.
pub const MAX_TALLY: usize = 64;
/// Where the values of a summed-up line were.
const ELSEWHERE: &str = "*";

/// Where a value was masked.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum MaskPlace {
    /// In a column that is known by name.
    Column(ColumnName),
    /// In a column of the answer that is not one of the target's: its position, from 1.
    Position(u16),
    /// In a text that the target says: an error, a notice, a notification.
    Message,
}

impl fmt::Display for MaskPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Column(column) => column.fmt(f),
            Self::Position(position) => write!(f, "#{position}"),
            Self::Message => f.write_str("message"),
        }
    }
}

/// How many values of an answer were masked, by rule and place.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MaskTally {
    counts: BTreeMap<(String, String), u64>,
}

impl MaskTally {
    /// Counts values that `rule` masked at `place`.
    pub fn add(&mut self, rule: &str, place: &str, values: u64) {
        if values == 0 {
            return;
        }
        let mut entry = (rule.to_owned(), place.to_owned());
        if !self.counts.contains_key(&entry) && self.counts.len() >= MAX_TALLY {
            ELSEWHERE.clone_into(&mut entry.1);
        }
        let count = self.counts.entry(entry).or_default();
        *count = count.saturating_add(values);
    }

    /// Takes over what another tally has counted.
    pub fn merge(&mut self, other: &Self) {
        for (rule, place, values) in other.iter() {
            self.add(rule, place, values);
        }
    }

    /// Whether nothing was masked.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// Rule, place and count, in a fixed order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str, u64)> {
        self.counts.iter().map(|((rule, place), values)| (rule.as_str(), place.as_str(), *values))
    }
}
