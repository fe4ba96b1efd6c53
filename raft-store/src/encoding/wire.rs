//! What nodes send each other, inside the frames of `proto/peer.proto`.

use openraft::raft::{
    AppendEntriesRequest, StreamAppendError, TransferLeaderError, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use serde::{Deserialize, Serialize};

use super::blob::Blob;
use super::parts::{EntryV1, LogIdV1, MarkV1, SnapshotMetaV1, VoteV1};
use super::{Encoded, EncodingError, read, write};
use crate::raft_types::{LogId, Mark, SnapshotMeta, TypeConfig, Vote};

/// Makes [`Encoded`] out of a pair of conversions with a mirror type.
macro_rules! encoded {
    ($outer:ty, $mirror:ty) => {
        impl Encoded for $outer {
            fn encode(&self) -> Result<Vec<u8>, EncodingError> {
                write(&<$mirror>::from(self))
            }

            fn decode(bytes: &[u8]) -> Result<Self, EncodingError> {
                read::<$mirror>(bytes)?.try_into()
            }
        }
    };
}

#[derive(Serialize, Deserialize)]
struct AppendRequestV1<'a> {
    vote: VoteV1,
    previous: Option<LogIdV1>,
    #[serde(borrow)]
    entries: Vec<EntryV1<'a>>,
    commit: Option<LogIdV1>,
}

impl<'a> From<&'a AppendEntriesRequest<TypeConfig>> for AppendRequestV1<'a> {
    fn from(request: &'a AppendEntriesRequest<TypeConfig>) -> Self {
        Self {
            vote: (&request.vote).into(),
            previous: request.prev_log_id.as_ref().map(LogIdV1::from),
            entries: request.entries.iter().map(EntryV1::from).collect(),
            commit: request.leader_commit.as_ref().map(LogIdV1::from),
        }
    }
}

impl TryFrom<AppendRequestV1<'_>> for AppendEntriesRequest<TypeConfig> {
    type Error = EncodingError;

    fn try_from(request: AppendRequestV1<'_>) -> Result<Self, EncodingError> {
        Ok(Self {
            vote: request.vote.into(),
            prev_log_id: request.previous.map(LogId::from),
            entries: request
                .entries
                .into_iter()
                .map(EntryV1::into_entry)
                .collect::<Result<_, _>>()?,
            leader_commit: request.commit.map(LogId::from),
        })
    }
}

