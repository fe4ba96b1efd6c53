//! Notes on a disk, before a log that can be slow, and starts that find what others have left.

use super::*;
use crate::{
    command::{Command, LostNotes, TakeNotes},
    format,
    handle::{BoxFuture, Effects, LogError, Look, Status},
    machine::StoreError,
    records::AuditText,
    reply::Answer,
};
use countersign_core::{
    fingerprint::Fingerprint,
    id::{Revision, SessionId},
    mask::MaskTally,
    permit::{AuditLevel, Basis},
    record::Outcome,
};
use std::{fs, path::PathBuf, time::Duration};
use tokio::time::timeout;

/// A log that keeps what it has taken. Closed, it takes nothing and answers nothing.
#[derive(Debug)]
struct Taking {
    open: watch::Sender<bool>,
    taken: Mutex<Vec<TakeNotes>>,
}

impl Taking {
    fn open() -> Arc<Self> {
        Arc::new(Self { open: watch::Sender::new(true), taken: Mutex::default() })
    }

    fn closed() -> Arc<Self> {
        Arc::new(Self { open: watch::Sender::new(false), taken: Mutex::default() })
    }

    fn operations(&self) -> Vec<u8> {
        let taken = self.taken.lock().unwrap();
        let reads = taken.iter().flat_map(|notes| &notes.reads);
        reads.map(|read| read.operation.as_bytes()[0]).collect()
    }

    /// The operations whose outcomes are in the log, with their intents or behind them.
    fn outcomes(&self) -> Vec<u8> {
        let taken = self.taken.lock().unwrap();
        let of = |notes: &TakeNotes| {
            let beside = notes.reads.iter().filter(|read| read.outcome.is_some());
            let beside = beside.map(|read| read.operation);
            let late = notes.outcomes.iter().map(|late| late.settlement.operation);
            beside.chain(late).map(|id| id.as_bytes()[0]).collect::<Vec<_>>()
        };
        let mut all: Vec<u8> = taken.iter().flat_map(of).collect();
        all.sort_unstable();
        all
    }

    fn lost(&self) -> Vec<LostNotes> {
        self.taken.lock().unwrap().iter().flat_map(|notes| notes.lost.clone()).collect()
    }
}

impl Log for Taking {
    fn propose(&self, command: Vec<u8>) -> BoxFuture<'_, Result<(u64, Vec<u8>), LogError>> {
        Box::pin(async move {
            self.open.subscribe().wait_for(|open| *open).await.unwrap();
            let command = format::decode_command(&command).unwrap();
            let Command::TakeNotes(notes) = command else { panic!("{command:?}") };
            self.taken.lock().unwrap().push(*notes);
            Ok((1, format::encode_reply(&Ok(Answer::Done)).unwrap()))
        })
    }

    fn read_index(&self) -> BoxFuture<'_, Result<u64, LogError>> {
        panic!("nothing is read")
    }

    fn applied(&self, _index: u64) -> BoxFuture<'_, Result<(), LogError>> {
        panic!("nothing is read")
    }

    fn look(&self, _look: Look<'_>) -> Result<(), StoreError> {
        panic!("nothing is read")
    }

    fn lease_lapsed(&self) -> Option<Duration> {
        None
    }

    fn lease_is_fresh(&self) -> bool {
        true
    }

    fn effects(&self) -> Effects {
        panic!("nothing is read")
    }

    fn status(&self) -> Status {
        panic!("nothing is read")
    }
}

fn intent(operation: u8) -> Intent {
    Intent {
        session: SessionId::from_bytes([1; 16]),
        basis: Basis {
            operation: OperationId::from_bytes([operation; 16]),
            fingerprint: Fingerprint::from_bytes([2; 32]),
            audit: AuditLevel::Batched,
            revision: Revision(3),
            rules: vec!["reads".to_owned()],
            approval: None,
        },
        template: None,
        summary: "SELECT".to_owned(),
        text: AuditText::of(b"select 1"),
        actions: vec!["postgres:read".to_owned()],
        asked: "asks-1\tpassing\tnone".to_owned(),
    }
}

fn outcome(operation: u8) -> Settlement {
    let operation = OperationId::from_bytes([operation; 16]);
    Settlement {
        operation,
        outcome: Outcome::Completed,
        rows: 1,
        bytes: 2,
        word: String::new(),
        masked: MaskTally::default(),
    }
}

