//! Recordings: what sessions do is sealed into segments, written to this node's disk, and entered in the replicated index.
//! What a segment is, byte by byte, is core's to say; what is recorded, the gate's and the adapters'.
//!
//! The way of an entry: `SessionRecorder` gathers entries and cuts segments; a `round` takes what several sessions have cut;
//! `sealing` compresses and encrypts each; `files` writes it, synced, under its digest, while another node does the same;
//! then the state takes its digest. Only then is it durable. Where there is a bucket, `repair` copies it there behind that, so
//! that a bucket that is away costs room only. What is not durable yet is limited by bytes and by time, and the session waits
//! when it is at the limit. When a segment cannot be made durable the session ends: nothing goes on unrecorded.

mod files;
mod key_ring;
mod peers;
mod reading;
mod recorder;
pub(crate) mod repair;
pub(crate) mod rewrap;
mod round;
mod sealing;
mod shelf;

pub use files::Room;
pub(crate) use key_ring::check as check_key;
pub use key_ring::{KeyRing, KeyRingError};
pub use peers::{PeerError, SegmentPeers};
pub use reading::ReadingError;
pub(crate) use recorder::{Lost, SessionRecorder};

use crate::{bucket::Bucket, metrics::counters};
use countersign_core::{
    id::{NodeId, SessionId},
    recording::{SegmentHeader, SegmentWalk},
};
use countersign_raft_store::{
    command::RecordSegment,
    handle::{LogError, ProposeError, Store},
    records::WrappedKey,
};
use files::SegmentFiles;
use peers::Aside;
use round::{Cut, Kept, Segments};
use sealing::{DataKey, SealingError};
use std::{io, path::PathBuf, sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep, timeout_at},
};

/// How long a segment may take from its cut to being durable. A change of leader is over well before.
const DURABLE_WITHIN: Duration = Duration::from_secs(8);
/// The first pause between two attempts to enter a segment; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// What recordings are made of.
#[derive(Debug)]
pub struct RecordingParts {
    /// This node.
    pub node: NodeId,
    /// The replicated state, with the index.
    pub store: Store,
    /// Where segments are kept.
    pub folder: PathBuf,
    /// The keys that wrap the data keys.
    pub keys: KeyRing,
    /// The other nodes.
    pub peers: Arc<dyn SegmentPeers>,
    /// Where segments must be to be durable.
    pub places: Places,
    /// What they may take of this node's disk.
    pub room: Room,
    /// The bucket, where there is one.
    pub bucket: Option<Bucket>,
}

/// Where segments must be to be durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Places {
    /// On this node's disk.
    Local,
    /// On this node's disk and on another node's, where the cluster has one.
    Peers,
}

/// The recordings of a node. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Recordings {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    node: NodeId,
    store: Store,
    files: SegmentFiles,
    keys: KeyRing,
    peers: Arc<dyn SegmentPeers>,
    aside: Aside,
    places: Places,
    bucket: Option<Bucket>,
    /// The way into the rounds.
    cuts: mpsc::Sender<Cut>,
    /// Moments at which recorders cut are counted from here.
    opened: Instant,
}

/// Why a segment was not made durable.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotDurable {
    /// It could not be sealed.
    #[error("a segment could not be sealed")]
    Sealing(#[from] SealingError),
    /// The disk did not take it.
    #[error("a segment could not be written")]
    Disk(#[from] io::Error),
    /// The state did not take it.
    #[error("a segment could not be entered in the index")]
    Index(#[from] ProposeError),
    /// It took too long.
    #[error("a segment was not durable in time: no quorum, or no other node, has taken it")]
    Late,
}

impl Recordings {
    /// Opens the folder; what was half written before is removed. Must be called within a runtime.
    pub fn open(parts: RecordingParts) -> io::Result<Self> {
        let RecordingParts { node, store, folder, keys, peers, places, room, bucket } = parts;
        let files = SegmentFiles::open(folder, room)?;
        let (aside, opened) = (Aside::default(), Instant::now());
        let (cuts, coming) = round::queue();
        let inner = Inner { node, store, files, keys, peers, aside, places, bucket, cuts, opened };
        let inner = Arc::new(inner);
        tokio::spawn(round::run(Arc::downgrade(&inner), coming));
        Ok(Self { inner })
    }
}

/// The recording of one session while it is written: its key, and where it stands.
#[derive(Debug)]
struct Ribbon {
    key: Arc<DataKey>,
    wrapped: WrappedKey,
    walk: SegmentWalk,
}

impl Ribbon {
    async fn begin(session: SessionId, inner: &Inner) -> Result<Self, SealingError> {
        let store = inner.store.clone();
        let everywhere = tokio::task::spawn_blocking(move || store.view()?.keys_of_every_node());
        // A state that cannot be read takes no segment either: which key wraps this one is nothing then.
        let everywhere = everywhere.await.ok().and_then(Result::ok).unwrap_or_default();
        let key = DataKey::draw();
        let wrapped = inner.keys.wrap(session, &key, &everywhere)?;
        Ok(Self { key: Arc::new(key), wrapped, walk: SegmentWalk::of(session) })
    }
}

impl Inner {
    /// Makes a segment durable: sealed, on this node's disk and on another's, and in the index. Nothing of it counts before
    /// this returns.
    async fn keep(
        &self,
        ribbon: &mut Ribbon,
        header: SegmentHeader,
        content: Vec<u8>,
    ) -> Result<(), NotDurable> {
        let begun = Instant::now();
        let until = begun + DURABLE_WITHIN;
        let (key, wrapped) = (Arc::clone(&ribbon.key), ribbon.wrapped.clone());
        let (kept, told) = oneshot::channel();
        let cut = Cut { header, key, wrapped, content, until, kept };
        let kept = timeout_at(until, async {
            self.cuts.send(cut).await.map_err(|_closed| NotDurable::Late)?;
            told.await.unwrap_or(Err(NotDurable::Late))
        });
        let Kept { digest, size } = kept.await.unwrap_or(Err(NotDurable::Late))?;
        // The state has taken it where it stands; anything else would be a fault of this file.
        ribbon.walk.step(&header, digest).map_err(|_| SealingError::Order)?;
        counters::segment_kept(size, begun.elapsed());
        Ok(())
    }

    /// Has another node keep segments, whichever does; none where there is no other, or none is wanted. Which is asked first
    /// goes by a session among theirs.
    async fn spread(&self, session: SessionId, segments: &Segments) -> Option<NodeId> {
        if self.places == Places::Local {
            return None;
        }
        let mut pause = FIRST_PAUSE;
        loop {
            let others = self.aside.in_order(self.peers.others(), session);
            if others.is_empty() {
                return None;
            }
            for node in others {
                match self.peers.keep(node, segments.clone()).await {
                    Ok(()) => {
                        self.aside.took(node);
                        return Some(node);
                    }
                    Err(error) => self.aside.failed(node, &error),
                }
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Enters a segment in the index, again and again while nobody answers.
    async fn enter(&self, command: RecordSegment) -> Result<(), ProposeError> {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.store.record_segment(command.clone()).await {
                Ok(_entered) => return Ok(()),
                Err(ProposeError::Log(
                    LogError::NoQuorum | LogError::Overloaded | LogError::Unknown,
                )) => {}
                Err(
                    error @ (ProposeError::Log(LogError::Stopped)
                    | ProposeError::Refused(_)
                    | ProposeError::Format(_)
                    | ProposeError::OtherAnswer),
                ) => return Err(error),
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

#[cfg(test)]
mod tests;
