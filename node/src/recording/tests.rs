//! What is recorded can be read, and what cannot be recorded does not go on.

mod bucket;
mod damage;
mod keys;
mod peers;
mod rounds;

use super::*;
use crate::gate::tests::{
    log::Weather,
    world::{World, admission, cluster_key, delete, operation, released, select, signal},
};
use countersign_core::{
    gate::{CloseReason, Gate as _, HoldProgress, OpenedSession, Settlement, Signal},
    hold::Choice,
    mask::{MaskTally, Masked},
    operation::Action,
    record::{EventKind, Outcome},
    recording::{Entry, Moment, Position, Room, SegmentDigest, entry, segment::MAX_SEGMENT},
    refusal::Refusal,
};
use countersign_raft_store::records::{RecordingRecord, SegmentRecord};
use std::collections::BTreeSet;

impl World {
    fn recording(&self, of: SessionId) -> Option<(RecordingRecord, Vec<SegmentRecord>)> {
        let segments = self.view().segments(of, 0, 1000).unwrap();
        Some((self.view().recording(of).unwrap()?, segments))
    }

    /// What was recorded of a session, once it is closed.
    async fn entries_of(&self, of: SessionId) -> Vec<Entry> {
        self.event(EventKind::SessionClosed).await;
        let (recording, segments) = self.recording(of).unwrap();
        let moments = self.recordings.read(&recording, (0, SegmentDigest::NONE), &segments).await;
        entry::joined(moments.unwrap()).into_iter().map(|moment| moment.entry).collect()
    }

    async fn close(&self, opened: &OpenedSession) {
        self.gate.close(opened.session.id(), CloseReason::Agent).await;
    }
}

fn said(text: &str) -> Masked<Entry> {
    Entry::closed(text.to_owned())
}

/// Takes an entry; whether the session may go on does not matter here.
fn take(opened: &OpenedSession, text: &str) {
    match opened.recorder.take(said(text)).unwrap() {
        Room::Left | Room::Full => {}
    }
}

fn settlement(operation: &countersign_core::operation::Operation) -> Settlement {
    Settlement {
        operation: operation.id(),
        outcome: Outcome::Completed,
        rows: 3,
        bytes: 60,
        word: "SELECT 3".to_owned(),
        masked: MaskTally::default(),
    }
}

#[tokio::test]
async fn an_allowed_operation_is_recorded_from_its_text_to_its_outcome() {
    let world = World::new().await;
    let opened = world.open().await;
    let operation = select(&opened.session);
    let cleared = world.clear(&opened.session, &operation).await;
    let admitted = world.gate.admit(&opened.session, &operation, cleared).await.unwrap();
    drop(released(admitted.reply).await.unwrap());
    world.gate.settle(&opened.session, settlement(&operation)).await;
    world.close(&opened).await;
    let id = operation.id();
    let recorded = world.entries_of(opened.session.id()).await;
    assert!(matches!(&recorded[0], Entry::Asked { operation, text, .. }
        if *operation == id && text == "SELECT * FROM orders"));
    assert_eq!(recorded[1], Entry::Admitted { operation: id });
    assert!(matches!(&recorded[2], Entry::Outcome { rows: 3, bytes: 60, .. }));
    assert_eq!(recorded[3], Entry::Closed { reason: "the agent ended it".to_owned() });
    assert_eq!(recorded.len(), 4);
}

#[tokio::test]
async fn the_end_of_a_session_names_the_last_segment_of_its_recording() {
    let world = World::new().await;
    let opened = world.open().await;
    drop(world.clear(&opened.session, &select(&opened.session)).await);
    world.close(&opened).await;
    let closed = world.event(EventKind::SessionClosed).await;
    let (recording, segments) = world.recording(opened.session.id()).unwrap();
    assert_eq!(recording.position, Position::Last);
    assert_eq!(closed.fields["recording.digest"], recording.last.to_string());
    assert_eq!(closed.fields["recording.digest"], segments.last().unwrap().digest.to_string());
    assert_eq!(closed.fields["recording.state"], "whole");
}

#[tokio::test]
async fn a_hold_and_its_approval_are_recorded() {
    let world = World::new().await;
    let opened = world.open().await;
    let operation = delete(&opened.session);
    let (hold, mut held) = world.hold(&opened.session, &operation).await;
    world.decide(hold, "dana", Choice::Approve).await;
    drop(admission(&mut held).await);
    world.close(&opened).await;
    let id = operation.id();
    let recorded = world.entries_of(opened.session.id()).await;
    assert_eq!(recorded[1], Entry::Held { operation: id, hold });
    assert_eq!(recorded[2], Entry::Admitted { operation: id });
}

#[tokio::test]
async fn a_hold_that_is_rejected_is_recorded_to_its_end() {
    let world = World::new().await;
    let opened = world.open().await;
    let operation = delete(&opened.session);
    let (hold, mut held) = world.hold(&opened.session, &operation).await;
    world.decide(hold, "dana", Choice::Reject).await;
    while !matches!(held.next().await, HoldProgress::Refused(_)) {}
    world.close(&opened).await;
    let id = operation.id();
    let recorded = world.entries_of(opened.session.id()).await;
    assert_eq!(recorded[1], Entry::Held { operation: id, hold });
    let Entry::Refused { operation, why } = &recorded[2] else { panic!("{recorded:?}") };
    assert_eq!(*operation, id);
    assert!(why.contains("reject"), "{why}");
}

