//! Answers the calls of peers: checks who speaks and for whom, decodes, and hands over to the consensus library, the
//! proposer or the reader. Nothing is decided here.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::BoxStream;
use futures::{Stream, StreamExt};
use openraft::raft::{AppendEntriesRequest, TransferLeaderRequest, VoteRequest};
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use super::admission::same;
use super::proto::Frame;
use super::proto::peer_server::{Peer, PeerServer};
use super::{Admission, FRAME_BYTES, KEEP_ALIVE, Tls, codec, listen};
use crate::clocks::Clocks;
use crate::encoding::{
    AppendReply, FetchSegment, FetchSegmentReply, Greeting, GreetingReply, KeepSegments,
    KeepSegmentsReply, ProposeReply, ProposeRequest, ReadIndexReply, ReadIndexRequest,
    SnapshotHeader, SnapshotReply,
};
use crate::engine::{SegmentShelf, Shelf};
use crate::halt::halt;
use crate::proposer::Proposer;
use crate::raft_types::{NodeId, Snapshot, TypeConfig};
use crate::read_index::Reader;
use crate::snapshot::SnapshotFile;

/// The longest pause between two frames of a snapshot.
const SNAPSHOT_PAUSE: Duration = Duration::from_secs(10);
/// The longest a forwarded question or command is worked on, whatever the asker says.
const LONGEST: Duration = Duration::from_secs(30);
/// Streams one connection may have open.
const STREAMS: u32 = 256;
/// Requests for or with segments of recordings that are worked on at a time; whoever comes further waits.
const SEGMENTS_AT_ONCE: usize = 8;
/// How long a segment waits for its turn.
const SEGMENT_TURN: Duration = Duration::from_secs(2);

/// Everything the service needs.
#[derive(Clone)]
pub(crate) struct ServerParts {
    pub(crate) admission: Admission,
    pub(crate) proposer: Proposer,
    pub(crate) reader: Reader,
    pub(crate) clocks: Clocks,
    pub(crate) shelf: Shelf,
}

/// The service.
#[derive(Clone)]
pub(crate) struct Server {
    parts: ServerParts,
    /// One snapshot is received at a time.
    receiving: Arc<Semaphore>,
    /// Few segments are taken at a time.
    keeping: Arc<Semaphore>,
    stop: CancellationToken,
}

impl Server {
    /// The shelf of this node, and a turn at it.
    async fn shelf(&self) -> Result<(Arc<dyn SegmentShelf>, OwnedSemaphorePermit), Status> {
        let shelf = self.parts.shelf.get();
        let shelf = shelf.ok_or_else(|| Status::unavailable("no segments are kept here yet"))?;
        match timeout(SEGMENT_TURN, Arc::clone(&self.keeping).acquire_owned()).await {
            Ok(Ok(turn)) => Ok((Arc::clone(shelf), turn)),
            Ok(Err(_)) | Err(_) => Err(Status::resource_exhausted("too many segments at a time")),
        }
    }

    /// Serves until `stop`.
    pub(crate) async fn run(
        parts: ServerParts,
        listener: TcpListener,
        tls: Arc<Tls>,
        stop: CancellationToken,
    ) -> Result<(), tonic::transport::Error> {
        let streams = ReceiverStream::new(listen(listener, tls, stop.clone()));
        let receiving = Arc::new(Semaphore::new(1));
        let keeping = Arc::new(Semaphore::new(SEGMENTS_AT_ONCE));
        let service = PeerServer::new(Self { parts, receiving, keeping, stop: stop.clone() })
            .max_decoding_message_size(FRAME_BYTES)
            .max_encoding_message_size(FRAME_BYTES);
        let serve = tonic::transport::Server::builder()
            .http2_keepalive_interval(Some(KEEP_ALIVE))
            .http2_keepalive_timeout(Some(KEEP_ALIVE))
            .max_concurrent_streams(STREAMS)
            .add_service(service)
            .serve_with_incoming(streams);
        // Open streams of peers never end by themselves: they are cut.
        stop.run_until_cancelled(serve).await.unwrap_or(Ok(()))
    }

