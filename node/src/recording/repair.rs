//! Repair: what this node should have is looked after, again and again. What is damaged or gone is fetched from another
//! place; what has lost its second place gets one again; where there is a bucket, everything goes there (`mend`).
//!
//! A pass goes along the whole index. It asks of each segment only whether its file is there, and reads the bytes of one shelf
//! in 256, so that every byte is read every two hours. Of that shelf it also removes what no index names: what was written
//! for an index entry that never came. Nothing else is deleted here, but where the bucket has just given it.

mod mend;

use super::{Inner, Recordings};
use crate::{clock, metrics::counters, shutdown::Shutdown};
use countersign_core::{id::NodeId, log_time::LogTime, recording::SegmentDigest};
use countersign_raft_store::{handle::SegmentPlace, records::SegmentRecord};
use futures::StreamExt as _;
use mend::Round;
use std::{
    collections::{BTreeSet, HashMap, HashSet},
    io,
    sync::Arc,
    time::Duration,
};
use tokio::time::{Instant, sleep};

/// The pause between two passes.
const PASS_EVERY: Duration = Duration::from_secs(30);
/// The pause between two pages of the index.
const PACE: Duration = Duration::from_millis(20);
/// Segments that are read from the index at a time.
const PAGE: usize = 100;
/// Segments that are looked after at a time: most of it is waiting for others.
const AT_A_TIME: usize = 8;
/// How long a member does not answer until what it has counts as lost.
const AWAY_AFTER: Duration = Duration::from_secs(30);
/// For how long a segment that no index names is kept: far longer than one can be on its way to it. That is by the file's time,
/// which a clock that was set may have wrong; so it must be so in two passes of the same shelf, which are two hours apart.
const UNNAMED_FOR_MS: u64 = 24 * 60 * 60 * 1000;

/// Repairs until shutdown.
pub(crate) async fn keep(recordings: Recordings, shutdown: Shutdown) {
    let mut passed = Passed::default();
    // Not the same on all nodes, so that not all read the same shelf.
    let mut shelf: u8 = rand::random();
    loop {
        tokio::select! {
            () = sleep(PASS_EVERY) => {}
            () = shutdown.stopping() => return,
        }
        tokio::select! {
            () = pass(&recordings.inner, &mut passed, shelf) => {}
            () = shutdown.stopping() => return,
        }
        shelf = shelf.wrapping_add(1);
    }
}

/// What passes leave to those that follow.
#[derive(Debug, Default)]
pub(super) struct Passed {
    /// Since when members do not answer.
    away: HashMap<NodeId, Instant>,
    /// What no index named when its shelf was last looked at.
    unnamed: HashMap<u8, HashSet<SegmentDigest>>,
}

impl Passed {
    /// The members whose disks count, this node among them.
    async fn present(&mut self, inner: &Inner) -> BTreeSet<NodeId> {
        let mut present = BTreeSet::from([inner.node]);
        for node in inner.peers.others() {
            // Nobody has it; that it is said is what counts.
            let answers = inner.peers.fetch(node, SegmentDigest::NONE).await.is_ok();
            if answers {
                // That it answers does not say that its disk takes segments: only one that it keeps does.
                self.away.remove(&node);
            }
            let since = self.away.get(&node).copied();
            if !answers && since.is_none() {
                self.away.insert(node, Instant::now());
            }
            if answers || since.is_none_or(|since| since.elapsed() < AWAY_AFTER) {
                present.insert(node);
            }
        }
        present
    }
}

/// One pass along the index, which reads the bytes of one shelf.
pub(super) async fn pass(inner: &Arc<Inner>, passed: &mut Passed, shelf: u8) {
    let present = passed.present(inner).await;
    let Some(now) = log_time(inner).await else { return };
    let round = Round::new(present, shelf, now);
    // A node that is behind does not know what was entered since.
    let current = inner.store.has_lease();
    let (mut named, mut after) = (HashSet::new(), None);
    loop {
        let Some((segments, next)) = page(inner, after).await else { return };
        let of_shelf = segments.iter().map(|segment| segment.digest);
        named.extend(of_shelf.filter(|digest| round.reads(digest)));
        let all = futures::stream::iter(segments);
        all.for_each_concurrent(AT_A_TIME, |segment| round.mend(inner, segment)).await;
        if next.is_none() {
            break;
        }
        after = next;
        sleep(PACE).await;
    }
    if current && inner.store.has_lease() {
        let before = clock::now_ms().min(now.0).saturating_sub(UNNAMED_FOR_MS);
        let last = passed.unnamed.remove(&shelf).unwrap_or_default();
        let unnamed = clear(inner, (shelf, before), (named, last)).await;
        passed.unnamed.insert(shelf, unnamed);
    }
}

async fn log_time(inner: &Arc<Inner>) -> Option<LogTime> {
    let store = inner.store.clone();
    let now = tokio::task::spawn_blocking(move || store.view()?.log_time());
    now.await.ok()?.ok()
}

/// A page of the index.
async fn page(
    inner: &Arc<Inner>,
    after: Option<SegmentPlace>,
) -> Option<(Vec<SegmentRecord>, Option<SegmentPlace>)> {
    let store = inner.store.clone();
    let read = tokio::task::spawn_blocking(move || {
        store.view().and_then(|view| view.all_segments(after.as_ref(), PAGE))
    });
    match read.await {
        Ok(Ok(page)) => Some(page),
        Ok(Err(error)) => {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "the index of recordings could not be read");
            None
        }
        Err(_stopping) => None,
    }
}

/// Removes what no index names, and named none when this shelf was `last` looked at; gives what is unnamed for the first time.
async fn clear(
    inner: &Arc<Inner>,
    (shelf, before_ms): (u8, u64),
    (named, last): (HashSet<SegmentDigest>, HashSet<SegmentDigest>),
) -> HashSet<SegmentDigest> {
    let files = inner.files.clone();
    let cleared = tokio::task::spawn_blocking(move || {
        let (again, new): (HashSet<_>, HashSet<_>) = files
            .unnamed(shelf, &named, before_ms)?
            .into_iter()
            .partition(|digest| last.contains(digest));
        for digest in &again {
            files.remove(*digest)?;
        }
        Ok::<_, io::Error>((again.len(), new))
    });
    match cleared.await.map_err(io::Error::other).flatten() {
        Ok((removed, new)) => {
            if removed > 0 {
                counters::segment_mended("unnamed");
                tracing::info!(removed, "segments that no index names were removed");
            }
            new
        }
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "segments that no index names could not be removed");
            HashSet::new()
        }
    }
}