#[tokio::test]
async fn a_refusal_is_recorded() {
    let world = World::new().await;
    let opened = world.open().await;
    let operation = operation(&opened.session, Action::PostgresAdmin, "CHECKPOINT");
    world.judge(&opened.session, &operation).await.unwrap_err();
    world.close(&opened).await;
    let recorded = world.entries_of(opened.session.id()).await;
    assert!(matches!(&recorded[1], Entry::Refused { why, .. } if why.contains("denied")));
}

#[tokio::test]
async fn a_session_in_which_nothing_happened_has_no_recording() {
    let world = World::new().await;
    let opened = world.open().await;
    world.close(&opened).await;
    world.event(EventKind::SessionClosed).await;
    assert!(world.recording(opened.session.id()).is_none());
}

#[tokio::test]
async fn what_a_detector_finds_in_a_text_is_in_no_segment() {
    let world = World::new().await;
    let rule = r#"{"targets": ["orders"], "detectors": ["email"], "mask": "redact"}"#;
    world.mask_rule("contacts", rule).await;
    let opened = world.open().await;
    let text = "SELECT * FROM orders WHERE mail = 'ada@example.com'";
    let operation = operation(&opened.session, Action::PostgresRead, text);
    drop(world.clear(&opened.session, &operation).await);
    world.close(&opened).await;
    let recorded = world.entries_of(opened.session.id()).await;
    let Entry::Asked { text, .. } = &recorded[0] else { panic!("{recorded:?}") };
    assert!(text.starts_with("SELECT * FROM orders WHERE mail = "), "{text}");
    assert!(!text.contains("example.com"), "{text}");
}

#[tokio::test]
async fn a_text_of_any_length_is_recorded_whole_in_segments_that_are_not_too_long() {
    let world = World::new().await;
    let opened = world.open().await;
    // Nothing that compresses well.
    let noise = hex::encode(rand::random_iter::<u8>().take(480_000).collect::<Vec<u8>>());
    let text = format!("SELECT '{noise}'");
    let operation = operation(&opened.session, Action::PostgresRead, &text);
    drop(world.clear(&opened.session, &operation).await);
    world.close(&opened).await;
    let recorded = world.entries_of(opened.session.id()).await;
    assert!(matches!(&recorded[0], Entry::Asked { text: whole, .. } if *whole == text));
    let (recording, segments) = world.recording(opened.session.id()).unwrap();
    assert!(recording.segments > 3, "{}", recording.segments);
    assert!(segments.iter().all(|segment| segment.size < MAX_SEGMENT as u64 / 2));
}

#[tokio::test]
async fn a_session_whose_disk_takes_nothing_any_more_ends() {
    let world = World::new().await;
    let mut opened = world.open().await;
    world.break_disk();
    // This is taken, and cannot be written.
    drop(world.judge(&opened.session, &select(&opened.session)).await);
    let ended = signal(&mut opened.signals).await;
    assert_eq!(ended, Signal::End(Refusal::NotRecorded));
    let refused = world.judge(&opened.session, &select(&opened.session)).await;
    assert_eq!(refused.unwrap_err(), Refusal::NotRecorded);
    assert_eq!(opened.recorder.take(said("more")), Err(Refusal::NotRecorded));
    world.close(&opened).await;
    let closed = world.event(EventKind::SessionClosed).await;
    assert!(closed.fields["reason"].ends_with("its recording is not whole"), "{closed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_session_waits_while_its_window_is_full_and_goes_on_when_it_is_not() {
    let world = World::new().await;
    let opened = world.open().await;
    world.log.weather(Weather::NoQuorum);
    let long = "x".repeat(300 * 1024);
    assert_eq!(opened.recorder.take(said(&long)), Ok(Room::Full));
    let waits = tokio::time::timeout(Duration::from_secs(5), opened.recorder.room());
    assert!(waits.await.is_err(), "it is not durable, so nothing goes on");
    world.log.weather(Weather::Fair);
    opened.recorder.room().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_is_not_durable_after_a_second_makes_its_session_wait() {
    let world = World::new().await;
    let opened = world.open().await;
    world.log.weather(Weather::NoQuorum);
    assert_eq!(opened.recorder.take(said("short")), Ok(Room::Left));
    sleep(Duration::from_millis(1100)).await;
    assert_eq!(opened.recorder.take(said("next")), Ok(Room::Full));
}

#[tokio::test(start_paused = true)]
async fn a_session_whose_index_takes_nothing_for_too_long_ends() {
    let world = World::new().await;
    let mut opened = world.open().await;
    world.log.weather(Weather::NoQuorum);
    take(&opened, "short");
    assert_eq!(signal(&mut opened.signals).await, Signal::End(Refusal::NotRecorded));
    assert_eq!(opened.recorder.room().await, Err(Refusal::NotRecorded));
}

#[tokio::test]
async fn segments_whose_entry_was_answered_by_nobody_are_entered_once() {
    let world = World::new().await;
    let opened = world.open().await;
    world.log.weather(Weather::AnswersLost);
    take(&opened, "one");
    // Entered, and nobody heard of it.
    while world.recording(opened.session.id()).is_none() {
        sleep(Duration::from_millis(1)).await;
    }
    world.log.weather(Weather::Fair);
    world.close(&opened).await;
    let recorded = world.entries_of(opened.session.id()).await;
    assert_eq!(recorded.len(), 2, "{recorded:?}");
}
