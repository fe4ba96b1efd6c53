//! Nothing is acknowledged before it is durable, and what cannot be made durable ends the process.

use std::path::Path;
use std::sync::Arc;

use futures::FutureExt;
use openraft::storage::RaftLogStorage;
use openraft::type_config::TypeConfigExt;
use openraft::vote::RaftLeaderId;
use rocksdb::WriteBatch;
use tokio::sync::mpsc;

use super::{Acknowledged, FlushThread, FlushTimes, Flusher, IOFlushed, QUEUE};
use crate::disk::{Disk, Family};
use crate::halt::child::expect_halt;
use crate::high_water::HighWater;
use crate::log_store::{LogStore, key_of};
use crate::raft_types::{LogId, TypeConfig, Vote};

fn id(index: u64) -> LogId {
    LogId::new(openraft::alias::LeaderIdOf::<TypeConfig>::new(2, 1), index)
}

fn thread(folder: &Path, high_water: HighWater) -> FlushThread {
    let disk = Arc::new(Disk::create(&folder.join("db")).unwrap());
    FlushThread { disk, high_water, times: FlushTimes::default(), acknowledge: Vec::new() }
}

#[test]
fn a_vote_is_given_only_after_it_is_on_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("high-water");
    let mut thread = thread(folder.path(), HighWater::create(&path).unwrap());
    let (requests, mut queue) = mpsc::channel(QUEUE);
    let flusher = Flusher { requests, tail: Arc::default() };
    let vote = Vote::new(7, 3);
    let mut given = Box::pin(flusher.vote(vote));
    assert!(given.as_mut().now_or_never().is_none());
    let request = queue.try_recv().unwrap();
    let promise = thread.take(request, thread.high_water.now());
    assert!(given.as_mut().now_or_never().is_none(), "given before the sync");
    thread.flush(promise);
    assert!(given.now_or_never().unwrap().is_ok());
    assert_eq!(HighWater::open(&path).unwrap().now().vote, Some(vote));
    assert!(thread.times.p99() > std::time::Duration::ZERO);
}

#[test]
fn one_sync_acknowledges_a_group_in_order_and_a_truncation_closes_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("high-water");
    let mut thread = thread(folder.path(), HighWater::create(&path).unwrap());
    let (requests, mut queue) = mpsc::channel(QUEUE);
    let flusher = Flusher { requests, tail: Arc::default() };
    let mut votes: Vec<_> =
        (1..=3).map(|term| Box::pin(flusher.vote(Vote::new(term, 1)))).collect();
    for vote in &mut votes {
        assert!(vote.as_mut().now_or_never().is_none());
    }
    let mut lower = Box::pin(flusher.lower(Some(id(4))));
    assert!(lower.as_mut().now_or_never().is_none());
    let mut promise = Acknowledged { last: Some(id(9)), vote: None };
    for _ in 0..3 {
        promise = thread.take(queue.try_recv().unwrap(), promise);
    }
    assert_eq!(thread.acknowledge.len(), 3);
    promise = thread.take(queue.try_recv().unwrap(), promise);
    assert!(votes.into_iter().all(|vote| vote.now_or_never().unwrap().is_ok()));
    assert!(lower.now_or_never().unwrap().is_ok());
    let lowered = Acknowledged { last: Some(id(4)), vote: Some(Vote::new(3, 1)) };
    assert_eq!(promise, lowered);
    assert_eq!(HighWater::open(&path).unwrap().now(), lowered);
}

#[test]
fn a_truncation_behind_the_promise_leaves_it_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("high-water");
    let mut thread = thread(folder.path(), HighWater::create(&path).unwrap());
    let (done, _wait) = tokio::sync::oneshot::channel();
    let promise = Acknowledged { last: Some(id(4)), vote: None };
    let request = super::Request::Lower { to: Some(id(6)), done };
    assert_eq!(thread.take(request, promise), promise);
}

