//! The index of recordings: segments follow each other, and the audit names the last one.

use super::harness::*;
use crate::{
    command::*,
    key_space,
    limits::{Limit, MAX_OPENED_KEYS, MAX_PLACES},
    records::*,
    reply::{Answer, StateRefusal},
};
use countersign_core::{
    id::NodeId,
    record::EventKind,
    recording::{DataKeyId, Position, SegmentDigest, segment::MAX_SEGMENT},
};
use std::collections::BTreeSet;

/// The n-th segment of the recording of session 1, which is on node 2.
fn segment(n: u8) -> RecordSegment {
    RecordSegment {
        session: ses(1),
        node: NodeId(2),
        sequence: u64::from(n),
        position: Position::Followed,
        digest: SegmentDigest([n; 32]),
        previous: SegmentDigest([n - 1; 32]),
        size: 100,
        places: BTreeSet::from([NodeId(2)]),
        key: WrappedKey { id: DataKeyId([7; 16]), by: [8; 16], sealed: vec![1; 60] },
    }
}

fn run(replica: &mut Replica, command: RecordSegment) -> crate::reply::Reply {
    replica.run(Command::RecordSegment(Box::new(command)))
}

fn close() -> Command {
    Command::CloseSession(CloseSession { id: ses(1), reason: "done".to_owned() })
}

fn recording(replica: &Replica) -> RecordingRecord {
    crate::state::get(&replica.state, &key_space::recording(ses(1))).unwrap().unwrap()
}

fn ready() -> Replica {
    let mut replica = Replica::ready();
    replica.opened(1, "bot");
    replica
}

#[test]
fn segments_follow_each_other_and_a_retry_changes_nothing() {
    let mut replica = ready();
    assert_eq!(refusal(run(&mut replica, segment(2))), StateRefusal::OutOfOrder { expected: 1 });
    run(&mut replica, segment(1)).unwrap();
    run(&mut replica, segment(2)).unwrap();
    let state = replica.state.clone();
    assert_eq!(run(&mut replica, segment(2)), Ok(Answer::Done));
    assert_eq!(run(&mut replica, segment(1)), Ok(Answer::Done));
    assert_eq!(replica.state, state);
    let known = recording(&replica);
    assert_eq!((known.segments, known.bytes, known.last), (2, 200, SegmentDigest([2; 32])));
}

#[test]
fn no_segment_takes_the_place_of_another_or_leaves_one_out() {
    let mut replica = ready();
    run(&mut replica, segment(1)).unwrap();
    let state = replica.state.clone();
    let other = RecordSegment { digest: SegmentDigest([9; 32]), ..segment(1) };
    assert_eq!(refusal(run(&mut replica, other)), StateRefusal::IdUsed);
    let next = StateRefusal::OutOfOrder { expected: 2 };
    for command in [
        segment(3),
        RecordSegment { previous: SegmentDigest([9; 32]), ..segment(2) },
        RecordSegment {
            key: WrappedKey { id: DataKeyId([6; 16]), by: [8; 16], sealed: vec![1] },
            ..segment(2)
        },
    ] {
        assert_eq!(refusal(run(&mut replica, command)), next);
    }
    assert_eq!(replica.state, state);
}

#[test]
fn only_the_node_of_a_session_records_it_and_within_limits() {
    let mut replica = ready();
    let over = StateRefusal::OverLimit { limit: Limit::Segment };
    let many = (1..=MAX_PLACES as u64 + 1).map(NodeId).collect();
    for (command, expected) in [
        (RecordSegment { node: NodeId(1), ..segment(1) }, StateRefusal::UnknownNode),
        (RecordSegment { places: BTreeSet::new(), ..segment(1) }, StateRefusal::UnknownNode),
        (RecordSegment { session: ses(9), ..segment(1) }, StateRefusal::SessionGone),
        (RecordSegment { size: MAX_SEGMENT as u64 + 1, ..segment(1) }, over.clone()),
        (RecordSegment { places: many, ..segment(1) }, over),
    ] {
        assert_eq!(refusal(run(&mut replica, command)), expected);
    }
}

#[test]
fn the_end_of_a_session_names_the_last_segment() {
    let mut replica = ready();
    run(&mut replica, segment(1)).unwrap();
    run(&mut replica, RecordSegment { position: Position::Last, ..segment(2) }).unwrap();
    assert_eq!(refusal(run(&mut replica, segment(3))), StateRefusal::RecordingEnded);
    replica.run(close()).unwrap();
    let events = replica.events();
    let closed = events.iter().find(|event| event.kind == EventKind::SessionClosed).unwrap();
    assert_eq!(closed.fields["recording.segments"], "2");
    assert_eq!(closed.fields["recording.digest"], SegmentDigest([2; 32]).to_string());
    assert_eq!(closed.fields["recording.state"], "whole");
    assert_eq!(replica.count(EventKind::RecordingEnded), 0, "said once");
    replica.check_chain();
}

