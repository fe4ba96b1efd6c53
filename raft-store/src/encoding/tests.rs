//! The bytes of version 1 are frozen: `frozen/v1.txt` is never edited, only added to.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use openraft::raft::{
    AppendEntriesRequest, StreamAppendError, TransferLeaderError, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use openraft::vote::RaftLeaderId;

use super::*;
use crate::disk::Slot;
use crate::high_water::Acknowledged;
use crate::identity_file::Identity;
use crate::raft_types::{
    Entry, EntryData, LogId, Mark, Member, Membership, SnapshotMeta, StorageId, StoredMembership,
    TypeConfig, Vote,
};
use crate::snapshot::SnapshotHead;
use crate::state_hash::StateHash;
use crate::state_machine::AppliedState;

fn id(index: u64) -> LogId {
    LogId::new(openraft::alias::LeaderIdOf::<TypeConfig>::new(300, 2), index)
}

fn mark() -> Mark {
    Mark { index: 17, hash: StateHash::from_bytes([9; 32]) }
}

fn membership() -> Membership {
    let member = |number: u8| Member {
        address: format!("10.0.0.{number}:7000"),
        storage: StorageId([number; 16]),
    };
    let members: BTreeMap<u64, Member> = (1..=3).map(|n| (u64::from(n), member(n))).collect();
    Membership::new(vec![BTreeSet::from([1, 2]), BTreeSet::from([2])], members).unwrap()
}

fn stored_membership() -> StoredMembership {
    StoredMembership::new(Some(id(4)), membership())
}

fn meta() -> SnapshotMeta {
    SnapshotMeta { last_log_id: Some(id(5)), last_membership: stored_membership() }
}

fn entry(payload: openraft::alias::PayloadOf<TypeConfig>) -> Entry {
    Entry { log_id: id(1000), payload }
}

fn batch() -> Entry {
    let commands = vec![b"one".to_vec(), vec![], vec![0xff; 3]];
    let commands = commands.into();
    entry(openraft::EntryPayload::Normal(EntryData::Batch { at_ms: 1_700_000_000_000, commands }))
}

fn bytes(encoded: Result<Vec<u8>, EncodingError>) -> Vec<u8> {
    encoded.unwrap()
}

/// Everything that is stored or sent.
fn all() -> Vec<(&'static str, Vec<u8>)> {
    [stored(), sent()].concat()
}

/// Everything that is stored, one or more of each.
fn stored() -> Vec<(&'static str, Vec<u8>)> {
    let checkpoint = EntryData::Checkpoint { of: Some(mark()) };
    let applied = AppliedState {
        applied: Some(id(6)),
        membership: stored_membership(),
        hash: StateHash::from_bytes([8; 32]),
        mark: Some(mark()),
        diverged_at: Some(3),
        greatest_id: 12,
        slot: Slot::B,
    };
    let head = SnapshotHead {
        meta: meta(),
        hash: StateHash::from_bytes([7; 32]),
        mark: None,
        greatest_id: 12,
    };
    let acknowledged = Acknowledged { last: Some(id(9)), vote: Some(Vote::new(301, 1)) };
    let identity = Identity { cluster: "blue".into(), node: 2, storage: StorageId([5; 16]) };
    vec![
        ("entry_blank", bytes(entry(openraft::EntryPayload::Blank).encode())),
        ("entry_batch", bytes(batch().encode())),
        ("entry_checkpoint", bytes(entry(openraft::EntryPayload::Normal(checkpoint)).encode())),
        (
            "entry_membership",
            bytes(entry(openraft::EntryPayload::Membership(membership())).encode()),
        ),
        ("log_id", bytes(id(70_000).encode())),
        ("vote", bytes(Vote::new_committed(300, 2).encode())),
        ("applied_state", bytes(applied.encode())),
        ("snapshot_head", bytes(head.encode())),
        ("high_water", bytes((77u64, acknowledged).encode())),
        ("identity", bytes(identity.encode())),
    ]
}

/// Everything that is sent, one or more of each.
fn sent() -> Vec<(&'static str, Vec<u8>)> {
    let append = AppendEntriesRequest::<TypeConfig> {
        vote: Vote::new_committed(300, 2),
        prev_log_id: Some(id(999)),
        entries: vec![batch()],
        leader_commit: None,
    };
    let vote = VoteRequest::<TypeConfig> {
        vote: Vote::new(301, 1),
        last_log_id: Some(id(9)),
        leadership_transfer: true,
    };
    let vote_reply = VoteResponse::<TypeConfig>::new(Vote::new(301, 1), Some(id(9)), true);
    let transfer =
        TransferLeaderRequest::<TypeConfig>::new(Vote::new_committed(300, 2), 3, Some(id(9)));
    let refused: TransferLeaderResponse<TypeConfig> =
        Err(TransferLeaderError::LogNotFlushed { expected: Some(id(9)), actual: None });
    let header = SnapshotHeader { vote: Vote::new_committed(300, 2), meta: meta(), length: 70_000 };
    let propose = ProposeRequest { commands: vec![b"c".to_vec()], within_ms: 900 };
    let proposed = ProposeReply(vec![
        ForwardedReply::Committed { index: 8, reply: b"r".to_vec() },
        ForwardedReply::Full,
        ForwardedReply::Unsettled,
    ]);
    vec![
        ("append", bytes(append.encode())),
        ("append_matching", bytes(AppendReply(Ok(Some(id(9)))).encode())),
        ("append_conflict", bytes(AppendReply(Err(StreamAppendError::Conflict(id(9)))).encode())),
        (
            "append_higher_vote",
            bytes(AppendReply(Err(StreamAppendError::HigherVote(Vote::new(302, 3)))).encode()),
        ),
        ("vote_request", bytes(vote.encode())),
        ("vote_reply", bytes(vote_reply.encode())),
        ("transfer", bytes(transfer.encode())),
        ("transfer_done", bytes(TransferLeaderResponse::<TypeConfig>::Ok(()).encode())),
        ("transfer_refused", bytes(refused.encode())),
        ("snapshot_header", bytes(header.encode())),
        ("snapshot_reply", bytes(SnapshotReply(Vote::new(301, 1)).encode())),
        ("propose", bytes(propose.encode())),
        ("propose_reply", bytes(proposed.encode())),
        ("read_index", bytes(ReadIndexRequest { mark: Some(mark()) }.encode())),
        ("read_index_at", bytes(ReadIndexReply::At(5).encode())),
        ("read_index_unconfirmed", bytes(ReadIndexReply::Unconfirmed.encode())),
        (
            "keep_segments",
            bytes(
                KeepSegments { segments: vec![([7; 32], vec![1, 2, 3]), ([8; 32], vec![])] }
                    .encode(),
            ),
        ),
        ("keep_segments_kept", bytes(KeepSegmentsReply::Kept.encode())),
        ("keep_segments_not_kept", bytes(KeepSegmentsReply::NotKept.encode())),
        ("fetch_segment", bytes(FetchSegment { digest: [7; 32] }.encode())),
        ("fetch_segment_found", bytes(FetchSegmentReply(Some(vec![1, 2, 3])).encode())),
        ("fetch_segment_absent", bytes(FetchSegmentReply(None).encode())),
        ("greeting", bytes(Greeting.encode())),
        (
            "greeting_reply",
            bytes(GreetingReply { wall_ms: 1_700_000_000_000, applied: 7 }.encode()),
        ),
    ]
}