fn open(folder: &Path, log: &Arc<Taking>) -> Notes {
    let log: Arc<dyn Log> = Arc::<Taking>::clone(log);
    Notes::open(folder, NodeId(2), Arc::downgrade(&log)).unwrap()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Starts on a folder with a log that takes nothing, notes these operations and is killed.
async fn killed_with(folder: &Path, operations: std::ops::Range<u8>) {
    let log = Taking::closed();
    let notes = open(folder, &log);
    tokio::task::yield_now().await;
    notes.shared.taken.send_replace(Some(0));
    for operation in operations {
        notes.note(intent(operation)).unwrap().synced().await.unwrap();
    }
    assert!(log.operations().is_empty());
}

#[tokio::test]
async fn a_note_is_answered_without_the_log_and_carried_into_it() {
    let folder = tempfile::tempdir().unwrap();
    let log = Taking::closed();
    let notes = open(folder.path(), &log);
    notes.shared.taken.subscribe().wait_for(Option::is_some).await.unwrap();
    for operation in 1..=3 {
        let receipt = notes.note(intent(operation)).unwrap().synced().await;
        assert!(receipt.is_ok());
    }
    assert_eq!(notes.settle(outcome(2)), None);
    assert_eq!(notes.settle(outcome(2)), Some(outcome(2)), "it has been settled");
    assert_eq!(notes.settle(outcome(9)), Some(outcome(9)), "it is not one of these");
    timeout(Duration::from_millis(50), notes.taken()).await.unwrap_err();
    log.open.send_replace(true);
    notes.taken().await;
    assert_eq!((log.operations(), log.outcomes()), (vec![1, 2, 3], vec![2]));
    assert_eq!(notes.settle(outcome(1)), None);
    notes.taken().await;
    assert_eq!(log.outcomes(), [1, 2], "what is taken includes the outcomes");
    let taken = log.taken.lock().unwrap();
    let sequences: Vec<u64> =
        taken.iter().flat_map(|one| &one.reads).map(|read| read.sequence).collect();
    assert_eq!(sequences, [1, 2, 3]);
    assert_eq!(notes.shared.lock().open(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_intent_waits_a_little_for_its_outcome_and_is_carried_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let log = Taking::open();
    let notes = open(folder.path(), &log);
    notes.shared.taken.subscribe().wait_for(Option::is_some).await.unwrap();
    drop(notes.note(intent(1)).unwrap());
    tokio::time::sleep(Duration::from_millis(15)).await;
    assert!(log.operations().is_empty());
    assert_eq!(notes.settle(outcome(1)), None);
    drop(notes.note(intent(2)).unwrap());
    notes.taken().await;
    assert_eq!((log.operations(), log.outcomes()), (vec![1, 2], vec![1]));
    let taken = log.taken.lock().unwrap();
    assert_eq!(taken[0].reads[0].outcome.as_ref().unwrap().sequence, 2);
    assert_eq!((taken[0].reads.len(), taken[1].reads.len()), (1, 1), "the second waits by itself");
}

#[tokio::test]
async fn a_killed_start_has_left_the_true_outcomes_too() {
    let folder = tempfile::tempdir().unwrap();
    let log = Taking::closed();
    let notes = open(folder.path(), &log);
    notes.shared.taken.subscribe().wait_for(Option::is_some).await.unwrap();
    for operation in 1..=2 {
        notes.note(intent(operation)).unwrap().synced().await.unwrap();
    }
    // Settled while the log takes nothing, and with nothing noted behind it that would be written.
    assert_eq!(notes.settle(outcome(1)), None);
    let file = files(folder.path()).remove(0);
    let before = file.metadata().unwrap().len();
    while file.metadata().unwrap().len() == before {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let log = Taking::open();
    open(folder.path(), &log).taken().await;
    assert_eq!((log.operations(), log.outcomes()), (vec![1, 2], vec![1]));
}

#[tokio::test]
async fn what_a_killed_start_has_noted_is_in_the_log_before_the_next_one_notes_anything() {
    let folder = tempfile::tempdir().unwrap();
    killed_with(folder.path(), 1..4).await;
    killed_with(folder.path(), 4..6).await;
    let log = Taking::closed();
    let notes = open(folder.path(), &log);
    tokio::task::yield_now().await;
    assert!(matches!(notes.note(intent(9)), Err(NotNoted::Behind)));
    timeout(Duration::from_millis(50), notes.taken()).await.unwrap_err();
    log.open.send_replace(true);
    notes.taken().await;
    assert_eq!(log.operations(), [1, 2, 3, 4, 5]);
    assert_eq!(files(folder.path()).len(), 1, "only the file of this start is left");
    notes.note(intent(6)).unwrap().synced().await.unwrap();
    notes.taken().await;
    drop(notes);
    // The next start carries its last file again: the state knows book and sequence.
    let (before, log) = (log.taken.lock().unwrap().last().unwrap().clone(), Taking::open());
    open(folder.path(), &log).taken().await;
    assert_eq!(*log.taken.lock().unwrap(), [before]);
}

/// The operations in a file, and what of it is missing.
fn found(segment: &segment::Segment) -> (Vec<u8>, Vec<(u64, Option<u64>)>) {
    let (mut operations, mut gaps) = (Vec::new(), Vec::new());
    for found in &segment.found {
        match found {
            segment::Found::Note { noted: Noted::Intent(intent), .. } => {
                operations.push(intent.basis.operation.as_bytes()[0]);
            }
            segment::Found::Note { noted: Noted::Outcome(_), .. } => panic!("there is none"),
            segment::Found::Gap(gap) => gaps.push((gap.first, gap.last)),
        }
    }
    (operations, gaps)
}

#[tokio::test]
async fn of_a_file_that_was_cut_off_everything_in_front_is_carried() {
    let folder = tempfile::tempdir().unwrap();
    killed_with(folder.path(), 1..4).await;
    let [file] = &files(folder.path())[..] else { panic!("one file") };
    let whole = fs::read(file).unwrap();
    let record = (whole.len() - segment::HEAD_BYTES) / 3;
    assert!(record > segment::RECORD_HEAD_BYTES);
    for length in (segment::HEAD_BYTES..whole.len()).step_by(7) {
        fs::write(file, &whole[..length]).unwrap();
        let left = segment::left_behind(folder.path()).unwrap();
        let notes = (length - segment::HEAD_BYTES) / record;
        let (operations, gaps) = found(&left[0]);
        assert_eq!(operations.len(), notes, "{length}");
        let ends_within = !(length - segment::HEAD_BYTES).is_multiple_of(record);
        let gap = ends_within.then_some((notes as u64 + 1, None));
        assert_eq!(gaps, Vec::from_iter(gap), "{length}");
    }
}

#[tokio::test]
async fn of_a_damaged_file_everything_that_is_whole_is_carried_and_the_rest_is_said() {
    let folder = tempfile::tempdir().unwrap();
    killed_with(folder.path(), 1..4).await;
    let [file] = &files(folder.path())[..] else { panic!("one file") };
    let whole = fs::read(file).unwrap();
    let record = (whole.len() - segment::HEAD_BYTES) / 3;
    for place in segment::HEAD_BYTES..whole.len() {
        let mut damaged = whole.clone();
        damaged[place] ^= 0x10;
        fs::write(file, &damaged).unwrap();
        let left = segment::left_behind(folder.path()).unwrap();
        let hurt = (place - segment::HEAD_BYTES) / record;
        let (operations, gaps) = found(&left[0]);
        let expected: Vec<u8> =
            [1, 2, 3].into_iter().filter(|n| usize::from(*n) != hurt + 1).collect();
        assert_eq!(operations, expected, "{place}");
        let first = hurt as u64 + 1;
        assert_eq!(gaps, [(first, (hurt < 2).then_some(first))], "{place}");
        assert!(matches!(left[0].end, segment::End::Unreadable { .. }));
    }
    // A head was on the disk before its file had a name: without one, nothing here is what it was.
    for place in 0..segment::HEAD_BYTES {
        let mut damaged = whole.clone();
        damaged[place] ^= 0x10;
        fs::write(file, &damaged).unwrap();
        assert!(segment::left_behind(folder.path()).is_err(), "{place}");
    }
}

#[tokio::test]
async fn no_text_of_an_agent_and_no_block_of_another_file_passes_for_a_note() {
    let folder = tempfile::tempdir().unwrap();
    killed_with(folder.path(), 1..3).await;
    let [file] = &files(folder.path())[..] else { panic!("one file") };
    let whole = fs::read(file).unwrap();
    let book: [u8; 16] = whole[8..24].try_into().unwrap();
    let forged = Noted::Intent(Box::new(intent(66))).encode().unwrap();
    let (mut of_another, mut again) = (Vec::new(), Vec::new());
    segment::put(&mut of_another, &[7; 16], 3, &forged);
    // What was written before stands once more behind what it stood in front of.
    segment::put(&mut again, &book, 2, &forged);
    for behind in [of_another, again] {
        fs::write(file, [&whole[..], &behind[..]].concat()).unwrap();
        let left = segment::left_behind(folder.path()).unwrap();
        assert_eq!(found(&left[0]), (vec![1, 2], vec![(3, None)]));
    }
}

#[tokio::test]
async fn what_is_missing_before_the_next_file_of_a_book_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    killed_with(folder.path(), 1..4).await;
    let file = files(folder.path()).remove(0);
    let whole = fs::read(&file).unwrap();
    let book: [u8; 16] = whole[8..24].try_into().unwrap();
    let record = (whole.len() - segment::HEAD_BYTES) / 3;
    // The file ends in front of its third note, and the next one says that there were five.
    fs::write(&file, &whole[..segment::HEAD_BYTES + 2 * record]).unwrap();
    fs::write(segment::path(folder.path(), 1, 6), segment::head(&book, 6)).unwrap();
    let left = segment::left_behind(folder.path()).unwrap();
    assert_eq!(found(&left[0]), (vec![1, 2], vec![(3, Some(5))]));
    assert_eq!(left[0].end, segment::End::Unreadable { at_its_end: 0 });
    assert_eq!(found(&left[1]), (vec![], vec![]));
}

#[tokio::test]
async fn a_damaged_file_is_carried_with_its_gap_then_kept_and_not_carried_again() {
    let folder = tempfile::tempdir().unwrap();
    killed_with(folder.path(), 1..4).await;
    let [file] = &files(folder.path())[..] else { panic!("one file") };
    let mut damaged = fs::read(file).unwrap();
    damaged[segment::HEAD_BYTES + segment::RECORD_HEAD_BYTES + 3] ^= 0x10;
    fs::write(file, &damaged).unwrap();
    let log = Taking::open();
    open(folder.path(), &log).taken().await;
    assert_eq!(log.operations(), [2, 3]);
    let [LostNotes { first: 1, last: Some(1), bytes }] = log.lost()[..] else { panic!("one") };
    assert!(bytes > 0);
    assert!(segment::left_behind(folder.path()).unwrap().iter().all(|left| left.found.is_empty()));
    let kept = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
    let kept: Vec<_> = kept.filter(|path| path.extension().unwrap() == "damaged").collect();
    assert_eq!(fs::read(&kept[0]).unwrap(), damaged);
}

#[tokio::test(start_paused = true)]
async fn while_the_log_is_behind_nothing_more_is_noted() {
    let folder = tempfile::tempdir().unwrap();
    let log = Taking::closed();
    let notes = open(folder.path(), &log);
    notes.shared.taken.subscribe().wait_for(Option::is_some).await.unwrap();
    drop(notes.note(intent(1)).unwrap());
    drop(notes.note(intent(2)).unwrap());
    tokio::time::advance(pending::LONGEST_WAIT * 2).await;
    assert!(matches!(notes.note(intent(3)), Err(NotNoted::Behind)), "the oldest waits too long");
    log.open.send_replace(true);
    notes.taken().await;
    log.open.send_replace(false);
    let (mut noted, mut last) = (0, None);
    while noted <= pending::MOST_NOTES
        && let Ok(noting) = notes.note(intent(4))
    {
        (noted, last) = (noted + 1, Some(noting));
    }
    assert!(noted <= pending::MOST_NOTES, "{noted}");
    // The folder goes with the test, and not before everything is in it: a file that cannot be begun ends the process.
    last.unwrap().synced().await.unwrap();
}

#[tokio::test]
async fn a_file_is_removed_once_the_log_has_all_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let log = Taking::open();
    let notes = open(folder.path(), &log);
    notes.shared.taken.subscribe().wait_for(Option::is_some).await.unwrap();
    let mut large = intent(1);
    large.text.text = "x".repeat(64 * 1024);
    for _ in 0..100 {
        notes.note(large.clone()).unwrap().synced().await.unwrap();
        notes.taken().await;
    }
    let bytes: u64 = files(folder.path()).iter().map(|file| file.metadata().unwrap().len()).sum();
    assert!(bytes < 3 << 20, "{bytes}");
    assert_eq!(log.operations().len(), 100);
}
