//! The state, its record and its snapshots agree, whatever is interrupted.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use openraft::EntryPayload;
use openraft::vote::RaftLeaderId;

use super::{AppliedState, StateMachine, applied_state};
use crate::disk::{Disk, StateView};
use crate::log_store::{FlushTimes, Flusher, PurgeLimit};
use crate::machine::{Applied, Batch, Halt, Machine, Pair, View, Writes};
use crate::raft_types::{
    Entry, EntryData, LogId, Mark, Member, Membership, NodeId, StorageId, TypeConfig,
};
use crate::snapshot::{SnapshotFile, SnapshotFolder};
use crate::state_hash::StateHash;
use crate::state_machine::EffectsSender;
use crate::storage::{Storage, StorageError};

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

/// A data directory with a flush thread. When it is dropped, the thread has let go of the database.
pub(crate) struct TestFolder {
    path: PathBuf,
    disk: Option<Arc<Disk>>,
    flusher: Option<Flusher>,
    thread: Option<JoinHandle<()>>,
    /// Below the rest, so that it outlives it.
    folder: Option<tempfile::TempDir>,
}

impl TestFolder {
    fn path(&self) -> &Path {
        &self.path
    }

    fn open(folder: tempfile::TempDir) -> (Self, StateMachine) {
        let (mut opened, state) = Self::at(folder.path());
        opened.folder = Some(folder);
        (opened, state)
    }

    /// Opens a directory as a start of the node does.
    fn at(folder: &Path) -> (Self, StateMachine) {
        let Storage { disk, high_water, snapshots, .. } = Storage::open(folder, "blue", 1).unwrap();
        let (flusher, thread) =
            Flusher::start(disk.clone(), high_water, FlushTimes::default()).unwrap();
        let snapshots = SnapshotFolder::open(snapshots, Arc::new(PurgeLimit::default())).unwrap();
        let parts = (snapshots, flusher.raiser());
        let state = StateMachine::open(disk.clone(), Arc::new(Pairs), parts, EffectsSender::new());
        let opened = Self {
            path: folder.to_owned(),
            disk: Some(disk),
            flusher: Some(flusher),
            thread: Some(thread),
            folder: None,
        };
        (opened, state.unwrap())
    }

    fn disk(&self) -> &Disk {
        self.disk.as_deref().unwrap()
    }

