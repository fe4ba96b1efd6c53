//! What is done for one segment in a pass.

use super::super::{Inner, Places, files::Found};
use crate::{bucket::BucketError, metrics::counters};
use countersign_core::{id::NodeId, recording::SegmentDigest};
use countersign_raft_store::{
    command::PlaceSegment,
    records::{InBucket, Place, SegmentRecord},
};
use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// Places that a segment should have, while the bucket does not have it.
const WANTED: usize = 2;
/// The part of the room, in percent, above which what is in the bucket is given up.
const GIVES_UP_ABOVE: u64 = 80;

/// A pass.
pub(super) struct Round {
    present: BTreeSet<NodeId>,
    shelf: u8,
    /// Said once a pass, and then it is left alone until the next.
    bucket_fails: AtomicBool,
}

impl Round {
    pub(super) fn new(present: BTreeSet<NodeId>, shelf: u8) -> Self {
        Self { present, shelf, bucket_fails: AtomicBool::new(false) }
    }

    /// Whether the bytes of a segment are read in this pass.
    pub(super) fn reads(&self, digest: &SegmentDigest) -> bool {
        let SegmentDigest([first, ..]) = digest;
        *first == self.shelf
    }

    pub(super) async fn mend(&self, inner: &Arc<Inner>, segment: SegmentRecord) {
        if !segment.places.contains(&inner.node) {
            return;
        }
        let here = size(inner, segment.digest).await == Some(segment.size);
        let in_bucket = segment.bucket == InBucket::Yes;
        if in_bucket && (!here || give_up(inner, &segment).await) {
            return;
        }
        if (self.reads(&segment.digest) || !here) && scrubbed(inner, &segment).await.is_none() {
            return;
        }
        let left: BTreeSet<NodeId> = segment.places.intersection(&self.present).copied().collect();
        if in_bucket || left.first() != Some(&inner.node) {
            return;
        }
        if self.upload(inner, &segment).await {
            return;
        }
        if inner.places == Places::Peers && left.len() < WANTED {
            self.spread(inner, &segment).await;
        }
    }

    /// Copies a segment to the bucket; whether it is there.
    async fn upload(&self, inner: &Arc<Inner>, segment: &SegmentRecord) -> bool {
        let Some(bucket) = &inner.bucket else { return false };
        if self.bucket_fails.load(Ordering::Relaxed) {
            return false;
        }
        let Some(bytes) = scrubbed(inner, segment).await else { return false };
        let name = super::super::shelf::object(segment.digest);
        match bucket.put(&name, bytes_of(bytes)).await {
            Ok(()) => placed(inner, segment, Place::Bucket, "uploaded").await,
            Err(error) => {
                self.say(&error);
                false
            }
        }
    }

    fn say(&self, error: &BucketError) {
        counters::segment_mended("not_uploaded");
        if !self.bucket_fails.swap(true, Ordering::Relaxed) {
            let error = error as &dyn std::error::Error;
            tracing::warn!(
                error,
                "segments are not copied to the bucket: they stay on nodes until they can be"
            );
        }
    }

    /// Has another node keep a segment.
    async fn spread(&self, inner: &Arc<Inner>, segment: &SegmentRecord) {
        let candidates = self.present.difference(&segment.places).copied().collect();
        for node in inner.aside.in_order(candidates, segment.session) {
            let Some(bytes) = scrubbed(inner, segment).await else { return };
            match inner.peers.keep(node, (segment.digest, bytes)).await {
                Ok(()) => {
                    placed(inner, segment, Place::Node(node), "placed").await;
                    return;
                }
                Err(error) => inner.aside.failed(node, &error),
            }
        }
    }
}

fn bytes_of(bytes: Arc<[u8]>) -> bytes::Bytes {
    bytes::Bytes::from_owner(bytes)
}

/// Enters a place in the index; whether it is there.
async fn placed(inner: &Inner, segment: &SegmentRecord, place: Place, how: &'static str) -> bool {
    let SegmentRecord { session, sequence, digest, .. } = *segment;
    let entered = inner.store.place_segment(PlaceSegment { session, sequence, digest, place });
    match entered.await {
        Ok(_placed) => {
            counters::segment_mended(how);
            true
        }
        // The next pass finds it as it is.
        Err(error) => {
            tracing::info!(error = &error as &dyn std::error::Error, "a place is not recorded");
            false
        }
    }
}

/// Gives up the copy of a segment that the bucket has, where room is short; whether it is not here any more.
async fn give_up(inner: &Arc<Inner>, segment: &SegmentRecord) -> bool {
    let files = inner.files.clone();
    if files.taken() < files.most() / 100 * GIVES_UP_ABOVE {
        return false;
    }
    let digest = segment.digest;
    match tokio::task::spawn_blocking(move || files.remove(digest)).await {
        Ok(Ok(())) => {
            counters::segment_mended("given_up");
            true
        }
        Ok(Err(error)) => {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(%digest, error, "a segment that the bucket has could not be removed");
            false
        }
        Err(_stopping) => true,
    }
}

/// The length of a segment's file here.
async fn size(inner: &Arc<Inner>, digest: SegmentDigest) -> Option<u64> {
    let files = inner.files.clone();
    let size = tokio::task::spawn_blocking(move || files.size(digest)).await;
    // What cannot be looked at is read, which says why.
    size.ok()?.ok()?
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
        tracing::warn!(session.id = %session, sequence, "a segment was {found} here; it was fetched from another place");
    } else {
        counters::segment_mended("missing");
        tracing::error!(session.id = %session, sequence, "a segment is {found} here, and no place gives it");
    }
    fetched
}
