//! Segments of recordings between nodes: handed over, asked for. Where they are kept and what is in them is the node's; here
//! they are bytes with a digest, carried over the peers' connections on a lane of their own.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use openraft::async_runtime::WatchReceiver;

use super::Engine;
use crate::encoding::{FetchSegment, FetchSegmentReply, KeepSegments, KeepSegmentsReply};
use crate::network::CallError;
use crate::raft_types::{Member, NodeId};

/// A boxed future.
type BoxFuture<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Where a node keeps the segments that peers hand to it.
pub trait SegmentShelf: Send + Sync + fmt::Debug {
    /// Puts segments onto the disk; returns whether all of them are there, synced, each with just its digest.
    fn keep(&self, segments: Vec<([u8; 32], Vec<u8>)>) -> BoxFuture<'_, bool>;

    /// A segment that is there whole.
    fn fetch(&self, digest: [u8; 32]) -> BoxFuture<'_, Option<Vec<u8>>>;
}

/// The shelf of a node, once it has one.
pub(crate) type Shelf = Arc<OnceLock<Arc<dyn SegmentShelf>>>;

/// Why a peer has not kept or not given a segment.
#[derive(Debug, thiserror::Error)]
pub enum SegmentError {
    /// It is no member.
    #[error("node {0} is no member")]
    NoMember(NodeId),
    /// Its disk does not take it.
    #[error("node {0} cannot keep them")]
    NotKept(NodeId),
    /// It does not answer, or not in time.
    #[error("node {node} does not answer: {reason}")]
    Unanswered {
        /// The peer.
        node: NodeId,
        /// Why.
        reason: String,
    },
}

impl Engine {
    /// From now on peers' segments are kept on this shelf. The first call stays.
    pub fn serve_segments(&self, shelf: Arc<dyn SegmentShelf>) {
        // A second shelf would be a second start of the same node.
        drop(self.shelf.set(shelf));
    }

    /// Has a peer keep segments; all of them are synced there when this returns.
    ///
    /// # Errors
    /// [`SegmentError`] when one is not known to be there.
    pub async fn keep_segments(
        &self,
        to: NodeId,
        segments: Vec<([u8; 32], Vec<u8>)>,
        within: Duration,
    ) -> Result<(), SegmentError> {
        let member = self.member(to)?;
        let request = KeepSegments { segments };
        match self.peers.keep_segments((to, member), &request, within).await {
            Ok(KeepSegmentsReply::Kept) => Ok(()),
            Ok(KeepSegmentsReply::NotKept) => Err(SegmentError::NotKept(to)),
            Err(error) => Err(unanswered(to, &error)),
        }
    }

    /// Asks a peer for a segment; none where it does not have it whole.
    ///
    /// # Errors
    /// [`SegmentError`] when it does not answer.
    pub async fn fetch_segment(
        &self,
        from: NodeId,
        digest: [u8; 32],
        within: Duration,
    ) -> Result<Option<Vec<u8>>, SegmentError> {
        let member = self.member(from)?;
        let request = FetchSegment { digest };
        let asked = self.peers.fetch_segment((from, member), &request, within).await;
        let FetchSegmentReply(bytes) = asked.map_err(|error| unanswered(from, &error))?;
        Ok(bytes)
    }

    fn member(&self, id: NodeId) -> Result<Member, SegmentError> {
        let metrics = self.raft.server_metrics();
        let metrics = metrics.borrow_watched();
        let member = metrics.membership_config.get_node(&id).cloned();
        member.ok_or(SegmentError::NoMember(id))
    }
}

fn unanswered(node: NodeId, error: &CallError) -> SegmentError {
    SegmentError::Unanswered { node, reason: error.to_string() }
}
