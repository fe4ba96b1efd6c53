//! The file must survive being torn at any byte, and must not survive being replaced.

use openraft::vote::RaftLeaderId;

use super::{Acknowledged, HighWater, HighWaterError};
use crate::raft_types::{LogId, TypeConfig};

fn at(term: u64, index: u64) -> Acknowledged {
    let leader = openraft::alias::LeaderIdOf::<TypeConfig>::new(term, 1);
    Acknowledged { last: Some(LogId::new(leader, index)), vote: None }
}

#[test]
fn what_was_recorded_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("high-water");
    let mut file = HighWater::create(&path).unwrap();
    for index in 1..20 {
        file.record(at(3, index)).unwrap();
        assert_eq!(HighWater::open(&path).unwrap().now(), at(3, index));
    }
    file.record(at(3, 7)).unwrap();
    assert_eq!(HighWater::open(&path).unwrap().now(), at(3, 7));
}

#[test]
fn a_torn_write_leaves_the_record_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("high-water");
    let mut file = HighWater::create(&path).unwrap();
    file.record(at(1, 1)).unwrap();
    let before = std::fs::read(&path).unwrap();
    file.record(at(1, 2)).unwrap();
    let after = std::fs::read(&path).unwrap();
    for cut in 0..after.len() {
        let torn: Vec<u8> = after[..cut].iter().chain(&before[cut..]).copied().collect();
        std::fs::write(&path, torn).unwrap();
        let read = HighWater::open(&path).unwrap().now();
        assert!(read == at(1, 1) || read == at(1, 2), "cut at {cut}: {read:?}");
    }
}

#[test]
fn a_missing_or_damaged_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("high-water");
    assert!(matches!(HighWater::open(&path).unwrap_err(), HighWaterError::Missing));
    std::fs::write(&path, [7; 9000]).unwrap();
    assert!(matches!(HighWater::open(&path).unwrap_err(), HighWaterError::Damaged));
    std::fs::write(&path, []).unwrap();
    assert!(matches!(HighWater::open(&path).unwrap_err(), HighWaterError::Damaged));
}