encoded!(AppendEntriesRequest<TypeConfig>, AppendRequestV1<'_>);

/// The follower's answer to one append of the stream.
pub(crate) struct AppendReply(pub(crate) Result<Option<LogId>, StreamAppendError<TypeConfig>>);

#[derive(Serialize, Deserialize)]
enum AppendReplyV1 {
    Matching(Option<LogIdV1>),
    Conflict(LogIdV1),
    HigherVote(VoteV1),
}

impl From<&AppendReply> for AppendReplyV1 {
    fn from(reply: &AppendReply) -> Self {
        match &reply.0 {
            Ok(id) => Self::Matching(id.as_ref().map(LogIdV1::from)),
            Err(StreamAppendError::Conflict(id)) => Self::Conflict(id.into()),
            Err(StreamAppendError::HigherVote(vote)) => Self::HigherVote(vote.into()),
        }
    }
}

impl TryFrom<AppendReplyV1> for AppendReply {
    type Error = EncodingError;

    fn try_from(reply: AppendReplyV1) -> Result<Self, EncodingError> {
        Ok(Self(match reply {
            AppendReplyV1::Matching(id) => Ok(id.map(LogId::from)),
            AppendReplyV1::Conflict(id) => Err(StreamAppendError::Conflict(id.into())),
            AppendReplyV1::HigherVote(vote) => Err(StreamAppendError::HigherVote(vote.into())),
        }))
    }
}

encoded!(AppendReply, AppendReplyV1);

#[derive(Serialize, Deserialize)]
struct VoteRequestV1 {
    vote: VoteV1,
    last: Option<LogIdV1>,
    leadership_transfer: bool,
}

impl From<&VoteRequest<TypeConfig>> for VoteRequestV1 {
    fn from(request: &VoteRequest<TypeConfig>) -> Self {
        Self {
            vote: (&request.vote).into(),
            last: request.last_log_id.as_ref().map(LogIdV1::from),
            leadership_transfer: request.leadership_transfer,
        }
    }
}

impl TryFrom<VoteRequestV1> for VoteRequest<TypeConfig> {
    type Error = EncodingError;

    fn try_from(request: VoteRequestV1) -> Result<Self, EncodingError> {
        Ok(Self {
            vote: request.vote.into(),
            last_log_id: request.last.map(LogId::from),
            leadership_transfer: request.leadership_transfer,
        })
    }
}

encoded!(VoteRequest<TypeConfig>, VoteRequestV1);

#[derive(Serialize, Deserialize)]
struct VoteReplyV1 {
    vote: VoteV1,
    granted: bool,
    last: Option<LogIdV1>,
}

impl From<&VoteResponse<TypeConfig>> for VoteReplyV1 {
    fn from(reply: &VoteResponse<TypeConfig>) -> Self {
        Self {
            vote: (&reply.vote).into(),
            granted: reply.vote_granted,
            last: reply.last_log_id.as_ref().map(LogIdV1::from),
        }
    }
}

impl TryFrom<VoteReplyV1> for VoteResponse<TypeConfig> {
    type Error = EncodingError;

    fn try_from(reply: VoteReplyV1) -> Result<Self, EncodingError> {
        Ok(Self {
            vote: reply.vote.into(),
            vote_granted: reply.granted,
            last_log_id: reply.last.map(LogId::from),
        })
    }
}

encoded!(VoteResponse<TypeConfig>, VoteReplyV1);

#[derive(Serialize, Deserialize)]
struct TransferRequestV1 {
    from: VoteV1,
    to: u64,
    last: Option<LogIdV1>,
}

impl From<&TransferLeaderRequest<TypeConfig>> for TransferRequestV1 {
    fn from(request: &TransferLeaderRequest<TypeConfig>) -> Self {
        Self {
            from: request.from_leader().into(),
            to: *request.to_node_id(),
            last: request.last_log_id().map(LogIdV1::from),
        }
    }
}

impl TryFrom<TransferRequestV1> for TransferLeaderRequest<TypeConfig> {
    type Error = EncodingError;

    fn try_from(request: TransferRequestV1) -> Result<Self, EncodingError> {
        Ok(Self::new(request.from.into(), request.to, request.last.map(LogId::from)))
    }
}

encoded!(TransferLeaderRequest<TypeConfig>, TransferRequestV1);

#[derive(Serialize, Deserialize)]
enum TransferReplyV1 {
    Done,
    VoteChanged { expected: VoteV1, actual: VoteV1 },
    LogNotFlushed { expected: Option<LogIdV1>, actual: Option<LogIdV1> },
}

impl From<&TransferLeaderResponse<TypeConfig>> for TransferReplyV1 {
    fn from(reply: &TransferLeaderResponse<TypeConfig>) -> Self {
        match reply {
            Ok(()) => Self::Done,
            Err(TransferLeaderError::VoteChanged { expected, actual }) => {
                Self::VoteChanged { expected: expected.into(), actual: actual.into() }
            }
            Err(TransferLeaderError::LogNotFlushed { expected, actual }) => Self::LogNotFlushed {
                expected: expected.as_ref().map(LogIdV1::from),
                actual: actual.as_ref().map(LogIdV1::from),
            },
        }
    }
}

impl From<TransferReplyV1> for TransferLeaderResponse<TypeConfig> {
    fn from(reply: TransferReplyV1) -> Self {
        match reply {
            TransferReplyV1::Done => Ok(()),
            TransferReplyV1::VoteChanged { expected, actual } => {
                Err(TransferLeaderError::VoteChanged {
                    expected: expected.into(),
                    actual: actual.into(),
                })
            }
            TransferReplyV1::LogNotFlushed { expected, actual } => {
                Err(TransferLeaderError::LogNotFlushed {
                    expected: expected.map(LogId::from),
                    actual: actual.map(LogId::from),
                })
            }
        }
    }
}

impl Encoded for TransferLeaderResponse<TypeConfig> {
    fn encode(&self) -> Result<Vec<u8>, EncodingError> {
        write(&TransferReplyV1::from(self))
    }

    fn decode(bytes: &[u8]) -> Result<Self, EncodingError> {
        Ok(read::<TransferReplyV1>(bytes)?.into())
    }
}

/// The first frame of a snapshot; the file's bytes follow.
pub(crate) struct SnapshotHeader {
    pub(crate) vote: Vote,
    pub(crate) meta: SnapshotMeta,
    /// How many bytes follow.
    pub(crate) length: u64,
}

#[derive(Serialize, Deserialize)]
struct SnapshotHeaderV1 {
    vote: VoteV1,
    meta: SnapshotMetaV1,
    length: u64,
}

impl From<&SnapshotHeader> for SnapshotHeaderV1 {
    fn from(header: &SnapshotHeader) -> Self {
        let (vote, meta) = ((&header.vote).into(), (&header.meta).into());
        Self { vote, meta, length: header.length }
    }
}

impl TryFrom<SnapshotHeaderV1> for SnapshotHeader {
    type Error = EncodingError;

    fn try_from(header: SnapshotHeaderV1) -> Result<Self, EncodingError> {
        let (vote, meta) = (header.vote.into(), header.meta.try_into()?);
        Ok(Self { vote, meta, length: header.length })
    }
}

encoded!(SnapshotHeader, SnapshotHeaderV1);

/// The receiver's vote after a snapshot.
pub(crate) struct SnapshotReply(pub(crate) Vote);

impl Encoded for SnapshotReply {
    fn encode(&self) -> Result<Vec<u8>, EncodingError> {
        write(&VoteV1::from(&self.0))
    }

    fn decode(bytes: &[u8]) -> Result<Self, EncodingError> {
        Ok(Self(read::<VoteV1>(bytes)?.into()))
    }
}

/// Commands of a follower's callers, for the leader to propose.
pub(crate) struct ProposeRequest {
    pub(crate) commands: Vec<Vec<u8>>,
    /// How long the callers still wait, in milliseconds.
    pub(crate) within_ms: u64,
}

#[derive(Serialize, Deserialize)]
struct ProposeRequestV1<'a> {
    #[serde(borrow)]
    commands: Vec<Blob<'a>>,
    within_ms: u64,
}

