//! This node's segments as a shelf: for its own sessions, for reading, and for the other nodes. What is put onto it is what its
//! digest says, or is refused; what is taken from it likewise.

use super::{
    Inner, Recordings,
    files::{Found, SegmentFiles},
    round::WRITERS,
};
use countersign_core::recording::{
    SegmentDigest,
    segment::{self, MAX_SEGMENT},
};
use countersign_raft_store::{
    engine::SegmentShelf,
    handle::BoxFuture,
    records::{InBucket, SegmentRecord},
};
use std::{collections::BTreeSet, io, sync::Arc};

impl Inner {
    /// Puts a segment onto this node's disk.
    pub(super) async fn put(&self, digest: SegmentDigest, bytes: Arc<[u8]>) -> io::Result<()> {
        let files = self.files.clone();
        let put = tokio::task::spawn_blocking(move || files.put(digest, &bytes));
        put.await.map_err(io::Error::other)?
    }

    /// Looks for a segment on this node's disk.
    pub(super) async fn find(&self, digest: SegmentDigest) -> io::Result<Found> {
        let files = self.files.clone();
        let found = tokio::task::spawn_blocking(move || files.get(digest));
        found.await.map_err(io::Error::other)?
    }

    /// Fetches a segment from another place, and puts it where it should be, which is also where a damaged one is. `found` is
    /// what is here.
    pub(super) async fn fetch(&self, wanted: &SegmentRecord, found: &Found) -> Option<Arc<[u8]>> {
        let bytes = match self.off_nodes(wanted).await {
            Some(bytes) => bytes,
            None => self.out_of_bucket(wanted.digest).await?,
        };
        let damaged = *found == Found::Damaged;
        if wanted.places.contains(&self.node) && (wanted.bucket == InBucket::No || damaged) {
            self.heal(wanted.digest, Arc::clone(&bytes)).await;
        }
        Some(bytes)
    }

    /// Fetches a segment from another node, first from those that should have it.
    async fn off_nodes(&self, wanted: &SegmentRecord) -> Option<Arc<[u8]>> {
        let others: BTreeSet<_> = self.peers.others().into_iter().collect();
        let (likely, rest) =
            (others.intersection(&wanted.places), others.difference(&wanted.places));
        for node in likely.chain(rest) {
            let bytes = match self.peers.fetch(*node, wanted.digest).await {
                Ok(Some(bytes)) if SegmentDigest::of(&bytes) == wanted.digest => bytes,
                Ok(Some(_)) => {
                    tracing::error!(peer = node.0, digest = %wanted.digest, "a node gives other bytes than it is asked for");
                    continue;
                }
                Ok(None) => continue,
                Err(error) => {
                    tracing::debug!(peer = node.0, %error, "a node gives no segment");
                    continue;
                }
            };
            return Some(bytes.into());
        }
        None
    }

    async fn out_of_bucket(&self, digest: SegmentDigest) -> Option<Arc<[u8]>> {
        match self.bucket.as_ref()?.get(&object(digest), MAX_SEGMENT as u64).await {
            Ok(Some(bytes)) if SegmentDigest::of(&bytes) == digest => Some((*bytes).into()),
            Ok(Some(_)) => {
                tracing::error!(%digest, "the bucket gives other bytes than it is asked for");
                None
            }
            Ok(None) => None,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(%digest, error, "the bucket gives no segment");
                None
            }
        }
    }

    async fn heal(&self, digest: SegmentDigest, bytes: Arc<[u8]>) {
        match self.put(digest, bytes).await {
            Ok(()) => crate::metrics::counters::segment_mended("healed"),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(%digest, error, "a segment could not be put back");
            }
        }
    }
}

/// The name of a segment in the bucket.
pub(super) fn object(digest: SegmentDigest) -> String {
    let digest = digest.to_string();
    format!("segments/{}/{digest}.segment", digest.get(..2).unwrap_or_default())
}

impl SegmentShelf for Recordings {
    fn keep(&self, segments: Vec<([u8; 32], Vec<u8>)>) -> BoxFuture<'_, bool> {
        let segments: Vec<_> =
            segments.into_iter().map(|(digest, bytes)| (SegmentDigest(digest), bytes)).collect();
        let segments: Arc<[_]> = segments.into();
        let share = segments.len().div_ceil(WRITERS).max(1);
        let kept: Vec<_> = (0..segments.len())
            .step_by(share)
            .map(|first| {
                let (files, segments) = (self.inner.files.clone(), Arc::clone(&segments));
                tokio::task::spawn_blocking(move || {
                    let mut share = segments.iter().skip(first).take(share);
                    share.try_for_each(|(digest, bytes)| put_checked(&files, *digest, bytes))
                })
            })
            .collect();
        Box::pin(async move {
            let mut all = true;
            for kept in kept {
                if let Err(error) =
                    kept.await.map_err(io::Error::other).and_then(|kept: io::Result<()>| kept)
                {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "segments of another node are not kept");
                    all = false;
                }
            }
            all
        })
    }

    fn fetch(&self, digest: [u8; 32]) -> BoxFuture<'_, Option<Vec<u8>>> {
        Box::pin(async move {
            match self.inner.find(SegmentDigest(digest)).await {
                Ok(Found::Whole(bytes)) => Some(bytes),
                Ok(Found::Damaged | Found::Absent) | Err(_) => None,
            }
        })
    }
}

/// Puts what another node hands over: only what is a segment and has its digest.
fn put_checked(files: &SegmentFiles, digest: SegmentDigest, bytes: &[u8]) -> io::Result<()> {
    if SegmentDigest::of(bytes) != digest {
        return Err(io::Error::other("its digest is another one"));
    }
    segment::read(bytes).map_err(io::Error::other)?;
    files.put(digest, bytes)
}
