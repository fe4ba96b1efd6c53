//! The consensus library's calls to peers, carried over the connections of [`Peers`].

use std::future::Future;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt};
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::{
    Backoff, NetBackoff, NetSnapshot, NetStreamAppend, NetTransferLeader, NetVote, RPCOption,
};
use openraft::raft::{
    AppendEntriesRequest, SnapshotResponse, StreamAppendResult, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use openraft::{OptionalSend, RaftNetworkFactory};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::peers::Peer;
use super::proto::Frame;
use super::{CallError, Lane, Peers, SNAPSHOT_FRAME_BYTES, codec};
use crate::encoding::{AppendReply, SnapshotHeader, SnapshotReply};
use crate::raft_types::{Member, NodeId, Snapshot, TypeConfig, Vote};
use crate::snapshot::SnapshotFile;

/// Opening a stream of appends; a live connection answers at once.
const OPEN_STREAM: Duration = Duration::from_secs(2);
/// Sending and installing a whole snapshot. A transfer that is cut off begins anew.
const SNAPSHOT_TIMEOUT: Duration = Duration::from_mins(10);
/// Frames of a snapshot that are read ahead of the network.
pub(super) const SNAPSHOT_FRAMES_AHEAD: usize = 2;
/// Pauses before a peer that cannot be reached is tried again: a heartbeat's length, so that a peer that comes back hears
/// of it as soon as it would have anyway.
const BACKOFF: Duration = Duration::from_millis(100);

/// Makes a client for every peer.
#[derive(Debug, Clone)]
pub(crate) struct Network {
    pub(crate) peers: Arc<Peers>,
}

/// One peer on one lane.
#[derive(Debug)]
pub(crate) struct Client {
    peers: Arc<Peers>,
    to: NodeId,
    member: Member,
    lane: Lane,
    /// When the last stream could not be opened. The consensus library paces only what is read from its requests, and of
    /// a stream that is not opened none are read: without this it would try again at once, for ever.
    failed: Option<Instant>,
}

type RaftError = RPCError<TypeConfig>;

impl Client {
    fn peer(&self) -> Result<Peer, RaftError> {
        self.peers.peer((self.to, self.member.clone(), self.lane)).map_err(failed)
    }

    /// Leaves a peer alone for a moment after a stream to it could not be opened.
    async fn rest(&mut self) {
        if let Some(failed) = self.failed.take() {
            sleep_until(failed + BACKOFF).await;
        }
    }
}

impl Network {
    fn client(&self, to: NodeId, member: &Member, lane: Lane) -> Client {
        Client { peers: self.peers.clone(), to, member: member.clone(), lane, failed: None }
    }
}

impl RaftNetworkFactory<TypeConfig> for Network {
    type Network = Client;

    async fn new_client(&mut self, to: NodeId, member: &Member) -> Client {
        self.client(to, member, Lane::Log)
    }

    async fn new_heartbeat_client(&mut self, to: NodeId, member: &Member) -> Client {
        self.client(to, member, Lane::Heartbeat)
    }

    async fn new_snapshot_client(&mut self, to: NodeId, member: &Member) -> Client {
        self.client(to, member, Lane::Snapshot)
    }
}

/// A peer that is not there is left alone for a moment; anything else is tried again.
fn failed(error: impl Into<CallError>) -> RaftError {
    let error = error.into();
    match &error {
        CallError::Status(status) if status.code() == tonic::Code::Unavailable => {
            RPCError::Unreachable(Unreachable::new(&error))
        }
        CallError::Status(status) if status.code() == tonic::Code::FailedPrecondition => {
            tracing::warn!(message = status.message(), "a peer refuses this node's calls");
            RPCError::Unreachable(Unreachable::new(&error))
        }
        CallError::Address(_) => RPCError::Unreachable(Unreachable::new(&error)),
        CallError::Status(_) | CallError::Encoding(_) => {
            RPCError::Network(NetworkError::new(&error))
        }
    }
}

type Replies<'s> = BoxStream<'s, Result<StreamAppendResult<TypeConfig>, RaftError>>;

impl NetStreamAppend<TypeConfig> for Client {
    fn stream_append<S>(
        &mut self,
        input: S,
        _option: RPCOption,
    ) -> BoxFuture<'_, Result<Replies<'_>, RaftError>>
    where
        S: Stream<Item = AppendEntriesRequest<TypeConfig>> + OptionalSend + Unpin + 'static,
    {
        Box::pin(async move {
            self.rest().await;
            let opened = self.open_stream(input).await;
            if opened.is_err() {
                self.failed = Some(Instant::now());
            }
            opened
        })
    }
}

impl Client {
    async fn open_stream<'s, S>(&self, input: S) -> Result<Replies<'s>, RaftError>
    where
        S: Stream<Item = AppendEntriesRequest<TypeConfig>> + OptionalSend + Unpin + 'static,
    {
        let mut peer = self.peer()?;
        // What cannot be encoded ends the stream; the peer then answers nothing more.
        let frames = input
            .map(|request| codec::frame(&request))
            .take_while(|frame| futures::future::ready(frame.is_ok()));
        let call = peer.call(frames.filter_map(|frame| futures::future::ready(frame.ok())));
        let opened = tokio::time::timeout(OPEN_STREAM, peer.client.append(call)).await;
        let replies = opened
            .unwrap_or_else(|_| Err(Status::unavailable("the peer does not open the stream")))
            .map_err(failed)?
            .into_inner();
        Ok(Box::pin(replies.map(|frame| {
            let reply = frame.and_then(|frame| codec::value::<AppendReply>(&frame));
            reply.map(|reply| reply.0).map_err(failed)
        })))
    }
}

impl NetVote<TypeConfig> for Client {
    async fn vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RaftError> {
        let mut peer = self.peer()?;
        let call = peer.call_within(&request, option.soft_ttl()).map_err(failed)?;
        codec::value(peer.client.vote(call).await.map_err(failed)?.get_ref()).map_err(failed)
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RaftError> {
        let mut peer = self.peer()?;
        let call = peer.call_within(&request, option.soft_ttl()).map_err(failed)?;
        codec::value(peer.client.pre_vote(call).await.map_err(failed)?.get_ref()).map_err(failed)
    }
}

impl NetTransferLeader<TypeConfig> for Client {
    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<TypeConfig>, RaftError> {
        let mut peer = self.peer()?;
        let call = peer.call_within(&request, option.soft_ttl()).map_err(failed)?;
        let answer = peer.client.transfer_leader(call).await.map_err(failed)?;
        codec::value(answer.get_ref()).map_err(failed)
    }
}

impl NetBackoff<TypeConfig> for Client {
    fn backoff(&self) -> Option<Backoff> {
        Some(Backoff::new(std::iter::repeat(BACKOFF)))
    }
}

impl NetSnapshot<TypeConfig> for Client {
    type SnapshotData = SnapshotFile;

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snapshot,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        let sent = tokio::time::timeout(SNAPSHOT_TIMEOUT, self.send(vote, snapshot));
        tokio::select! {
            closed = cancel => Err(StreamingError::Closed(closed)),
            sent = sent => {
                let late = |_| Err(failed(Status::deadline_exceeded("the snapshot takes too long")));
                sent.unwrap_or_else(late).map_err(StreamingError::from)
            }
        }
    }
}

impl Client {
    async fn send(
        &self,
        vote: Vote,
        snapshot: Snapshot,
    ) -> Result<SnapshotResponse<TypeConfig>, RaftError> {
        let mut peer = self.peer()?;
        let file = snapshot.snapshot.file;
        let length = file.metadata().map_err(|error| unreadable(&error))?.len();
        let header = SnapshotHeader { vote, meta: snapshot.meta, length };
        let (frames, stream) = mpsc::channel(SNAPSHOT_FRAMES_AHEAD);
        let header = codec::frame(&header).map_err(failed)?;
        let reading = tokio::task::spawn_blocking(move || read_out(file, header, &frames));
        let answer = peer.client.snapshot(peer.call(ReceiverStream::new(stream))).await;
        if let Ok(Err(error)) = reading.await {
            return Err(unreadable(&error));
        }
        let answer = answer.map_err(failed)?;
        let reply: SnapshotReply = codec::value(answer.get_ref()).map_err(failed)?;
        Ok(SnapshotResponse::new(reply.0))
    }
}

fn unreadable(error: &io::Error) -> RaftError {
    RPCError::Network(NetworkError::new(error))
}

/// Reads the file a frame at a time, as fast as the peer takes them.
pub(super) fn read_out(
    mut file: std::fs::File,
    header: Frame,
    frames: &mpsc::Sender<Frame>,
) -> io::Result<()> {
    file.seek(SeekFrom::Start(0))?;
    let mut next = Some(header);
    while let Some(frame) = next {
        if frames.blocking_send(frame).is_err() {
            // The peer hung up; its answer says why.
            return Ok(());
        }
        let mut piece = Vec::with_capacity(SNAPSHOT_FRAME_BYTES);
        (&mut file).take(SNAPSHOT_FRAME_BYTES as u64).read_to_end(&mut piece)?;
        next = (!piece.is_empty()).then(|| Frame { data: piece.into() });
    }
    Ok(())
}