impl<'a> From<&'a ProposeRequest> for ProposeRequestV1<'a> {
    fn from(request: &'a ProposeRequest) -> Self {
        let commands = request.commands.iter().map(|command| Blob::of(command)).collect();
        Self { commands, within_ms: request.within_ms }
    }
}

impl TryFrom<ProposeRequestV1<'_>> for ProposeRequest {
    type Error = EncodingError;

    fn try_from(request: ProposeRequestV1<'_>) -> Result<Self, EncodingError> {
        let commands = request.commands.into_iter().map(Blob::into_vec).collect();
        Ok(Self { commands, within_ms: request.within_ms })
    }
}

encoded!(ProposeRequest, ProposeRequestV1<'_>);

/// What became of one forwarded command.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ForwardedReply {
    /// Committed and applied by the leader.
    Committed { index: u64, reply: Vec<u8> },
    /// The leader's queue has no room.
    Full,
    /// Not committed in time, or not by this node. Whether it will be is unknown.
    Unsettled,
}

/// The leader's answer to a [`ProposeRequest`]: one for each command, in order.
pub(crate) struct ProposeReply(pub(crate) Vec<ForwardedReply>);

#[derive(Serialize, Deserialize)]
enum ForwardedReplyV1<'a> {
    Committed {
        index: u64,
        #[serde(borrow)]
        reply: Blob<'a>,
    },
    Full,
    Unsettled,
}

#[derive(Serialize, Deserialize)]
struct ProposeReplyV1<'a>(#[serde(borrow)] Vec<ForwardedReplyV1<'a>>);

impl<'a> From<&'a ProposeReply> for ProposeReplyV1<'a> {
    fn from(reply: &'a ProposeReply) -> Self {
        let one = |reply: &'a ForwardedReply| match reply {
            ForwardedReply::Committed { index, reply } => {
                ForwardedReplyV1::Committed { index: *index, reply: Blob::of(reply) }
            }
            ForwardedReply::Full => ForwardedReplyV1::Full,
            ForwardedReply::Unsettled => ForwardedReplyV1::Unsettled,
        };
        Self(reply.0.iter().map(one).collect())
    }
}

