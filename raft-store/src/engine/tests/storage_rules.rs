//! A node that cannot trust its data directory does not start; one that cannot write does not go on.

use std::path::{Path, PathBuf};

use super::cluster::Cluster;
use crate::engine::StartError;
use crate::halt::child::expect_halt;
use crate::high_water::HighWaterError;
use crate::identity_file::IdentityError;
use crate::storage::StorageError;

fn single() -> Cluster {
    let mut cluster = Cluster::new();
    cluster.start(1).unwrap();
    let members = [(1, cluster.member(1))].into();
    cluster.test.block_on(cluster.engine(1).initialize(members)).unwrap();
    cluster.leader();
    cluster
}

fn with_entries() -> Cluster {
    let mut cluster = single();
    for number in 0..30 {
        cluster.set_on(1, &format!("k{number}")).unwrap();
    }
    cluster.stop(1);
    cluster
}

fn newest_wal(folder: &Path) -> PathBuf {
    let mut logs: Vec<_> = std::fs::read_dir(folder.join("db"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .filter(|path| path.metadata().unwrap().len() > 0)
        .collect();
    logs.sort();
    logs.pop().unwrap()
}

#[test]
fn a_log_that_lost_its_acknowledged_end_is_refused() {
    let mut cluster = with_entries();
    let wal = newest_wal(&cluster.folder(1));
    let bytes = std::fs::read(&wal).unwrap();
    std::fs::write(&wal, &bytes[..bytes.len() / 2]).unwrap();
    let refused = cluster.start(1).unwrap_err();
    assert!(matches!(refused, StartError::Storage(StorageError::LogLost { .. })), "{refused:?}");
}

#[test]
fn a_flipped_bit_in_the_log_is_never_forgiven() {
    let cluster = with_entries();
    let folder = cluster.folder(1);
    let whole = std::fs::read(newest_wal(&folder)).unwrap();
    for place in [whole.len() / 4, whole.len() / 2, whole.len() - 20] {
        let copy = tempfile::tempdir().unwrap();
        copy_folder(&folder, copy.path());
        let mut damaged = whole.clone();
        damaged[place] ^= 0x10;
        std::fs::write(newest_wal(copy.path()), damaged).unwrap();
        let opened = crate::storage::Storage::open(copy.path(), "blue", 1);
        assert!(opened.is_err(), "a bit flipped at {place} was accepted");
    }
}

fn copy_folder(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            std::fs::create_dir(&target).unwrap();
            copy_folder(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}

#[test]
fn an_unfinished_last_record_that_nobody_was_told_of_is_forgiven() {
    let mut cluster = with_entries();
    let wal = newest_wal(&cluster.folder(1));
    let mut bytes = std::fs::read(&wal).unwrap();
    // The header of a record whose content never reached the disk.
    bytes.extend_from_slice(&[0xaa, 0xbb, 0xcc, 0xdd, 0x40, 0x00, 0x01, 0x07]);
    std::fs::write(&wal, bytes).unwrap();
    cluster.start(1).unwrap();
    assert!(cluster.has(1, "k29"));
}

#[test]
fn a_directory_without_its_high_water_file_or_its_log_is_refused() {
    let mut cluster = with_entries();
    let high_water = cluster.folder(1).join("high-water");
    let kept = std::fs::read(&high_water).unwrap();
    std::fs::remove_file(&high_water).unwrap();
    let refused = cluster.start(1).unwrap_err();
    let missing = StorageError::HighWater(HighWaterError::Missing);
    assert_eq!(refused.to_string(), StartError::Storage(missing).to_string());
    std::fs::write(&high_water, kept).unwrap();
    std::fs::remove_dir_all(cluster.folder(1).join("db")).unwrap();
    assert!(matches!(cluster.start(1).unwrap_err(), StartError::Storage(StorageError::Disk(_))));
}

#[test]
fn the_directory_of_another_node_is_refused() {
    let mut cluster = with_entries();
    std::fs::rename(cluster.folder(1), cluster.folder(2)).unwrap();
    let refused = cluster.start(2).unwrap_err();
    let expected = matches!(
        refused,
        StartError::Storage(StorageError::Identity(IdentityError::AnotherNode { node: 1, .. }))
    );
    assert!(expected, "{refused:?}");
}

#[test]
fn a_stopped_engine_leaves_its_directory_free() {
    let mut cluster = with_entries();
    for _ in 0..3 {
        cluster.start(1).unwrap();
        cluster.leader();
        cluster.stop(1);
    }
}

/// Proposes what no version of the machine knows, on the node in `cluster`.
fn propose_unknown(cluster: &Cluster) {
    let engine = cluster.engine(1);
    let deadline = tokio::time::Instant::now() + super::cluster::SOON;
    cluster.test.block_on(engine.propose(b"unknown".to_vec(), deadline)).unwrap();
}

#[test]
fn an_unknown_command_ends_the_process_and_is_never_skipped() {
    let name =
        "engine::tests::storage_rules::an_unknown_command_ends_the_process_and_is_never_skipped";
    if expect_halt(name, "a command this build does not") {
        propose_unknown(&single());
    }
}
