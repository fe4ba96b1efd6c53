//! Rounds: what several sessions have cut at about the same time is made durable together. Its segments are sealed, written
//! to this node's disk while another node writes them too, and entered in the index side by side, so that one message to a
//! peer and one entry of the log do for many sessions. Which segments there are, and in which order, is the recorders'
//! business: each has one under way at a time.

use super::{Inner, NotDurable, WrappedKey, sealing::DataKey};
use countersign_core::recording::{SegmentDigest, SegmentHeader};
use countersign_raft_store::command::RecordSegment;
use futures::future::join_all;
use std::{
    io,
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    task::spawn_blocking,
    time::{Instant, sleep, timeout_at},
};

/// Rounds that are sealed and written at a time. One that a slow disk holds counts until the disk gives it back.
const ROUNDS: usize = 4;
/// Segments of a round, at most.
const SEGMENTS: usize = 128;
/// Bytes of content after which a round takes no more: what it is sealed to fits into a message to a peer.
const BYTES: usize = 2 << 20;
/// Segments that wait for a round.
const QUEUE: usize = 1024;
/// Where so many were in a round, as many are about to be cut again: it is worth waiting for them.
const COMPANY: usize = 2;
/// For how long.
const GATHERING: Duration = Duration::from_millis(5);
/// Segments of a round that are written at a time.
pub(super) const WRITERS: usize = 4;

/// The bytes of sealed segments, under their digests.
pub(super) type Segments = Vec<(SegmentDigest, Arc<[u8]>)>;

/// A segment that was cut and is to be made durable.
#[derive(Debug)]
pub(super) struct Cut {
    pub(super) header: SegmentHeader,
    pub(super) key: Arc<DataKey>,
    pub(super) wrapped: WrappedKey,
    pub(super) content: Vec<u8>,
    /// When whoever waits for it gives up.
    pub(super) until: Instant,
    pub(super) kept: oneshot::Sender<Result<Kept, NotDurable>>,
}

/// A segment that is durable.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kept {
    pub(super) digest: SegmentDigest,
    pub(super) size: u64,
}

/// A segment that is sealed.
struct Sealed {
    cut: Cut,
    digest: SegmentDigest,
    bytes: Arc<[u8]>,
}

impl Cut {
    /// Whoever waited may have given up.
    fn tell(self, kept: Result<Kept, NotDurable>) {
        drop(self.kept.send(kept));
    }
}

/// The way into the rounds.
pub(super) fn queue() -> (mpsc::Sender<Cut>, mpsc::Receiver<Cut>) {
    mpsc::channel(QUEUE)
}

/// Begins one round after the other, until the recordings are closed.
pub(super) async fn run(inner: Weak<Inner>, mut cuts: mpsc::Receiver<Cut>) {
    let places = Arc::new(Semaphore::new(ROUNDS));
    let mut company = 0;
    while let Ok(place) = Arc::clone(&places).acquire_owned().await
        && let Some(first) = cuts.recv().await
    {
        if company >= COMPANY {
            sleep(GATHERING).await;
        }
        let mut bytes = first.content.len();
        let mut round = vec![first];
        while round.len() < SEGMENTS
            && bytes < BYTES
            && let Ok(next) = cuts.try_recv()
        {
            bytes += next.content.len();
            round.push(next);
        }
        company = round.len();
        let Some(inner) = inner.upgrade() else { return };
        tokio::spawn(async move { inner.go(round, place).await });
    }
}

impl Inner {
    /// One round. What cannot be made durable is told so, each for itself.
    async fn go(&self, cuts: Vec<Cut>, place: OwnedSemaphorePermit) {
        let Ok(sealed) = spawn_blocking(move || seal(cuts)).await else { return };
        let Some(until) = sealed.iter().map(|sealed| sealed.cut.until).max() else { return };
        let Some(session) = sealed.first().map(|sealed| sealed.cut.header.session) else { return };
        let segments = sealed.iter().map(|sealed| (sealed.digest, Arc::clone(&sealed.bytes)));
        let segments: Segments = segments.collect();
        let elsewhere = timeout_at(until, self.spread(session, &segments));
        let (written, elsewhere) = tokio::join!(self.write(segments.clone(), place), elsewhere);
        let entering = sealed.into_iter().zip(written).map(|(sealed, written)| {
            let places = elsewhere.as_ref().map(|other| other.iter().copied().chain([self.node]));
            async move {
                let Sealed { cut, digest, bytes } = sealed;
                let entered = async {
                    written?;
                    let kept = Kept { digest, size: bytes.len() as u64 };
                    let places = places.map_err(|_elapsed| NotDurable::Late)?.collect();
                    let command = RecordSegment {
                        session: cut.header.session,
                        node: self.node,
                        sequence: cut.header.sequence,
                        position: cut.header.position,
                        digest,
                        previous: cut.header.previous,
                        size: kept.size,
                        places,
                        key: cut.wrapped.clone(),
                    };
                    let entered = timeout_at(cut.until, self.enter(command)).await;
                    entered.map_err(|_elapsed| NotDurable::Late)??;
                    Ok(kept)
                };
                let entered = entered.await;
                cut.tell(entered);
            }
        });
        join_all(entering).await;
    }

    /// Writes segments to this node's disk; how it went, for each in its order.
    async fn write(&self, segments: Segments, place: OwnedSemaphorePermit) -> Vec<io::Result<()>> {
        let place = Arc::new(place);
        let share = segments.len().div_ceil(WRITERS).max(1);
        let shares: Vec<_> = segments
            .chunks(share)
            .map(|share| {
                let (files, share, place) =
                    (self.files.clone(), share.to_vec(), Arc::clone(&place));
                let length = share.len();
                let written = spawn_blocking(move || {
                    let written: Vec<_> =
                        share.iter().map(|(digest, bytes)| files.put(*digest, bytes)).collect();
                    // Given back by the write itself: one that a slow disk holds goes on when nobody waits for it any more.
                    drop(place);
                    written
                });
                (length, written)
            })
            .collect();
        let mut all = Vec::with_capacity(segments.len());
        for (length, written) in shares {
            match written.await {
                Ok(written) => all.extend(written),
                Err(_ended) => all.extend((0..length).map(|_| Err(io::ErrorKind::Other.into()))),
            }
        }
        all
    }
}

/// Seals each; who waits for one that cannot be sealed is told so.
fn seal(cuts: Vec<Cut>) -> Vec<Sealed> {
    let mut sealed = Vec::with_capacity(cuts.len());
    for mut cut in cuts {
        let content = std::mem::take(&mut cut.content);
        match cut.key.seal(&cut.header, &content) {
            Ok(bytes) => {
                let digest = SegmentDigest::of(&bytes);
                sealed.push(Sealed { cut, digest, bytes: bytes.into() });
            }
            Err(error) => cut.tell(Err(error.into())),
        }
    }
    sealed
}
