//! Random histories of everything that can happen to holds and grants, with the invariants of the design looked at after each
//! step, by what the step has written. Somewhere in each history the state is written to a snapshot, and it goes on with what is
//! read from there; in some the replica goes on beside that has given it, and at the end both have the same state.

mod dice;
mod invariants;
mod steps;

use super::harness::*;
use crate::{
    apply::StateMachine,
    command::Command,
    format,
    machine::{Batch, Machine, Pair},
    raft_types::SnapshotMeta,
    reply::Reply,
    snapshot::{SnapshotHead, SnapshotReader, SnapshotWriter},
    state_hash::StateHash,
};
use dice::Dice;
use invariants::Invariants;
use std::collections::BTreeMap;

/// Histories of a run, and steps of each: ids of the harness are bytes.
const HISTORIES: u64 = 420;
const STEPS: u64 = 240;
/// In one of so many histories the replica that gave the snapshot goes on beside.
const ALONGSIDE: u64 = 4;
/// A leader whose clock is behind by so much.
const HOUR_MS: u64 = 60 * 60 * 1000;

/// What a step has written, with what was there before.
type Touched = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// Applies one entry with one command, as a leader with the clock `at_ms` proposes it.
fn apply(replica: &mut Replica, command: &Command, at_ms: u64) -> (Reply, Touched) {
    replica.index += 1;
    let commands = [format::encode_command(command).unwrap()];
    let batch = Batch { index: replica.index, term: 1, at_ms, commands: &commands };
    let applied = StateMachine.apply(&replica.state, batch).unwrap();
    let mut touched = Touched::new();
    for (key, value) in applied.writes {
        let before = match value {
            Some(value) => replica.state.insert(key.clone(), value),
            None => replica.state.remove(&key),
        };
        touched.push((key, before));
    }
    (format::decode_reply(&applied.replies[0]).unwrap(), touched)
}

/// The state, written to a snapshot file and read back.
fn restored(state: &BTreeMap<Vec<u8>, Vec<u8>>) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut hash = StateHash::default();
    for (key, value) in state {
        hash.add(key, value);
    }
    let head = SnapshotHead { meta: SnapshotMeta::default(), hash, mark: None, greatest_id: 3 };
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut writer = SnapshotWriter::new(file.reopen().unwrap(), &head).unwrap();
    for (key, value) in state {
        writer.pair(key, value).unwrap();
    }
    writer.finish().unwrap();
    let mut reader = SnapshotReader::new(file.reopen().unwrap()).unwrap();
    let mut pairs: Vec<Pair> = Vec::new();
    while let Some(chunk) = reader.chunk().unwrap() {
        pairs.extend(chunk);
    }
    pairs.into_iter().collect()
}

fn history(seed: u64) -> BTreeMap<&'static str, u64> {
    let mut dice = Dice::new(seed);
    let mut replica = Replica::ready();
    let mut invariants = Invariants::of(&replica);
    let mut second: Option<Replica> = None;
    let snapshot_at = dice.below(STEPS);
    let mut world = steps::World::default();
    for step in 0..STEPS {
        if step == snapshot_at {
            // From here on it is what a node has that was given a snapshot.
            second = (seed.is_multiple_of(ALONGSIDE)).then(|| replica.clone());
            replica.state = restored(&replica.state);
        }
        let command = world.next(&mut dice, &replica);
        replica.now += dice.below(3_000);
        // Now and then the leader is one whose clock is an hour behind.
        let at_ms = if dice.one_in(40) { replica.now.saturating_sub(HOUR_MS) } else { replica.now };
        let (reply, touched) = apply(&mut replica, &command, at_ms);
        let told = format!("seed {seed}, step {step}: {command:?} -> {reply:?}");
        invariants.check(&replica, &touched, &told);
        if let Some(second) = &mut second {
            assert_eq!(apply(second, &command, at_ms).0, reply, "{told}");
        }
    }
    if let Some(second) = second {
        assert_eq!(second.state, replica.state, "seed {seed}");
    }
    replica.check_chain();
    invariants.finish(&replica)
}

#[test]
fn every_invariant_holds_after_each_step_of_random_histories() {
    let threads = std::thread::available_parallelism().map_or(2, usize::from).min(8) as u64;
    let run = |part: u64| {
        let mut seen: BTreeMap<&'static str, u64> = BTreeMap::new();
        for seed in (part..HISTORIES).step_by(usize::try_from(threads).unwrap()) {
            for (what, count) in history(seed) {
                *seen.entry(what).or_default() += count;
            }
        }
        seen
    };
    let mut seen: BTreeMap<&'static str, u64> = BTreeMap::new();
    std::thread::scope(|scope| {
        let parts: Vec<_> = (0..threads).map(|part| scope.spawn(move || run(part))).collect();
        for part in parts {
            for (what, count) in part.join().unwrap() {
                *seen.entry(what).or_default() += count;
            }
        }
    });
    assert!(seen["steps"] >= 100_000, "{seen:?}");
    // Histories in which nothing happens show nothing.
    for what in [
        "consumed",
        "glass broken",
        "granted",
        "used",
        "rejected",
        "expired",
        "invalidated",
        "withdrawn",
    ] {
        assert!(seen.get(what).is_some_and(|count| *count > 100), "too few {what}: {seen:?}");
    }
    assert!(seen.get("consumed beside sharers").is_some_and(|count| *count > 10), "{seen:?}");
}
