//! Whatever is appended, taken back, purged and read in whatever order: the tail says what the whole log would, or nothing.

use openraft::EntryPayload;
use openraft::vote::RaftLeaderId;
use proptest::prelude::*;

use super::*;
use crate::raft_types::TypeConfig;

fn entry(term: u64, index: u64) -> Entry {
    let leader = openraft::alias::LeaderIdOf::<TypeConfig>::new(term, 1);
    Entry { log_id: LogId::new(leader, index), payload: EntryPayload::Blank }
}

#[derive(Debug, Clone)]
enum Step {
    Append {
        entries: u64,
        bytes: usize,
    },
    Truncate {
        behind: u64,
    },
    Purge {
        behind: u64,
    },
    /// A snapshot that reaches further than the log.
    Install {
        ahead: u64,
    },
    Read {
        behind: u64,
        entries: u64,
        bytes: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1..20u64, prop::sample::select(vec![1, 1_000, MOST_BYTES / 4, MOST_BYTES]))
            .prop_map(|(entries, bytes)| Step::Append { entries, bytes }),
        (0..10u64).prop_map(|behind| Step::Truncate { behind }),
        (0..2_000u64).prop_map(|behind| Step::Purge { behind }),
        (1..5u64).prop_map(|ahead| Step::Install { ahead }),
        (0..30u64, 0..40u64, 0..5_000usize).prop_map(|(behind, entries, bytes)| Step::Read {
            behind,
            entries,
            bytes
        }),
    ]
}

proptest! {
    #[test]
    fn the_tail_is_the_end_of_the_log_or_nothing(steps in prop::collection::vec(step(), 0..200)) {
        let tail = Tail::default();
        // The log: what is purged, and what follows it.
        let (mut purged, mut log, mut term): (u64, Vec<(Entry, usize)>, u64) = (0, Vec::new(), 1);
        for step in steps {
            let last = purged + log.len() as u64;
            match step {
                Step::Append { entries, bytes } => {
                    let new: Vec<_> = (1..=entries).map(|n| (entry(term, last + n), bytes)).collect();
                    tail.append(new.clone());
                    log.extend(new);
                }
                Step::Truncate { behind } => {
                    term += 1;
                    let kept = last.saturating_sub(behind).max(purged);
                    log.truncate(usize::try_from(kept - purged).unwrap());
                    tail.truncate_after((kept > 0).then(|| entry(term, kept).log_id));
                }
                Step::Purge { behind } => {
                    let upto = last.saturating_sub(behind).max(purged);
                    log.drain(..usize::try_from(upto - purged).unwrap());
                    purged = upto;
                    tail.purge(upto);
                }
                Step::Install { ahead } => {
                    (purged, term) = (last + ahead, term + 1);
                    log.clear();
                    tail.purge(purged);
                }
                Step::Read { behind, entries, bytes } => {
                    let from = last.saturating_sub(behind);
                    let Some(read) = tail.read(from, from + entries, bytes) else { continue };
                    let begin = usize::try_from(from - purged - 1).unwrap();
                    let whole: Vec<_> = log[begin..begin + read.len()].to_vec();
                    prop_assert_eq!(&read, &whole.iter().map(|(entry, _)| entry.clone()).collect::<Vec<_>>());
                    prop_assert!(read.len() as u64 <= entries);
                    let sum: usize = whole.iter().map(|(_, bytes)| bytes).sum();
                    prop_assert!(sum <= bytes || read.len() == 1);
                }
            }
        }
    }

    #[test]
    fn what_was_just_appended_is_there(entries in 1..50u64, bytes in 0..MOST_BYTES * 2) {
        let tail = Tail::default();
        tail.append((1..=entries).map(|index| (entry(1, index), bytes)).collect());
        let last = tail.read(entries, entries + 1, 0).unwrap();
        prop_assert_eq!(last, [entry(1, entries)]);
        prop_assert!(tail.lock().bytes <= MOST_BYTES.max(bytes));
    }
}
