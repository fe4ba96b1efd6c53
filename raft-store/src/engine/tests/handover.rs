//! The leadership moves while everybody is busy.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::cluster::{Cluster, SOON};
use super::toy::set;
use crate::engine::Engine;

/// Commands under way on each node: as many as one batch takes.
const CALLERS: usize = 256;
/// The longest a command may take over a change of leader. A leader and a follower that wait for each other would wait
/// until the deadline of their callers, which is far longer.
const LONGEST: Duration = Duration::from_secs(8);

/// Entries that are applied between one handover and the next.
const ENTRIES: u64 = 40;

/// What one caller saw.
#[derive(Default)]
struct Seen {
    keys: Vec<String>,
    longest: Duration,
    /// The last entry that one of its commands was committed with.
    last: u64,
}

/// Proposes one command after the other until `done`.
async fn call(engine: Arc<Engine>, caller: String, done: CancellationToken) -> Seen {
    let mut seen = Seen::default();
    while !done.is_cancelled() {
        let key = format!("{caller}-{}", seen.keys.len());
        let begin = Instant::now();
        let committed = engine.propose(set(&key, "v"), begin + SOON).await.unwrap();
        seen.longest = seen.longest.max(begin.elapsed());
        seen.last = committed.index;
        seen.keys.push(key);
    }
    seen
}

#[test]
fn the_leadership_moves_under_load_and_nobody_waits_for_long() {
    let cluster = Cluster::of_three();
    let done = CancellationToken::new();
    let mut calls = JoinSet::new();
    for node in 1..=3 {
        for number in 0..CALLERS {
            let calling = call(cluster.engine(node), format!("{node}-{number}"), done.clone());
            calls.spawn_on(calling, cluster.test.handle());
        }
    }
    for _ in 0..3 {
        let leader = cluster.leader();
        let (before, next) = (cluster.engine(leader).applied(), leader % 3 + 1);
        cluster
            .until("work", || (cluster.engine(leader).applied() > before + ENTRIES).then_some(()));
        cluster.hand_to(next, "the next leader", || cluster.leader() == next);
    }
    done.cancel();
    let ended = cluster.test.block_on(calls.join_all());
    let longest = ended.iter().map(|seen| seen.longest).max().unwrap();
    assert!(longest < LONGEST, "a command took {longest:?}");
    let last = ended.iter().map(|seen| seen.last).max().unwrap();
    for node in 1..=3 {
        cluster.until("every entry is applied", || {
            (cluster.engine(node).applied() >= last).then_some(())
        });
        for key in ended.iter().flat_map(|seen| &seen.keys) {
            assert!(cluster.has(node, key), "node {node} lost {key}");
        }
    }
}
