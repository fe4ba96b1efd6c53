//! Repair: what this node should have is looked at, byte for byte, again and again; what is damaged or gone is fetched from
//! another place, and what has lost its second place gets one again.
//!
//! A pass goes along the whole index, a segment after the other with a pause, so that it costs little beside the sessions.
//! Nothing is deleted here.

use super::{Inner, Places, Recordings, files::Found};
use crate::{metrics::counters, shutdown::Shutdown};
use countersign_core::{id::NodeId, recording::SegmentDigest};
use countersign_raft_store::{command::PlaceSegment, handle::SegmentPlace, records::SegmentRecord};
use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};
use tokio::time::{Instant, sleep};

/// The pause between two passes.
const PASS_EVERY: Duration = Duration::from_secs(30);
/// The pause between two segments.
const PACE: Duration = Duration::from_millis(2);
/// Segments that are read from the index at a time.
const PAGE: usize = 100;
/// How long a member does not answer until what it has counts as lost.
const AWAY_AFTER: Duration = Duration::from_secs(30);
/// Places that a segment should have.
const WANTED: usize = 2;

/// Repairs until shutdown.
pub(crate) async fn keep(recordings: Recordings, shutdown: Shutdown) {
    let mut away = Away::default();
    loop {
        tokio::select! {
            () = sleep(PASS_EVERY) => {}
            () = shutdown.stopping() => return,
        }
        tokio::select! {
            () = pass(&recordings.inner, &mut away) => {}
            () = shutdown.stopping() => return,
        }
    }
}

/// Since when members do not answer.
#[derive(Debug, Default)]
pub(super) struct Away(HashMap<NodeId, Instant>);

impl Away {
    /// The members whose disks count, this node among them.
    async fn present(&mut self, inner: &Inner) -> BTreeSet<NodeId> {
        let mut present = BTreeSet::from([inner.node]);
        for node in inner.peers.others() {
            // Nobody has it; that it is said is what counts.
            let answers = inner.peers.fetch(node, SegmentDigest::NONE).await.is_ok();
            if answers {
                // That it answers does not say that its disk takes segments: only one that it keeps does.
                self.0.remove(&node);
            }
            let since = self.0.get(&node).copied();
            if !answers && since.is_none() {
                self.0.insert(node, Instant::now());
            }
            if answers || since.is_none_or(|since| since.elapsed() < AWAY_AFTER) {
                present.insert(node);
            }
        }
        present
    }
}

/// One pass along the index.
pub(super) async fn pass(inner: &Arc<Inner>, away: &mut Away) {
    let present = away.present(inner).await;
    let mut after: Option<SegmentPlace> = None;
    loop {
        let (store, from) = (inner.store.clone(), after.clone());
        let read = tokio::task::spawn_blocking(move || {
            store.view().and_then(|view| view.all_segments(from.as_ref(), PAGE))
        });
        let (segments, next) = match read.await {
            Ok(Ok(page)) => page,
            Ok(Err(error)) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "the index of recordings could not be read");
                return;
            }
            Err(_stopping) => return,
        };
        for segment in &segments {
            mend(inner, segment, &present).await;
            sleep(PACE).await;
        }
        if next.is_none() {
            return;
        }
        after = next;
    }
}

async fn mend(inner: &Arc<Inner>, segment: &SegmentRecord, present: &BTreeSet<NodeId>) {
    if !segment.places.contains(&inner.node) {
        return;
    }
    let Some(bytes) = scrubbed(inner, segment).await else { return };
    let left: BTreeSet<NodeId> = segment.places.intersection(present).copied().collect();
    let ours = left.first() == Some(&inner.node);
    if inner.places == Places::Local || left.len() >= WANTED || !ours {
        return;
    }
    let candidates = present.iter().filter(|node| !segment.places.contains(*node)).copied();
    for node in inner.aside.in_order(candidates.collect(), segment.session) {
        if let Err(error) = inner.peers.keep(node, (segment.digest, Arc::clone(&bytes))).await {
            inner.aside.failed(node, &error);
            continue;
        }
        let SegmentRecord { session, sequence, digest, .. } = *segment;
        match inner.store.place_segment(PlaceSegment { session, sequence, digest, node }).await {
            Ok(_placed) => counters::segment_mended("placed"),
            // The next pass finds it as it is.
            Err(error) => {
                tracing::info!(error = &error as &dyn std::error::Error, "a place is not recorded");
            }
        }
        return;
    }
}

/// The bytes of a segment that this node should have; fetched again where they are not what they were.
async fn scrubbed(inner: &Arc<Inner>, segment: &SegmentRecord) -> Option<Arc<[u8]>> {
    let (digest, sequence) = (segment.digest, segment.sequence);
    let found = match inner.find(digest).await {
        Ok(Found::Whole(bytes)) => return Some(bytes.into()),
        Ok(Found::Damaged) => "damaged",
        Ok(Found::Absent) => "gone",
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(session.id = %segment.session, sequence, error, "a segment cannot be read");
            "unreadable"
        }
    };
    let (session, fetched) = (segment.session, inner.fetch(segment).await);
    if fetched.is_some() {
        tracing::warn!(session.id = %session, sequence, "a segment was {found} here; it was fetched from another node");
    } else {
        counters::segment_mended("missing");
        tracing::error!(session.id = %session, sequence, "a segment is {found} here, and no node gives it");
    }
    fetched
}
