//! The state in the database, as the state machine and readers see it. Read-only.

use rocksdb::{DBRawIterator, ReadOptions, Snapshot};

use super::{Disk, Family, Slot};
use crate::machine::{Pair, StoreError, View};

/// The state in one slot: as it is now, or as it was when a snapshot was taken.
pub(crate) struct StateView<'a> {
    disk: &'a Disk,
    slot: Slot,
    snapshot: Option<&'a Snapshot<'a>>,
}

impl<'a> StateView<'a> {
    /// The state as it is. Only the state machine, the only writer, may read this way.
    pub(crate) fn current(disk: &'a Disk, slot: Slot) -> Self {
        Self { disk, slot, snapshot: None }
    }

    /// The state as it was when `snapshot` was taken.
    pub(crate) fn at(disk: &'a Disk, slot: Slot, snapshot: &'a Snapshot<'a>) -> Self {
        Self { disk, slot, snapshot: Some(snapshot) }
    }

    fn options(&self) -> ReadOptions {
        let mut options = ReadOptions::default();
        if let Some(snapshot) = self.snapshot {
            options.set_snapshot(snapshot);
        }
        options
    }

    /// An iterator over the keys with `prefix` that lie before `before`.
    fn iterator(
        &self,
        prefix: &[u8],
        before: Option<&[u8]>,
    ) -> Result<DBRawIterator<'_>, StoreError> {
        let mut options = self.options();
        let end = successor(prefix);
        let bound = match (before, end) {
            (Some(before), Some(end)) => Some(end.min(before.to_vec())),
            (Some(before), None) => Some(before.to_vec()),
            (None, end) => end,
        };
        options.set_iterate_lower_bound(prefix);
        if let Some(bound) = bound {
            options.set_iterate_upper_bound(bound);
        }
        let family =
            self.disk.family(Family::State(self.slot)).map_err(|error| failed(Box::new(error)))?;
        Ok(self.disk.db().raw_iterator_cf_opt(family, options))
    }
}

impl View for StateView<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let family =
            self.disk.family(Family::State(self.slot)).map_err(|error| failed(Box::new(error)))?;
        self.disk
            .db()
            .get_cf_opt(family, key, &self.options())
            .map_err(|error| failed(Box::new(error)))
    }

    fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Pair>, StoreError> {
        let mut iterator = self.iterator(prefix, None)?;
        match after {
            Some(after) if after >= prefix => {
                iterator.seek(after);
                if iterator.key() == Some(after) {
                    iterator.next();
                }
            }
            Some(_) | None => iterator.seek_to_first(),
        }
        let mut found = Vec::new();
        while found.len() < limit {
            let Some((key, value)) = iterator.item() else { break };
            found.push((key.to_vec(), value.to_vec()));
            iterator.next();
        }
        iterator.status().map_err(|error| failed(Box::new(error)))?;
        Ok(found)
    }

    fn last(&self, prefix: &[u8], before: Option<&[u8]>) -> Result<Option<Pair>, StoreError> {
        if before.is_some_and(|before| before <= prefix) {
            return Ok(None);
        }
        let mut iterator = self.iterator(prefix, before)?;
        iterator.seek_to_last();
        let found = iterator.item().map(|(key, value)| (key.to_vec(), value.to_vec()));
        iterator.status().map_err(|error| failed(Box::new(error)))?;
        Ok(found)
    }
}

fn failed(source: Box<dyn std::error::Error + Send + Sync>) -> StoreError {
    StoreError::Read { what: "the state", source }
}

/// The first key behind all keys with this prefix; none when there is no such key.
fn successor(prefix: &[u8]) -> Option<Vec<u8>> {
    let kept = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut end = prefix.get(..=kept)?.to_vec();
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    Some(end)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use rocksdb::WriteBatch;

    use super::super::{Disk, Family, Slot};
    use super::StateView;
    use crate::machine::View;

    fn key() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(prop::sample::select(vec![0u8, 1, 254, 255]), 0..4)
    }

    #[test]
    fn the_database_answers_as_a_map() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::create(&folder.path().join("db")).unwrap();
        let family = disk.family(Family::State(Slot::A)).unwrap();
        let view = StateView::current(&disk, Slot::A);
        let cases = (
            prop::collection::btree_map(key(), key(), 0..30),
            key(),
            prop::option::of(key()),
            0usize..40,
        );
        let mut runner = proptest::test_runner::TestRunner::default();
        let run = runner.run(&cases, |(map, prefix, edge, limit)| {
            let map: BTreeMap<Vec<u8>, Vec<u8>> = map;
            disk.clear(Family::State(Slot::A)).unwrap();
            let mut batch = WriteBatch::default();
            for (key, value) in &map {
                batch.put_cf(family, key, value);
            }
            disk.write("filling", batch);
            let edge = edge.as_deref();
            prop_assert_eq!(view.get(&prefix).unwrap(), View::get(&map, &prefix).unwrap());
            prop_assert_eq!(
                view.scan(&prefix, edge, limit).unwrap(),
                map.scan(&prefix, edge, limit).unwrap()
            );
            prop_assert_eq!(
                view.last(&prefix, edge).unwrap(),
                View::last(&map, &prefix, edge).unwrap()
            );
            Ok(())
        });
        run.unwrap();
    }
}
