//! The state, its record and its snapshots agree, whatever is interrupted.

use std::sync::Arc;

use openraft::vote::RaftLeaderId;

use super::{AppliedState, StateMachine, applied_state};
use crate::disk::Disk;
use crate::log_store::PurgeLimit;
use crate::machine::{Applied, Batch, Halt, Machine, Pair, View, Writes};
use crate::raft_types::{Entry, EntryData, LogId, TypeConfig};
use crate::snapshot::SnapshotFolder;
use crate::state_hash::StateHash;
use crate::state_machine::EffectsSender;

/// `KEY=VALUE` sets, `KEY` removes.
struct Pairs;

impl Machine for Pairs {
    fn apply(&self, _: &dyn View, batch: Batch<'_>) -> Result<Applied, Halt> {
        let mut writes = Writes::new();
        for command in batch.commands {
            match command.iter().position(|byte| *byte == b'=') {
                Some(place) => writes.put(&command[..place], &command[place + 1..]),
                None => writes.delete(command.clone()),
            }
        }
        let replies = vec![Vec::new(); batch.commands.len()];
        Ok(Applied { writes, replies, effects: Vec::new() })
    }
}

impl StateMachine {
    /// An empty state in a folder of its own.
    pub(crate) fn for_test() -> (tempfile::TempDir, Self) {
        let folder = tempfile::tempdir().unwrap();
        let disk = Arc::new(Disk::create(&folder.path().join("db")).unwrap());
        std::fs::create_dir(folder.path().join("snapshots")).unwrap();
        let state = Self::on(folder.path(), disk);
        (folder, state)
    }

    fn on(folder: &std::path::Path, disk: Arc<Disk>) -> Self {
        let limit = Arc::new(PurgeLimit::default());
        let snapshots = SnapshotFolder::open(folder.join("snapshots"), limit).unwrap();
        Self::open(disk, Arc::new(Pairs), snapshots, EffectsSender::new()).unwrap()
    }

    fn apply_one(&self, index: u64, commands: &[&str]) {
        let commands = commands.iter().map(|command| command.as_bytes().to_vec()).collect();
        let leader = openraft::alias::LeaderIdOf::<TypeConfig>::new(1, 1);
        let log_id = LogId::new(leader, index);
        let data = EntryData::Batch { at_ms: 0, commands };
        let entry = Entry { log_id, payload: openraft::EntryPayload::Normal(data) };
        self.shared.apply(&[entry]).unwrap();
    }

    fn all(&self) -> (Vec<Pair>, AppliedState) {
        self.read(|view, state| (view.scan(b"", None, usize::MAX).unwrap(), state.clone())).unwrap()
    }
}

fn hash_of(pairs: &[Pair]) -> StateHash {
    let mut hash = StateHash::default();
    for (key, value) in pairs {
        hash.add(key, value);
    }
    hash
}

#[test]
fn the_running_hash_is_the_hash_of_all_pairs() {
    let (_folder, state) = StateMachine::for_test();
    for index in 1..40 {
        let (set, other) = (format!("k{}=v{index}", index % 7), format!("k{}", index % 5));
        state.apply_one(index, &[&set, &other, "same=a", "same=b"]);
        let (pairs, record) = state.all();
        assert_eq!(record.hash, hash_of(&pairs));
        assert_eq!(record.applied.map(|id| id.index), Some(index));
    }
}

fn filled() -> (tempfile::TempDir, StateMachine) {
    let (folder, state) = StateMachine::for_test();
    for index in 1..200 {
        let pair = format!("key-{index}={}", "v".repeat(20_000));
        state.apply_one(index, &[&pair]);
    }
    (folder, state)
}

#[test]
fn a_snapshot_carries_the_whole_state() {
    let (_source_folder, source) = filled();
    let file = source.shared.build().unwrap();
    file.verify().unwrap();
    let (_folder, target) = StateMachine::for_test();
    target.apply_one(1, &["old=state"]);
    let meta = file.head.meta.clone();
    let (draft, mut out) = target.snapshots().draft().unwrap();
    std::io::copy(&mut std::fs::File::open(&file.path).unwrap(), &mut out).unwrap();
    let copy = crate::snapshot::SnapshotFile::open(&draft).unwrap();
    target.shared.install(&meta, copy).unwrap();
    let ((pairs, from), (copied, to)) = (source.all(), target.all());
    assert_eq!(pairs, copied);
    assert_eq!((from.hash, from.applied), (to.hash, to.applied));
    assert_ne!(from.slot, to.slot);
    target.apply_one(200, &["after=it"]);
    let (pairs, record) = target.all();
    assert_eq!(record.hash, hash_of(&pairs));
}

#[test]
fn an_interrupted_installation_leaves_the_old_state() {
    let (_source_folder, source) = filled();
    let file = source.shared.build().unwrap();
    let (folder, target) = StateMachine::for_test();
    target.apply_one(1, &["old=state"]);
    let before = target.all();
    let half = AppliedState { slot: before.1.slot.other(), ..before.1.clone() };
    target.shared.load(&half, &file).unwrap();
    assert_eq!(target.all(), before);
    drop(target);
    let disk = Arc::new(Disk::open(&folder.path().join("db")).unwrap());
    let again = StateMachine::on(folder.path(), disk.clone());
    assert_eq!(again.all(), before);
    let rest = crate::disk::StateView::current(&disk, before.1.slot.other());
    assert_eq!(rest.scan(b"", None, 1).unwrap(), vec![]);
    assert_eq!(applied_state(&disk).unwrap(), before.1);
}

#[test]
fn a_damaged_snapshot_is_not_installed() {
    let (_source_folder, source) = filled();
    let file = source.shared.build().unwrap();
    let mut bytes = std::fs::read(&file.path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let (_folder, target) = StateMachine::for_test();
    target.apply_one(1, &["old=state"]);
    let before = target.all();
    let (draft, _) = target.snapshots().draft().unwrap();
    std::fs::write(&draft, bytes).unwrap();
    let copy = crate::snapshot::SnapshotFile::open(&draft).unwrap();
    assert!(target.shared.install(&file.head.meta, copy).is_err());
    assert_eq!(target.all(), before);
}