#[test]
fn what_comes_after_a_session_was_closed_is_recorded_and_its_end_is_said() {
    let mut replica = ready();
    run(&mut replica, segment(1)).unwrap();
    replica.run(close()).unwrap();
    let events = replica.events();
    let closed = events.iter().find(|event| event.kind == EventKind::SessionClosed).unwrap();
    assert_eq!(closed.fields["recording.state"], "unfinished");
    run(&mut replica, segment(2)).unwrap();
    run(&mut replica, RecordSegment { position: Position::Last, ..segment(3) }).unwrap();
    let events = replica.events();
    let ended = events.iter().find(|event| event.kind == EventKind::RecordingEnded).unwrap();
    assert_eq!(ended.fields["recording.segments"], "3");
    assert_eq!(ended.fields["recording.digest"], SegmentDigest([3; 32]).to_string());
    assert_eq!(ended.fields["session.id"], ses(1).to_string());
    replica.check_chain();
}

#[test]
fn a_session_of_which_nothing_is_recorded_says_nothing_of_a_recording() {
    let mut replica = ready();
    replica.run(close()).unwrap();
    let events = replica.events();
    let closed = events.iter().find(|event| event.kind == EventKind::SessionClosed).unwrap();
    assert!(!closed.fields.keys().any(|name| name.starts_with("recording")));
}

fn place(n: u8, node: u64) -> Command {
    let (session, digest) = (ses(1), SegmentDigest([n; 32]));
    let (sequence, place) = (u64::from(n), Place::Node(NodeId(node)));
    Command::PlaceSegment(PlaceSegment { session, sequence, digest, place })
}

#[test]
fn a_segment_gets_another_place_once_and_only_on_a_node_of_the_cluster() {
    let mut replica = ready();
    run(&mut replica, segment(1)).unwrap();
    for _ in 0..2 {
        replica.run(place(1, 3)).unwrap();
        let known: SegmentRecord =
            crate::state::get(&replica.state, &key_space::segment(ses(1), 1)).unwrap().unwrap();
        assert_eq!(known.places, BTreeSet::from([NodeId(2), NodeId(3)]));
    }
    assert_eq!(refusal(replica.run(place(1, 9))), StateRefusal::UnknownNode);
    assert_eq!(refusal(replica.run(place(2, 3))), StateRefusal::SessionGone);
    let other = Command::PlaceSegment(PlaceSegment {
        session: ses(1),
        sequence: 1,
        digest: SegmentDigest([9; 32]),
        place: Place::Bucket,
    });
    assert_eq!(refusal(replica.run(other)), StateRefusal::IdUsed);
}

fn placed(replica: &Replica) -> SegmentRecord {
    crate::state::get(&replica.state, &key_space::segment(ses(1), 1)).unwrap().unwrap()
}

#[test]
fn the_bucket_is_a_place_once_and_takes_none_from_the_nodes() {
    let mut replica = ready();
    run(&mut replica, segment(1)).unwrap();
    assert_eq!(placed(&replica).bucket, InBucket::No);
    let command = PlaceSegment {
        session: ses(1),
        sequence: 1,
        digest: SegmentDigest([1; 32]),
        place: Place::Bucket,
    };
    for _ in 0..2 {
        replica.run(Command::PlaceSegment(command)).unwrap();
        let known = placed(&replica);
        assert_eq!((known.bucket, known.places.len()), (InBucket::Yes, 1));
    }
    // Until somebody does not find it there any more.
    for _ in 0..2 {
        let lost = PlaceSegment { place: Place::NotInBucket, ..command };
        replica.run(Command::PlaceSegment(lost)).unwrap();
        let known = placed(&replica);
        assert_eq!((known.bucket, known.places.len()), (InBucket::No, 1));
    }
}

#[test]
fn a_segment_with_as_many_places_as_there_can_be_gets_one_for_those_of_nodes_that_are_gone() {
    let mut replica = ready();
    let places = (2..=MAX_PLACES as u64 + 1).map(|n| NodeId(if n == 2 { 2 } else { n + 100 }));
    run(&mut replica, RecordSegment { places: places.collect(), ..segment(1) }).unwrap();
    assert_eq!(placed(&replica).places.len(), MAX_PLACES);
    replica.run(place(1, 3)).unwrap();
    assert_eq!(placed(&replica).places, BTreeSet::from([NodeId(2), NodeId(3)]));
}