impl TryFrom<ProposeReplyV1<'_>> for ProposeReply {
    type Error = EncodingError;

    fn try_from(reply: ProposeReplyV1<'_>) -> Result<Self, EncodingError> {
        let one = |reply: ForwardedReplyV1<'_>| match reply {
            ForwardedReplyV1::Committed { index, reply } => {
                ForwardedReply::Committed { index, reply: reply.into_vec() }
            }
            ForwardedReplyV1::Full => ForwardedReply::Full,
            ForwardedReplyV1::Unsettled => ForwardedReply::Unsettled,
        };
        Ok(Self(reply.0.into_iter().map(one).collect()))
    }
}

encoded!(ProposeReply, ProposeReplyV1<'_>);

/// A follower asks how far it must have applied before it may answer a read.
pub(crate) struct ReadIndexRequest {
    /// The follower's hash at its last checkpoint, so that the leader hears of a difference too.
    pub(crate) mark: Option<Mark>,
}

#[derive(Serialize, Deserialize)]
struct ReadIndexRequestV1 {
    mark: Option<MarkV1>,
}

impl From<&ReadIndexRequest> for ReadIndexRequestV1 {
    fn from(request: &ReadIndexRequest) -> Self {
        Self { mark: request.mark.as_ref().map(MarkV1::from) }
    }
}

impl TryFrom<ReadIndexRequestV1> for ReadIndexRequest {
    type Error = EncodingError;

    fn try_from(request: ReadIndexRequestV1) -> Result<Self, EncodingError> {
        Ok(Self { mark: request.mark.map(Mark::from) })
    }
}

encoded!(ReadIndexRequest, ReadIndexRequestV1);

/// The answer to a [`ReadIndexRequest`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ReadIndexReply {
    /// A quorum confirmed the leader; everything up to this index was committed when the question came.
    At(u64),
    /// The node asked is not the leader, or could not reach a quorum.
    Unconfirmed,
}

#[derive(Serialize, Deserialize)]
enum ReadIndexReplyV1 {
    At(u64),
    Unconfirmed,
}

impl From<&ReadIndexReply> for ReadIndexReplyV1 {
    fn from(reply: &ReadIndexReply) -> Self {
        match reply {
            ReadIndexReply::At(index) => Self::At(*index),
            ReadIndexReply::Unconfirmed => Self::Unconfirmed,
        }
    }
}

impl TryFrom<ReadIndexReplyV1> for ReadIndexReply {
    type Error = EncodingError;

    fn try_from(reply: ReadIndexReplyV1) -> Result<Self, EncodingError> {
        Ok(match reply {
            ReadIndexReplyV1::At(index) => Self::At(index),
            ReadIndexReplyV1::Unconfirmed => Self::Unconfirmed,
        })
    }
}

encoded!(ReadIndexReply, ReadIndexReplyV1);

/// Keeps a connection open, and asks for the peer's clock and what it has applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Greeting;

#[derive(Serialize, Deserialize)]
struct GreetingV1;

impl From<&Greeting> for GreetingV1 {
    fn from(Greeting: &Greeting) -> Self {
        Self
    }
}

impl TryFrom<GreetingV1> for Greeting {
    type Error = EncodingError;

    fn try_from(GreetingV1: GreetingV1) -> Result<Self, EncodingError> {
        Ok(Self)
    }
}

encoded!(Greeting, GreetingV1);

/// The answer to a [`Greeting`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct GreetingReply {
    /// The wall clock of the node that answers, in milliseconds since 1970.
    pub(crate) wall_ms: u64,
    /// The last entry that it has applied.
    pub(crate) applied: u64,
}

#[derive(Serialize, Deserialize)]
struct GreetingReplyV1 {
    wall_ms: u64,
    applied: u64,
}

impl From<&GreetingReply> for GreetingReplyV1 {
    fn from(reply: &GreetingReply) -> Self {
        Self { wall_ms: reply.wall_ms, applied: reply.applied }
    }
}

impl TryFrom<GreetingReplyV1> for GreetingReply {
    type Error = EncodingError;

    fn try_from(reply: GreetingReplyV1) -> Result<Self, EncodingError> {
        Ok(Self { wall_ms: reply.wall_ms, applied: reply.applied })
    }
}

encoded!(GreetingReply, GreetingReplyV1);
