//! What is done for one segment in a pass.

use super::super::{Inner, Places, files::Found, shelf};
use crate::{bucket::BucketError, metrics::counters};
use countersign_core::{
    id::NodeId,
    log_time::LogTime,
    recording::{SegmentDigest, segment::MAX_SEGMENT},
};
use countersign_raft_store::{
    command::PlaceSegment,
    records::{InBucket, Place, SegmentRecord},
};
use std::{
    collections::BTreeSet,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// Places that a segment should have, while the bucket does not have it.
const WANTED: usize = 2;
/// For how long the first place of a segment is left alone with copying it to the bucket; then the second helps, and so on. A
/// node that cannot reach the bucket, or whose copy is damaged, is no reason why it never gets there.
const TURN_MS: u64 = 5 * 60 * 1000;

/// What is here of a segment, by the length of its file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Here {
    Whole,
    Damaged,
    Nothing,
}

/// What the bucket has of a segment that the index says it has.
enum Kept {
    Yes,
    No,
    /// It does not answer, or is not asked.
    Unknown,
}

/// How closely the bucket is looked at.
#[derive(Clone, Copy)]
enum Look {
    /// Whether there is an object of the length.
    Glance,
    /// Whether it gives the bytes.
    Read,
}

/// A pass.
pub(super) struct Round {
    present: BTreeSet<NodeId>,
    shelf: u8,
    /// Log time when the pass began.
    now: LogTime,
    /// Said once a pass, and then it is left alone until the next.
    bucket_fails: AtomicBool,
}

impl Round {
    pub(super) fn new(present: BTreeSet<NodeId>, shelf: u8, now: LogTime) -> Self {
        Self { present, shelf, now, bucket_fails: AtomicBool::new(false) }
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
        let here = here(inner, &segment).await;
        let left: Vec<NodeId> = segment.places.intersection(&self.present).copied().collect();
        if segment.bucket == InBucket::Yes {
            match self.behind_bucket(inner, &segment, (here, &left)).await {
                Kept::Yes | Kept::Unknown => return,
                // Said in the index, so that every place has it again before anybody gives one up.
                Kept::No => {
                    tracing::error!(session.id = %segment.session, sequence = segment.sequence, "the bucket does not have a segment any more that it had");
                    if !placed(inner, &segment, Place::NotInBucket, "not_in_bucket").await {
                        return;
                    }
                }
            }
        }
        let segment = SegmentRecord { bucket: InBucket::No, ..segment };
        let looks = self.reads(&segment.digest) || here != Here::Whole;
        if looks && scrubbed(inner, &segment).await.is_none() {
            return;
        }
        if self.is_due(inner.node, &segment, &left) && self.upload(inner, &segment).await {
            return;
        }
        let first = left.first() == Some(&inner.node);
        if first && inner.places == Places::Peers && left.len() < WANTED {
            self.spread(inner, &segment).await;
        }
    }

    /// Looks after a segment that the index says the bucket has: gives up what is here where room is short and the bucket gives
    /// the same bytes; heals what is damaged here; and, of the shelf, sees whether the bucket has it still.
    async fn behind_bucket(
        &self,
        inner: &Arc<Inner>,
        segment: &SegmentRecord,
        (here, left): (Here, &[NodeId]),
    ) -> Kept {
        let short = here != Here::Nothing && is_short(inner).await;
        let looks = self.reads(&segment.digest);
        let kept = if short {
            self.kept(inner, segment, Look::Read).await
        } else if looks && left.first() == Some(&inner.node) {
            self.kept(inner, segment, Look::Glance).await
        } else {
            Kept::Unknown
        };
        match kept {
            Kept::No => {}
            Kept::Yes if short => give_up(inner, segment).await,
            Kept::Yes | Kept::Unknown => {
                if here == Here::Damaged || (looks && here == Here::Whole) {
                    let (Some(_) | None) = scrubbed(inner, segment).await;
                }
            }
        }
        kept
    }

    async fn kept(&self, inner: &Inner, segment: &SegmentRecord, look: Look) -> Kept {
        let Some(bucket) = &inner.bucket else { return Kept::Unknown };
        if self.bucket_fails.load(Ordering::Relaxed) {
            return Kept::Unknown;
        }
        let name = shelf::object(segment.digest);
        let found = match look {
            Look::Glance => bucket.lists(&name, segment.size).await,
            Look::Read => match bucket.get(&name, MAX_SEGMENT as u64).await {
                Ok(bytes) => Ok(bytes.is_some_and(|b| SegmentDigest::of(&b) == segment.digest)),
                Err(BucketError::TooLong { .. }) => Ok(false),
                Err(error) => Err(error),
            },
        };
        match found {
            Ok(true) => Kept::Yes,
            Ok(false) => Kept::No,
            Err(error) => {
                self.say(&error, "the bucket does not say what it has: nothing is given up");
                Kept::Unknown
            }
        }
    }

