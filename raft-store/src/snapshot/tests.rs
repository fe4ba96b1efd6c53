//! A snapshot file is whole or it is refused.

use super::{SnapshotFile, SnapshotHead, SnapshotReader, SnapshotWriter};
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