#[test]
fn the_bytes_of_version_1_are_frozen() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/encoding/frozen/v1.txt");
    let frozen = std::fs::read_to_string(path).unwrap();
    let now: Vec<String> =
        all().iter().map(|(name, bytes)| format!("{name} {}", hex::encode(bytes))).collect();
    let frozen: Vec<&str> = frozen.lines().collect();
    assert_eq!(frozen, now, "now:\n{}\n", now.join("\n"));
}

/// Reads bytes back, writes them again, and refuses them with another version, cut short or followed by more.
fn holds<T: Encoded>(name: &str, bytes: &[u8]) {
    assert_eq!(T::decode(bytes).ok().unwrap().encode().unwrap(), bytes, "{name}");
    let mut newer = bytes.to_vec();
    newer[0] = VERSION + 1;
    let refused = T::decode(&newer).err();
    assert!(matches!(refused, Some(EncodingError::UnknownVersion(2))), "{name}: {refused:?}");
    for length in 0..bytes.len() {
        assert!(T::decode(&bytes[..length]).is_err(), "{name} cut to {length}");
    }
    let longer = [bytes, &[0]].concat();
    assert!(T::decode(&longer).is_err(), "{name} with a byte more");
}

#[test]
fn what_is_written_is_read_back_and_nothing_else_is() {
    for (name, bytes) in all() {
        let bytes = bytes.as_slice();
        match name {
            "entry_blank" | "entry_batch" | "entry_checkpoint" | "entry_membership" => {
                holds::<Entry>(name, bytes);
            }
            "log_id" => holds::<LogId>(name, bytes),
            "vote" => holds::<Vote>(name, bytes),
            "applied_state" => holds::<AppliedState>(name, bytes),
            "snapshot_head" => holds::<SnapshotHead>(name, bytes),
            "high_water" => holds::<(u64, Acknowledged)>(name, bytes),
            "identity" => holds::<Identity>(name, bytes),
            "append" => holds::<AppendEntriesRequest<TypeConfig>>(name, bytes),
            "append_matching" | "append_conflict" | "append_higher_vote" => {
                holds::<AppendReply>(name, bytes);
            }
            "vote_request" => holds::<VoteRequest<TypeConfig>>(name, bytes),
            "vote_reply" => holds::<VoteResponse<TypeConfig>>(name, bytes),
            "transfer" => holds::<TransferLeaderRequest<TypeConfig>>(name, bytes),
            "transfer_done" | "transfer_refused" => {
                holds::<TransferLeaderResponse<TypeConfig>>(name, bytes);
            }
            "snapshot_header" => holds::<SnapshotHeader>(name, bytes),
            "snapshot_reply" => holds::<SnapshotReply>(name, bytes),
            "propose" => holds::<ProposeRequest>(name, bytes),
            "propose_reply" => holds::<ProposeReply>(name, bytes),
            "read_index" => holds::<ReadIndexRequest>(name, bytes),
            "read_index_at" | "read_index_unconfirmed" => holds::<ReadIndexReply>(name, bytes),
            "keep_segments" => holds::<KeepSegments>(name, bytes),
            "keep_segments_kept" | "keep_segments_not_kept" => {
                holds::<KeepSegmentsReply>(name, bytes);
            }
            "fetch_segment" => holds::<FetchSegment>(name, bytes),
            "fetch_segment_found" | "fetch_segment_absent" => {
                holds::<FetchSegmentReply>(name, bytes);
            }
            "greeting" => holds::<Greeting>(name, bytes),
            "greeting_reply" => holds::<GreetingReply>(name, bytes),
            other => panic!("no reader for {other}"),
        }
    }
}

#[test]
fn entries_keep_their_content() {
    let same = |entry: Entry| {
        let bytes = entry.encode().unwrap();
        let back = Entry::decode(&bytes).unwrap();
        assert!(back == entry, "{:?}", &back as &dyn Debug);
    };
    same(batch());
    same(entry(openraft::EntryPayload::Membership(membership())));
}