#[test]
fn an_append_is_acknowledged_only_after_the_sync() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("high-water");
    let mut thread = thread(folder.path(), HighWater::create(&path).unwrap());
    let (done, mut acknowledged) = TypeConfig::oneshot();
    let request = super::Request::Append { last: Some(id(4)), done: IOFlushed::signal(done) };
    let promise = thread.take(request, thread.high_water.now());
    assert!((&mut acknowledged).now_or_never().is_none(), "acknowledged before the sync");
    assert_eq!(HighWater::open(&path).unwrap().now().last, None);
    thread.flush(promise);
    assert!(acknowledged.now_or_never().unwrap().unwrap().is_ok());
    assert_eq!(HighWater::open(&path).unwrap().now().last, Some(id(4)));
}

#[test]
fn the_promise_is_taken_back_before_entries_are_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("high-water");
    let mut thread = thread(folder.path(), HighWater::create(&path).unwrap());
    let mut batch = WriteBatch::default();
    let family = thread.disk.family(Family::Log).unwrap();
    (0..=9u64).for_each(|index| batch.put_cf(family, key_of(index), b"entry"));
    thread.disk.write("entries for a test", batch);
    let promise = Acknowledged { last: Some(id(9)), vote: None };
    thread.record(promise);
    let (requests, mut queue) = mpsc::channel(QUEUE);
    let mut log = LogStore::new(
        thread.disk.clone(),
        Flusher { requests, tail: Arc::default() },
        Arc::default(),
    );
    let disk = thread.disk.clone();
    let has_last = || disk.db().get_cf(disk.family(Family::Log).unwrap(), key_of(9)).unwrap();
    {
        let mut truncation = Box::pin(log.truncate_after(Some(id(4))));
        assert!(truncation.as_mut().now_or_never().is_none());
        assert!(has_last().is_some(), "removed before the promise was taken back");
        thread.take(queue.try_recv().unwrap(), promise);
        assert_eq!(HighWater::open(&path).unwrap().now().last, Some(id(4)));
        assert!(has_last().is_some());
        assert!(truncation.now_or_never().unwrap().is_ok());
    }
    assert!(has_last().is_none());
}

#[test]
fn a_log_that_cannot_be_written_ends_the_process() {
    let name = "log_store::flush::tests::a_log_that_cannot_be_written_ends_the_process";
    if expect_halt(name, "appending for a test") {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::create(&folder.path().join("db")).unwrap();
        // Files may not grow further, as on a full disk; without a handler the signal would end the process first.
        let heard = Arc::default();
        signal_hook::flag::register(signal_hook::consts::SIGXFSZ, heard).unwrap();
        let limit = rustix::process::Rlimit { current: Some(1 << 16), maximum: Some(1 << 16) };
        rustix::process::setrlimit(rustix::process::Resource::Fsize, limit).unwrap();
        for index in 0..64u64 {
            let mut batch = WriteBatch::default();
            let family = disk.family(Family::Log).unwrap();
            batch.put_cf(family, key_of(index), vec![7; 1 << 14]);
            disk.write("appending for a test", batch);
            disk.sync("syncing for a test");
        }
    }
}

#[test]
fn a_snapshot_raises_the_promise_and_never_lowers_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("high-water");
    let mut thread = thread(folder.path(), HighWater::create(&path).unwrap());
    let promise = Acknowledged { last: Some(id(4)), vote: Some(Vote::new(3, 1)) };
    let raise = |to| super::Request::Raise { to: id(to), done: tokio::sync::oneshot::channel().0 };
    assert_eq!(thread.take(raise(3), promise), promise);
    let raised = Acknowledged { last: Some(id(9)), ..promise };
    assert_eq!(thread.take(raise(9), promise), raised);
    assert_eq!(HighWater::open(&path).unwrap().now(), raised);
}

#[test]
fn a_promise_that_cannot_be_recorded_ends_the_process() {
    let name = "log_store::flush::tests::a_promise_that_cannot_be_recorded_ends_the_process";
    if expect_halt(name, "recording the high-water mark") {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("high-water");
        drop(HighWater::create(&path).unwrap());
        let mut thread = thread(folder.path(), HighWater::read_only(&path));
        let (done, _wait) = tokio::sync::oneshot::channel();
        let request = super::Request::Vote { vote: Vote::new(1, 1), done };
        let promise = thread.take(request, thread.high_water.now());
        thread.flush(promise);
    }
}
