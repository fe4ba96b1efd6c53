//! The changes one batch makes to the state, in key order. Deliberately without any knowledge of how they are stored.

use std::collections::BTreeMap;
use std::collections::btree_map;

/// Puts and deletions by key. The last change of a key wins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Writes(BTreeMap<Vec<u8>, Option<Vec<u8>>>);

impl Writes {
    /// No changes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets `key` to `value`.
    pub fn put(&mut self, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.0.insert(key.into(), Some(value.into()));
    }

    /// Removes `key`. Removing what is not there is no error.
    pub fn delete(&mut self, key: impl Into<Vec<u8>>) {
        self.0.insert(key.into(), None);
    }

    /// What these changes say about `key`: `None` nothing, `Some(None)` that it is removed.
    pub fn get(&self, key: &[u8]) -> Option<Option<&[u8]>> {
        self.0.get(key).map(Option::as_deref)
    }

    /// The changes in ascending order of their keys.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&[u8], Option<&[u8]>)> {
        self.0.iter().map(|(key, value)| (key.as_slice(), value.as_deref()))
    }

    /// The changes from `key` (inclusive) on, ascending.
    pub fn from(&self, key: &[u8]) -> impl DoubleEndedIterator<Item = (&[u8], Option<&[u8]>)> {
        self.0
            .range::<[u8], _>((std::ops::Bound::Included(key), std::ops::Bound::Unbounded))
            .map(|(key, value)| (key.as_slice(), value.as_deref()))
    }

    /// Takes over the changes of `later`, which win over these.
    pub fn extend(&mut self, later: Self) {
        self.0.extend(later.0);
    }

    /// How many keys change.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl IntoIterator for Writes {
    type Item = (Vec<u8>, Option<Vec<u8>>);
    type IntoIter = btree_map::IntoIter<Vec<u8>, Option<Vec<u8>>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