    async fn receive(
        &self,
        peer: NodeId,
        mut frames: Streaming<Frame>,
    ) -> Result<SnapshotReply, Status> {
        let _place = self
            .receiving
            .try_acquire()
            .map_err(|_| Status::resource_exhausted("another snapshot is being received"))?;
        let first =
            next(&mut frames).await?.ok_or_else(|| Status::invalid_argument("no header"))?;
        let header: SnapshotHeader = codec::value(&first)?;
        same(peer, header.vote.leader_id.node_id)?;
        let (path, file) = self.parts.admission.state.snapshots().draft().map_err(|e| disk(&e))?;
        let received = receive_file(&path, file, header.length, &mut frames).await;
        let answer = match received {
            Ok(file) => {
                let snapshot = Snapshot { meta: header.meta, snapshot: file };
                let installed =
                    self.parts.admission.raft.install_full_snapshot(header.vote, snapshot).await;
                installed.map(|reply| SnapshotReply(reply.vote)).map_err(|error| stopped(&error))
            }
            Err(error) => Err(error),
        };
        // A snapshot that was taken has its own name by now.
        drop(tokio::fs::remove_file(path).await);
        answer
    }
}

/// Writes the frames to the draft and verifies the whole.
async fn receive_file(
    path: &Path,
    mut file: std::fs::File,
    length: u64,
    frames: &mut Streaming<Frame>,
) -> Result<SnapshotFile, Status> {
    let mut left = length;
    while let Some(frame) = next(frames).await? {
        left = left
            .checked_sub(frame.data.len() as u64)
            .ok_or_else(|| Status::invalid_argument("the snapshot is longer than announced"))?;
        file = blocking(move || {
            stored(file.write_all(&frame.data));
            Ok(file)
        })
        .await?;
    }
    if left > 0 {
        return Err(Status::invalid_argument("the snapshot is shorter than announced"));
    }
    let path = path.to_owned();
    blocking(move || {
        stored(file.sync_all());
        let file = SnapshotFile::open(&path)?;
        file.verify().map(|()| file)
    })
    .await
}

/// A disk that fails to take a snapshot is trusted no more.
fn stored(done: io::Result<()>) {
    if let Err(error) = done {
        halt("storing a snapshot of a peer", &error);
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Status> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(io::Error::other).flatten().map_err(|error| disk(&error))
}

async fn next(frames: &mut Streaming<Frame>) -> Result<Option<Frame>, Status> {
    timeout(SNAPSHOT_PAUSE, frames.message())
        .await
        .unwrap_or_else(|_| Err(Status::deadline_exceeded("the next frame does not come")))
}

fn disk(error: &io::Error) -> Status {
    Status::internal(format!("the snapshot is not taken: {error}"))
}

fn stopped(error: &impl std::fmt::Display) -> Status {
    Status::unavailable(error.to_string())
}

/// The requests of an append stream, up to the first that is not the peer's own.
fn requests(
    frames: Streaming<Frame>,
    peer: NodeId,
) -> impl Stream<Item = AppendEntriesRequest<TypeConfig>> + Send + 'static {
    futures::stream::unfold(frames, move |mut frames| async move {
        let frame = frames.message().await.ok()??;
        let request: AppendEntriesRequest<TypeConfig> = codec::value(&frame).ok()?;
        same(peer, request.vote.leader_id.node_id).ok()?;
        Some((request, frames))
    })
}

#[tonic::async_trait]
impl Peer for Server {
    async fn vote(&self, call: Request<Frame>) -> Result<Response<Frame>, Status> {
        let peer = self.parts.admission.admit(&call)?;
        let request: VoteRequest<TypeConfig> = codec::value(call.get_ref())?;
        same(peer, request.vote.leader_id.node_id)?;
        let reply = self.parts.admission.raft.vote(request).await;
        codec::answer(&reply.map_err(|error| stopped(&error))?)
    }

