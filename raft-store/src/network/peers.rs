//! The connections of this node to its peers: dialled lazily, kept alive, verified by name, one for each kind of traffic so
//! that a snapshot never stands in the way of a heartbeat.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use super::proto::Frame;
use super::proto::peer_client::PeerClient;
use super::tls::Tls;
use super::{CONNECT_TIMEOUT, FRAME_BYTES, KEEP_ALIVE, STORAGE, TO, codec};
use crate::encoding::{
    Encoded, EncodingError, FetchSegment, FetchSegmentReply, Greeting, GreetingReply, KeepSegments,
    KeepSegmentsReply, ProposeReply, ProposeRequest, ReadIndexReply, ReadIndexRequest,
};
use crate::raft_types::{Member, NodeId, StorageId};

/// The kinds of traffic that have a connection of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lane {
    Log,
    Heartbeat,
    Snapshot,
    Forward,
    Segment,
}

/// What could not be asked of a peer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    #[error("the address {0} cannot be dialled")]
    Address(String),
    #[error("the question cannot be encoded")]
    Encoding(#[from] EncodingError),
    #[error("the peer did not answer: {}", .0.message())]
    Status(#[from] Status),
}

/// A peer as it is dialled: the same node at another address or on another disk is another connection.
type Key = (NodeId, Member, Lane);

/// All connections of this node.
#[derive(Debug)]
pub(crate) struct Peers {
    tls: Arc<Tls>,
    runtime: tokio::runtime::Handle,
    overrides: BTreeMap<NodeId, String>,
    channels: Mutex<BTreeMap<(NodeId, Lane), (Member, Channel)>>,
}

/// A connection with what its calls must say.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    pub(super) client: PeerClient<Channel>,
    to: NodeId,
    storage: StorageId,
}

impl Peer {
    /// A call to exactly this node on exactly this disk.
    pub(super) fn call<T>(&self, content: T) -> Request<T> {
        let mut request = Request::new(content);
        let headers = request.metadata_mut();
        headers.insert(TO, MetadataValue::<Ascii>::from(self.to));
        if let Ok(storage) = self.storage.to_string().parse() {
            headers.insert(STORAGE, storage);
        }
        request
    }

    /// A call that ends after `within`.
    pub(super) fn call_within(
        &self,
        content: &impl Encoded,
        within: Duration,
    ) -> Result<Request<Frame>, EncodingError> {
        let mut request = self.call(codec::frame(content)?);
        request.set_timeout(within);
        Ok(request)
    }
}

impl Peers {
    /// Peers are dialled at their `overrides`, else at their address in the membership.
    pub(crate) fn new(
        tls: Arc<Tls>,
        runtime: tokio::runtime::Handle,
        overrides: BTreeMap<NodeId, String>,
    ) -> Self {
        Self { tls, runtime, overrides, channels: Mutex::new(BTreeMap::new()) }
    }

    /// The connection to a peer; it is opened when it is first used.
    pub(super) fn peer(&self, key: Key) -> Result<Peer, CallError> {
        let (to, member, lane) = key;
        let storage = member.storage;
        let mut channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
        let channel = match channels.get(&(to, lane)) {
            Some((known, channel)) if *known == member => channel.clone(),
            Some(_) | None => {
                let channel = self.channel(to, &member)?;
                channels.insert((to, lane), (member, channel.clone()));
                channel
            }
        };
        let client = PeerClient::new(channel)
            .max_decoding_message_size(FRAME_BYTES)
            .max_encoding_message_size(FRAME_BYTES);
        Ok(Peer { client, to, storage })
    }

    fn channel(&self, to: NodeId, member: &Member) -> Result<Channel, CallError> {
        let name = self.tls.cluster().node_name(to);
        // The scheme says that TLS is not tonic's business here; `dial` does it.
        let endpoint = Endpoint::from_shared(format!("http://{name}"))
            .map_err(|_| CallError::Address(name))?
            .connect_timeout(CONNECT_TIMEOUT)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE)
            .keep_alive_while_idle(true);
        let address = self.overrides.get(&to).unwrap_or(&member.address).clone();
        let tls = self.tls.clone();
        let _runtime = self.runtime.enter();
        Ok(endpoint.connect_with_connector_lazy(tower::service_fn(move |_| {
            let (tls, address) = (tls.clone(), address.clone());
            async move { dial(&tls, to, &address).await.map(TokioIo::new) }
        })))
    }

    /// Greets a peer on one of the connections to it.
    pub(super) async fn greet(
        &self,
        (id, member): (NodeId, Member),
        lane: Lane,
        within: Duration,
    ) -> Result<GreetingReply, CallError> {
        let mut peer = self.peer((id, member, lane))?;
        let call = peer.call_within(&Greeting, within)?;
        Ok(codec::value(peer.client.greet(call).await?.get_ref())?)
    }

    /// Hands commands to the leader.
    pub(crate) async fn propose(
        &self,
        (leader, member): (NodeId, Member),
        request: &ProposeRequest,
    ) -> Result<ProposeReply, CallError> {
        let mut peer = self.peer((leader, member, Lane::Forward))?;
        let call = peer.call_within(request, Duration::from_millis(request.within_ms))?;
        Ok(codec::value(peer.client.propose(call).await?.get_ref())?)
    }

    /// Hands segments of recordings to a peer.
    pub(crate) async fn keep_segments(
        &self,
        (to, member): (NodeId, Member),
        request: &KeepSegments,
        within: Duration,
    ) -> Result<KeepSegmentsReply, CallError> {
        let mut peer = self.peer((to, member, Lane::Segment))?;
        let call = peer.call_within(request, within)?;
        Ok(codec::value(peer.client.keep_segments(call).await?.get_ref())?)
    }

    /// Asks a peer for a segment of a recording.
    pub(crate) async fn fetch_segment(
        &self,
        (from, member): (NodeId, Member),
        request: &FetchSegment,
        within: Duration,
    ) -> Result<FetchSegmentReply, CallError> {
        let mut peer = self.peer((from, member, Lane::Segment))?;
        let call = peer.call_within(request, within)?;
        Ok(codec::value(peer.client.fetch_segment(call).await?.get_ref())?)
    }

    /// Asks the leader how far one must have applied.
    pub(crate) async fn read_index(
        &self,
        (leader, member): (NodeId, Member),
        request: &ReadIndexRequest,
        within: Duration,
    ) -> Result<ReadIndexReply, CallError> {
        let mut peer = self.peer((leader, member, Lane::Forward))?;
        let call = peer.call_within(request, within)?;
        Ok(codec::value(peer.client.read_index(call).await?.get_ref())?)
    }
}

/// Connects to node `to`, and accepts only a peer whose certificate is that node's.
async fn dial(tls: &Tls, to: NodeId, address: &str) -> io::Result<TlsStream<TcpStream>> {
    let connect = async {
        let tcp = TcpStream::connect(address).await?;
        tcp.set_nodelay(true)?;
        let name = ServerName::try_from(tls.cluster().node_name(to)).map_err(io::Error::other)?;
        let stream = TlsConnector::from(tls.client()).connect(name, tcp).await?;
        let certificates = stream.get_ref().1.peer_certificates();
        let leaf = certificates.and_then(|certificates| certificates.first());
        // The library would also accept a wildcard.
        if leaf.and_then(|leaf| tls.cluster().node_of(leaf)) == Some(to) {
            Ok(stream)
        } else {
            Err(io::Error::other("the peer presents another node's certificate"))
        }
    };
    tokio::time::timeout(CONNECT_TIMEOUT, connect).await?
}
