//! A snapshot file is whole or it is refused.

use std::sync::Arc;

use super::{SnapshotFile, SnapshotFolder, SnapshotHead, SnapshotReader, SnapshotWriter};
use crate::raft_types::SnapshotMeta;
use crate::state_hash::StateHash;

fn written(folder: &std::path::Path, pairs: &[(Vec<u8>, Vec<u8>)]) -> std::path::PathBuf {
    let mut hash = StateHash::default();
    for (key, value) in pairs {
        hash.add(key, value);
    }
    let head = SnapshotHead { meta: SnapshotMeta::default(), hash, mark: None, greatest_id: 3 };
    let path = folder.join("a.snapshot");
    let mut writer = SnapshotWriter::new(std::fs::File::create(&path).unwrap(), &head).unwrap();
    for (key, value) in pairs {
        writer.pair(key, value).unwrap();
    }
    writer.finish().unwrap();
    path
}

#[test]
fn no_byte_of_a_snapshot_can_be_changed_cut_or_added() {
    let folder = tempfile::tempdir().unwrap();
    let pairs: Vec<_> = (0u8..5).map(|number| (vec![number], vec![number; 9])).collect();
    let path = written(folder.path(), &pairs);
    let whole = std::fs::read(&path).unwrap();
    let verify = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        SnapshotFile::open(&path).and_then(|file| file.verify())
    };
    assert!(verify(&whole).is_ok());
    for place in 0..whole.len() {
        let mut changed = whole.clone();
        changed[place] ^= 0x40;
        assert!(verify(&changed).is_err(), "byte {place} changed");
        assert!(verify(&whole[..place]).is_err(), "cut at {place}");
    }
    assert!(verify(&[whole.as_slice(), b"x"].concat()).is_err(), "a byte added");
}

#[test]
fn a_large_state_is_read_in_small_chunks() {
    let folder = tempfile::tempdir().unwrap();
    let pairs: Vec<_> =
        (0u32..3000).map(|number| (number.to_be_bytes().to_vec(), vec![7; 4000])).collect();
    let path = written(folder.path(), &pairs);
    let mut reader = SnapshotReader::new(std::fs::File::open(path).unwrap()).unwrap();
    let mut chunks = 0;
    while let Some(chunk) = reader.chunk().unwrap() {
        let bytes: usize = chunk.iter().map(|(key, value)| key.len() + value.len()).sum();
        assert!(bytes < (1 << 20) + 5000, "a chunk of {bytes} bytes");
        chunks += 1;
    }
    assert!(chunks > 10);
}

#[test]
fn a_damaged_older_snapshot_does_not_take_the_place_of_a_damaged_newest() {
    let folder = tempfile::tempdir().unwrap();
    let pairs = [(vec![1], vec![1; 9])];
    let whole = std::fs::read(written(folder.path(), &pairs)).unwrap();
    std::fs::remove_file(folder.path().join("a.snapshot")).unwrap();
    let mut damaged = whole.clone();
    *damaged.last_mut().unwrap() ^= 1;
    std::fs::write(folder.path().join("1.snapshot"), &whole).unwrap();
    std::fs::write(folder.path().join("2.snapshot"), &damaged).unwrap();
    std::fs::write(folder.path().join("3.snapshot"), &damaged).unwrap();
    let snapshots = SnapshotFolder::open(folder.path().to_owned(), Arc::default()).unwrap();
    let newest = snapshots.newest().unwrap().unwrap();
    assert_eq!(newest.path, folder.path().join("1.snapshot"));
    newest.verify().unwrap();
}