    async fn pre_vote(&self, call: Request<Frame>) -> Result<Response<Frame>, Status> {
        let peer = self.parts.admission.admit(&call)?;
        let request: VoteRequest<TypeConfig> = codec::value(call.get_ref())?;
        same(peer, request.vote.leader_id.node_id)?;
        let reply = self.parts.admission.raft.pre_vote(request).await;
        codec::answer(&reply.map_err(|error| stopped(&error))?)
    }

    type AppendStream = BoxStream<'static, Result<Frame, Status>>;

    async fn append(
        &self,
        call: Request<Streaming<Frame>>,
    ) -> Result<Response<Self::AppendStream>, Status> {
        let peer = self.parts.admission.admit(&call)?;
        let replies = self.parts.admission.raft.stream_append(requests(call.into_inner(), peer));
        // Ends before the consensus does: a request without a reply is one that the leader repeats, not an error to log.
        let replies = replies.take_until(self.stop.clone().cancelled_owned());
        Ok(Response::new(Box::pin(replies.map(|reply| {
            let reply = AppendReply(reply.map_err(|error| stopped(&error))?);
            codec::frame(&reply).map_err(|error| Status::internal(error.to_string()))
        }))))
    }

    async fn snapshot(&self, call: Request<Streaming<Frame>>) -> Result<Response<Frame>, Status> {
        let peer = self.parts.admission.admit(&call)?;
        codec::answer(&self.receive(peer, call.into_inner()).await?)
    }

    async fn transfer_leader(&self, call: Request<Frame>) -> Result<Response<Frame>, Status> {
        let peer = self.parts.admission.admit(&call)?;
        let request: TransferLeaderRequest<TypeConfig> = codec::value(call.get_ref())?;
        same(peer, request.from_leader().leader_id.node_id)?;
        let reply = self.parts.admission.raft.handle_transfer_leader(request).await;
        codec::answer(&reply.map_err(|error| stopped(&error))?)
    }

    async fn greet(&self, call: Request<Frame>) -> Result<Response<Frame>, Status> {
        self.parts.admission.admit(&call)?;
        let _: Greeting = codec::value(call.get_ref())?;
        let applied = self.parts.admission.state.applied();
        codec::answer(&GreetingReply { wall_ms: self.parts.clocks.own_ms(), applied })
    }

    async fn keep_segments(&self, call: Request<Frame>) -> Result<Response<Frame>, Status> {
        self.parts.admission.admit(&call)?;
        let (shelf, turn) = self.shelf().await?;
        let KeepSegments { segments } = codec::value(call.get_ref())?;
        // A task of its own: a write that a slow disk holds keeps its turn when the caller has given up.
        let keeping = tokio::spawn(async move {
            let kept = shelf.keep(segments).await;
            drop(turn);
            kept
        });
        let kept = keeping.await.unwrap_or(false);
        codec::answer(if kept { &KeepSegmentsReply::Kept } else { &KeepSegmentsReply::NotKept })
    }

    async fn fetch_segment(&self, call: Request<Frame>) -> Result<Response<Frame>, Status> {
        self.parts.admission.admit(&call)?;
        let FetchSegment { digest } = codec::value(call.get_ref())?;
        let (shelf, _turn) = self.shelf().await?;
        codec::answer(&FetchSegmentReply(shelf.fetch(digest).await))
    }

    async fn propose(&self, call: Request<Frame>) -> Result<Response<Frame>, Status> {
        self.parts.admission.admit(&call)?;
        let request: ProposeRequest = codec::value(call.get_ref())?;
        let within = Duration::from_millis(request.within_ms).min(LONGEST);
        let replies = self.parts.proposer.forwarded(request.commands, within).await;
        codec::answer(&ProposeReply(replies))
    }

    async fn read_index(&self, call: Request<Frame>) -> Result<Response<Frame>, Status> {
        let peer = self.parts.admission.admit(&call)?;
        let request: ReadIndexRequest = codec::value(call.get_ref())?;
        let answer = self.parts.reader.answer(peer, request.mark);
        let index = timeout(LONGEST, answer).await.ok().flatten();
        codec::answer(&index.map_or(ReadIndexReply::Unconfirmed, ReadIndexReply::At))
    }
}