    /// Ends what [`TestFolder::open`] began; the state must be gone already.
    fn close(&mut self) {
        drop((self.flusher.take(), self.disk.take()));
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for TestFolder {
    fn drop(&mut self) {
        self.close();
    }
}

impl StateMachine {
    /// An empty state in a folder of its own.
    pub(crate) fn for_test() -> (TestFolder, Self) {
        TestFolder::open(tempfile::tempdir().unwrap())
    }

    fn apply_one(&self, index: u64, commands: &[&str]) {
        let commands: Vec<_> = commands.iter().map(|command| command.as_bytes().to_vec()).collect();
        self.apply_data(index, EntryData::Batch { at_ms: 0, commands: commands.into() });
    }

    fn checkpoint(&self, index: u64, of: Option<Mark>) {
        self.apply_data(index, EntryData::Checkpoint { of });
    }

    fn apply_data(&self, index: u64, data: EntryData) {
        self.apply_payload(index, EntryPayload::Normal(data));
    }

    fn apply_payload(&self, index: u64, payload: EntryPayload<EntryData, NodeId, Member>) {
        let leader = openraft::alias::LeaderIdOf::<TypeConfig>::new(1, 1);
        let log_id = LogId::new(leader, index);
        let entry = Entry { log_id, payload };
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

#[test]
fn what_is_remembered_of_the_state_is_what_the_database_has() {
    let (_folder, state) = StateMachine::for_test();
    for index in 1..200_usize {
        // Of lengths that are remembered, that are not, and of one after the other; removed, and written anew.
        let lengths = [0, 1, 511, 512, 513, 600];
        let value = "v".repeat(lengths[index % lengths.len()]);
        let (set, other) = (format!("k{}={value}", index % 11), format!("k{}", index % 5));
        state.apply_one(index as u64, &[&set, &other]);
        let (pairs, record) = state.all();
        assert_eq!(record.hash, hash_of(&pairs));
        let recent = state.shared.recent.over(StateView::current(&state.shared.disk, record.slot));
        for key in (0..11).map(|n| format!("k{n}")) {
            let known = pairs.iter().find(|(known, _)| *known == key.as_bytes());
            let known = known.map(|(_, value)| value.clone());
            assert_eq!(recent.get(key.as_bytes()).unwrap(), known, "{key} at {index}");
        }
    }
}

fn filled() -> (TestFolder, StateMachine) {
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
    target.shared.install(&meta, received(&target, &file)).unwrap();
    let ((pairs, from), (copied, to)) = (source.all(), target.all());
    assert_eq!(pairs, copied);
    assert_eq!((from.hash, from.applied), (to.hash, to.applied));
    assert_ne!(from.slot, to.slot);
    // What was known of the state that is gone is not known of this one.
    target.apply_one(200, &["after=it", "old=again", "key-1=new", "key-2"]);
    let (pairs, record) = target.all();
    assert_eq!(record.hash, hash_of(&pairs));
}

/// A copy of `file` as `target` would have received it.
fn received(target: &StateMachine, file: &SnapshotFile) -> SnapshotFile {
    let (draft, mut out) = target.snapshots().draft().unwrap();
    std::io::copy(&mut std::fs::File::open(&file.path).unwrap(), &mut out).unwrap();
    SnapshotFile::open(&draft).unwrap()
}

/// What lies in the directory after the node has been started on it again.
fn reopened(mut folder: TestFolder, state: StateMachine) -> (TestFolder, StateMachine) {
    drop(state);
    folder.close();
    TestFolder::open(folder.folder.take().unwrap())
}

#[test]
fn an_interrupted_installation_leaves_the_old_state() {
    let (_source_folder, source) = filled();
    let file = source.shared.build().unwrap();
    let (folder, target) = StateMachine::for_test();
    target.apply_one(1, &["old=state"]);
    let before = target.all();
    // As far as a crash between the file's name and the switch lets it come.
    let adopted = target.snapshots().adopt(received(&target, &file)).unwrap();
    let half = AppliedState { slot: before.1.slot.other(), ..before.1.clone() };
    target.shared.load(&half, &adopted).unwrap();
    assert_eq!(target.all(), before);
    let (folder, again) = reopened(folder, target);
    assert_eq!(again.all(), before);
    let rest = StateView::current(folder.disk(), before.1.slot.other());
    assert_eq!(rest.scan(b"", None, 1).unwrap(), vec![]);
    assert_eq!(applied_state(folder.disk()).unwrap(), before.1);
    // The leader sends it again, under the same name.
    again.shared.install(&file.head.meta, received(&again, &file)).unwrap();
    assert_eq!(again.all().0, source.all().0);
}

#[test]
fn an_installed_snapshot_is_a_promise_that_a_lost_database_breaks() {
    let (_source_folder, source) = filled();
    let file = source.shared.build().unwrap();
    let (mut folder, target) = StateMachine::for_test();
    target.apply_one(1, &["old=state"]);
    folder.disk().sync("for the copy");
    let earlier = folder.path().join("earlier");
    copy_files(&folder.path().join("db"), &earlier);
    target.shared.install(&file.head.meta, received(&target, &file)).unwrap();
    drop(target);
    folder.close();
    // The database loses what was written since, and the snapshot is gone too.
    std::fs::remove_dir_all(folder.path().join("db")).unwrap();
    std::fs::rename(&earlier, folder.path().join("db")).unwrap();
    std::fs::remove_dir_all(folder.path().join("snapshots")).unwrap();
    std::fs::create_dir(folder.path().join("snapshots")).unwrap();
    let refused = Storage::open(folder.path(), "blue", 1).err();
    assert!(matches!(refused, Some(StorageError::LogLost { .. })), "{refused:?}");
}

fn copy_files(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

#[test]
fn a_difference_found_at_a_checkpoint_stays_until_a_snapshot_replaces_the_state() {
    let (_source_folder, source) = filled();
    let file = source.shared.build().unwrap();
    let (folder, target) = StateMachine::for_test();
    target.checkpoint(1, None);
    let own = target.all().1.hash;
    target.checkpoint(2, Some(Mark { index: 1, hash: own }));
    assert_eq!(target.diverged_at(), None);
    // A hash of another checkpoint than the last says nothing.
    target.checkpoint(3, Some(Mark { index: 1, hash: hash_of(&source.all().0) }));
    assert_eq!(target.diverged_at(), None);
    target.checkpoint(4, Some(Mark { index: 3, hash: hash_of(&source.all().0) }));
    assert_eq!(target.diverged_at(), Some(3));
    let own = target.all().1.hash;
    target.checkpoint(5, Some(Mark { index: 4, hash: own }));
    assert_eq!(target.diverged_at(), Some(3), "a later checkpoint does not take it back");
    let (_folder, again) = reopened(folder, target);
    assert_eq!(again.diverged_at(), Some(3), "a restart hid it");
    again.shared.install(&file.head.meta, received(&again, &file)).unwrap();
    assert_eq!(again.diverged_at(), None);
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
    let copy = SnapshotFile::open(&draft).unwrap();
    assert!(target.shared.install(&file.head.meta, copy).is_err());
    assert_eq!(target.all(), before);
}

/// The variable that tells a process of this test where its state is.
const KILLED: &str = "COUNTERSIGN_TEST_KILLED";

/// Applies batches and memberships to the state in `folder` until it is killed.
fn apply_for_ever(folder: &Path) {
    let (_folder, state) = TestFolder::at(folder);
    let from = state.applied() + 1;
    for index in from.. {
        if index % 4 == 0 {
            let member = Member { address: index.to_string(), storage: StorageId::default() };
            let membership = Membership::new(vec![[1].into()], BTreeMap::from([(1, member)]));
            state.apply_payload(index, EntryPayload::Membership(membership.unwrap()));
        } else {
            let pairs: Vec<_> = (0..20).map(|key| format!("{key}={index}")).collect();
            let pairs: Vec<_> = pairs.iter().map(String::as_str).collect();
            state.apply_one(index, &pairs);
        }
        writeln!(std::io::stdout(), "{APPLIED} {index}").unwrap();
    }
}

/// What the process says of every entry.
const APPLIED: &str = "applied";

#[test]
fn a_process_killed_while_it_applies_leaves_data_index_and_membership_of_one_moment() {
    let name = "state_machine::tests::a_process_killed_while_it_applies_leaves_data_index_and_membership_of_one_moment";
    if let Some(folder) = std::env::var_os(KILLED) {
        apply_for_ever(Path::new(&folder));
    }
    let folder = tempfile::tempdir().unwrap();
    let mut reached = 0;
    for round in 0..4 {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env(KILLED, folder.path())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut applied = lines.map(Result::unwrap).filter(|line| line.starts_with(APPLIED));
        assert!(applied.nth(40 + round * 7).is_some(), "it ended by itself");
        child.kill().unwrap();
        child.wait().unwrap();
        let (_opened, state) = TestFolder::at(folder.path());
        let (pairs, record) = state.all();
        let applied = record.applied.map_or(0, |id| id.index);
        assert!(applied >= reached, "applied entries were forgotten");
        reached = applied;
        assert_eq!(record.hash, hash_of(&pairs));
        let last_membership = applied - applied % 4;
        let member = record.membership.nodes().next().map(|(_, member)| member.address.clone());
        assert_eq!(member.map_or(0, |address| address.parse().unwrap()), last_membership);
        let last_batch = if applied % 4 == 0 { applied.saturating_sub(1) } else { applied };
        let written = last_batch.to_string().into_bytes();
        assert!(pairs.iter().all(|(_, value)| *value == written), "{applied}: {pairs:?}");
    }
    assert!(reached > 0, "the processes did nothing");
}