    /// Whether it is a node's turn to copy a segment to the bucket.
    fn is_due(&self, node: NodeId, segment: &SegmentRecord, left: &[NodeId]) -> bool {
        let Some(rank) = left.iter().position(|place| *place == node) else { return false };
        let age = self.now.0.saturating_sub(segment.at.0);
        u64::try_from(rank).is_ok_and(|rank| age >= TURN_MS.saturating_mul(rank))
    }

    /// Copies a segment to the bucket; whether it is there.
    async fn upload(&self, inner: &Arc<Inner>, segment: &SegmentRecord) -> bool {
        let Some(bucket) = &inner.bucket else { return false };
        if self.bucket_fails.load(Ordering::Relaxed) {
            return false;
        }
        let Some(bytes) = scrubbed(inner, segment).await else { return false };
        let name = shelf::object(segment.digest);
        match bucket.put(&name, bytes_of(bytes)).await {
            Ok(()) => placed(inner, segment, Place::Bucket, "uploaded").await,
            Err(error) => {
                counters::segment_mended("not_uploaded");
                let meaning =
                    "segments are not copied to the bucket: they stay on nodes until they can be";
                self.say(&error, meaning);
                false
            }
        }
    }

    fn say(&self, error: &BucketError, meaning: &'static str) {
        if !self.bucket_fails.swap(true, Ordering::Relaxed) {
            let error = error as &dyn std::error::Error;
            tracing::warn!(error, "{meaning}");
        }
    }

    /// Has another node keep a segment.
    async fn spread(&self, inner: &Arc<Inner>, segment: &SegmentRecord) {
        let candidates = self.present.difference(&segment.places).copied().collect();
        for node in inner.aside.in_order(candidates, segment.session) {
            let Some(bytes) = scrubbed(inner, segment).await else { return };
            match inner.peers.keep(node, vec![(segment.digest, bytes)]).await {
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

/// Whether most of the room for segments is taken. What cannot be looked at is no reason to give anything up.
async fn is_short(inner: &Arc<Inner>) -> bool {
    let files = inner.files.clone();
    let short = tokio::task::spawn_blocking(move || files.is_short()).await;
    short.is_ok_and(|short| short.unwrap_or(false))
}

/// Gives up the copy of a segment that the bucket has just given.
async fn give_up(inner: &Arc<Inner>, segment: &SegmentRecord) {
    let (files, digest) = (inner.files.clone(), segment.digest);
    let removed = tokio::task::spawn_blocking(move || files.remove(digest)).await;
    match removed.map_err(io::Error::other).flatten() {
        Ok(()) => counters::segment_mended("given_up"),
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(%digest, error, "a segment that the bucket has could not be removed");
        }
    }
}

/// What is here of a segment.
async fn here(inner: &Arc<Inner>, segment: &SegmentRecord) -> Here {
    let (files, digest) = (inner.files.clone(), segment.digest);
    let size = tokio::task::spawn_blocking(move || files.size(digest)).await;
    match size.map_err(io::Error::other).flatten() {
        Ok(Some(size)) if size == segment.size => Here::Whole,
        Ok(None) => Here::Nothing,
        // What cannot be looked at is read, which says why.
        Ok(Some(_)) | Err(_) => Here::Damaged,
    }
}

/// The bytes of a segment that this node should have; fetched again where they are not what they were.
async fn scrubbed(inner: &Arc<Inner>, segment: &SegmentRecord) -> Option<Arc<[u8]>> {
    let (digest, sequence) = (segment.digest, segment.sequence);
    let (found, here) = match inner.find(digest).await {
        Ok(Found::Whole(bytes)) => return Some(bytes.into()),
        Ok(Found::Damaged) => ("damaged", Found::Damaged),
        Ok(Found::Absent) => ("gone", Found::Absent),
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(session.id = %segment.session, sequence, error, "a segment cannot be read");
            ("unreadable", Found::Damaged)
        }
    };
    let (session, fetched) = (segment.session, inner.fetch(segment, &here).await);
    if fetched.is_some() {
        tracing::warn!(session.id = %session, sequence, "a segment was {found} here; it was fetched from another place");
    } else {
        counters::segment_mended("missing");
        tracing::error!(session.id = %session, sequence, "a segment is {found} here, and no place gives it");
    }
    fetched
}