/// Every node but those says that it opens this key.
fn opened_but(replica: &mut Replica, by: [u8; 16], without: &[u64]) {
    for node in (1..=3).filter(|node| !without.contains(node)) {
        let names = BTreeSet::from([[8; 16], by]);
        replica.run(Command::OpenKeys(OpenKeys { node: NodeId(node), names })).unwrap();
    }
}

fn rewrap(session: u8, before: [u8; 16], key: &WrappedKey) -> Command {
    Command::RewrapKey(RewrapKey { session: ses(session), before, key: key.clone() })
}

#[test]
fn a_key_is_wrapped_anew_only_for_a_recording_that_it_opens() {
    let mut replica = ready();
    opened_but(&mut replica, [9; 16], &[]);
    run(&mut replica, segment(1)).unwrap();
    let key = WrappedKey { id: DataKeyId([7; 16]), by: [9; 16], sealed: vec![2; 60] };
    replica.run(rewrap(1, [8; 16], &key)).unwrap();
    assert_eq!(recording(&replica).key, key);
    // The recording goes on, whichever wrapping its node sends.
    run(&mut replica, segment(2)).unwrap();
    assert_eq!(recording(&replica).key, key);
    let other = WrappedKey { id: DataKeyId([6; 16]), ..key.clone() };
    assert_eq!(refusal(replica.run(rewrap(1, [9; 16], &other))), StateRefusal::IdUsed);
    assert_eq!(refusal(replica.run(rewrap(2, [8; 16], &key))), StateRefusal::SessionGone);
    let long = WrappedKey { sealed: vec![0; 1000], ..key };
    let over = StateRefusal::OverLimit { limit: Limit::Segment };
    assert_eq!(refusal(replica.run(rewrap(1, [9; 16], &long))), over);
}

#[test]
fn a_key_is_wrapped_anew_once_and_in_the_place_of_the_wrapping_that_was_opened() {
    let mut replica = ready();
    opened_but(&mut replica, [9; 16], &[]);
    run(&mut replica, segment(1)).unwrap();
    let key = WrappedKey { id: DataKeyId([7; 16]), by: [9; 16], sealed: vec![2; 60] };
    replica.run(rewrap(1, [8; 16], &key)).unwrap();
    assert_eq!(replica.run(rewrap(1, [8; 16], &key)), Ok(Answer::Done), "a retry");
    // A leader that was late, with a wrapping of its own.
    let late = WrappedKey { by: [8; 16], sealed: vec![3; 60], ..key.clone() };
    assert_eq!(refusal(replica.run(rewrap(1, [8; 16], &late))), StateRefusal::WrappedAnew);
    assert_eq!(recording(&replica).key, key);
}

#[test]
fn no_key_is_wrapped_by_one_that_a_node_of_the_cluster_does_not_open() {
    let mut replica = ready();
    run(&mut replica, segment(1)).unwrap();
    let before = recording(&replica).key;
    let key = WrappedKey { by: [9; 16], sealed: vec![2; 60], ..before.clone() };
    let refused = |replica: &mut Replica| {
        let answer = replica.run(rewrap(1, [8; 16], &key));
        assert_eq!(refusal(answer), StateRefusal::KeyNotEverywhere);
        assert_eq!(recording(replica).key, before);
    };
    refused(&mut replica);
    opened_but(&mut replica, [9; 16], &[3]);
    refused(&mut replica);
    opened_but(&mut replica, [5; 16], &[1, 2]);
    refused(&mut replica);
    // One that has forgotten it again.
    opened_but(&mut replica, [9; 16], &[]);
    opened_but(&mut replica, [5; 16], &[2, 3]);
    refused(&mut replica);
    let stranger = OpenKeys { node: NodeId(9), names: BTreeSet::new() };
    assert_eq!(refusal(replica.run(Command::OpenKeys(stranger))), StateRefusal::UnknownNode);
    let names = (0..=MAX_OPENED_KEYS).map(|n| [u8::try_from(n).unwrap(); 16]).collect();
    let many = Command::OpenKeys(OpenKeys { node: NodeId(1), names });
    assert_eq!(refusal(replica.run(many)), StateRefusal::OverLimit { limit: Limit::Segment });
    // What is removed needs none.
    replica.run(Command::RemoveNode(RemoveNode { node: NodeId(1), author: ada() })).unwrap();
    replica.run(rewrap(1, [8; 16], &key)).unwrap();
}
