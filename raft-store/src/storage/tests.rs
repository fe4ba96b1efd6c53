//! A directory that holds less than what was promised is not opened.

use std::path::Path;

use openraft::vote::RaftLeaderId;
use rocksdb::WriteBatch;

use super::{Storage, StorageError};
use crate::disk::{Disk, Family};
use crate::encoding::Encoded;
use crate::high_water::Acknowledged;
use crate::log_store;
use crate::raft_types::{Entry, LogId, TypeConfig, Vote};

fn id(index: u64) -> LogId {
    LogId::new(openraft::alias::LeaderIdOf::<TypeConfig>::new(1, 1), index)
}

fn open(folder: &Path) -> Result<Storage, StorageError> {
    Storage::open(folder, "blue", 1)
}

fn put(disk: &Disk, indexes: &[u64]) {
    let mut batch = WriteBatch::default();
    for index in indexes {
        let entry = Entry { log_id: id(*index), payload: openraft::EntryPayload::Blank };
        let family = disk.family(Family::Log).unwrap();
        batch.put_cf(family, log_store::key_of(*index), entry.encode().unwrap());
    }
    disk.write("a log for a test", batch);
}

/// Opens a directory whose log has these entries, behind what was purged.
fn check(purged: Option<u64>, indexes: &[u64], expected: Result<(), u64>) {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(folder.path()).unwrap();
    if let Some(upto) = purged {
        let mut batch = WriteBatch::default();
        log_store::put_purge(&storage.disk, &mut batch, id(upto)).unwrap();
        storage.disk.write("a purge for a test", batch);
    }
    put(&storage.disk, indexes);
    drop(storage);
    let found = match open(folder.path()) {
        Ok(_) => Ok(()),
        Err(StorageError::LogGap(index)) => Err(index),
        Err(other) => panic!("{other}"),
    };
    assert_eq!(found, expected, "{indexes:?} behind {purged:?}");
}

#[test]
fn a_log_begins_behind_what_was_purged_and_has_no_gap() {
    check(None, &[], Ok(()));
    check(None, &[0, 1, 2], Ok(()));
    check(None, &[1, 2], Err(0));
    check(None, &[0, 2], Err(1));
    check(Some(0), &[1, 2], Ok(()));
    check(Some(4), &[], Ok(()));
    check(Some(4), &[5, 6], Ok(()));
    check(Some(4), &[6], Err(5));
    check(Some(4), &[5, 6, 8], Err(7));
}

#[test]
fn a_vote_that_was_given_and_is_gone_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let mut storage = open(folder.path()).unwrap();
    let given = Acknowledged { last: None, vote: Some(Vote::new(3, 1)) };
    storage.high_water.record(given).unwrap();
    drop(storage);
    let refused = open(folder.path()).err();
    assert!(matches!(refused, Some(StorageError::VoteLost { .. })), "{refused:?}");
}

#[test]
fn another_entry_than_the_acknowledged_one_in_its_place_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let mut storage = open(folder.path()).unwrap();
    put(&storage.disk, &[0, 1, 2]);
    let leader = openraft::alias::LeaderIdOf::<TypeConfig>::new(2, 3);
    let promised = Acknowledged { last: Some(LogId::new(leader, 2)), vote: None };
    storage.high_water.record(promised).unwrap();
    drop(storage);
    let refused = open(folder.path()).err();
    assert!(matches!(refused, Some(StorageError::LogLost { .. })), "{refused:?}");
}
