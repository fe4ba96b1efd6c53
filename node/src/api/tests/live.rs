//! Watching a session over HTTP.

use super::world::{ApiWorld, Who};
use axum::http::StatusCode;
use countersign_core::{
    gate::{CloseReason, Gate as _, OpenedSession},
    record::EventKind,
    recording::{Entry, Room},
};
use std::time::Duration;
use tokio::time::Instant;

fn take(opened: &OpenedSession, text: &str) {
    match opened.recorder.take(Entry::closed(text.to_owned())).unwrap() {
        Room::Left | Room::Full => {}
    }
}

#[tokio::test]
async fn what_happens_is_seen_within_a_second_and_the_end_ends_it() {
    let world = ApiWorld::new().await;
    let opened = world.world.open().await;
    let path = format!("/v1/sessions/{}/live", opened.session.id());
    let waits = world.get(Who::Auditor, &path);
    let acts = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        take(&opened, "first");
        Instant::now()
    };
    let (heard, taken) = tokio::join!(waits, acts);
    assert!(taken.elapsed() < Duration::from_secs(1), "{:?}", taken.elapsed());
    assert!(heard.body.to_string().contains("first"), "{}", heard.body);
    let next = heard.body["next"].as_str().unwrap().to_owned();
    take(&opened, "second");
    world.world.gate.close(opened.session.id(), CloseReason::Agent).await;
    let mut cursor = Some(next);
    let mut seen = String::new();
    while let Some(at) = cursor {
        let heard = world.get(Who::Auditor, &format!("{path}?cursor={at}")).await;
        assert_eq!(heard.status, StatusCode::OK, "{}", heard.body);
        seen.push_str(&heard.body["items"].to_string());
        cursor = heard.body["next"].as_str().map(str::to_owned);
    }
    assert!(seen.contains("second") && !seen.contains("first"), "{seen}");
    // Once, however many requests it took.
    let looks = world.world.events(EventKind::ClusterChanged);
    let looks = looks.iter().filter(|event| format!("{:?}", event.fields).contains("watch ses_"));
    assert_eq!(looks.count(), 1);
}

#[tokio::test]
async fn a_session_that_is_over_or_unknown_is_not_waited_for() {
    let world = ApiWorld::new().await;
    let opened = world.world.open().await;
    let path = format!("/v1/sessions/{}/live", opened.session.id());
    world.world.gate.close(opened.session.id(), CloseReason::Agent).await;
    world.world.event(EventKind::SessionClosed).await;
    let heard = world.get(Who::Admin, &path).await;
    assert_eq!(heard.status, StatusCode::OK, "{}", heard.body);
    assert!(heard.body.get("next").is_none(), "{}", heard.body);
    let unknown = countersign_core::id::SessionId::from_bytes([9; 16]);
    let heard = world.get(Who::Admin, &format!("/v1/sessions/{unknown}/live")).await;
    assert_eq!(heard.problem(), "not-found");
}

#[tokio::test]
async fn nothing_is_shown_of_which_it_cannot_be_recorded_that_it_was_looked_at() {
    let world = ApiWorld::new().await;
    let opened = world.world.open().await;
    take(&opened, "first");
    let path = format!("/v1/sessions/{}/live", opened.session.id());
    world.world.log.weather(crate::gate::tests::log::Weather::AnswersLost);
    let heard = world.get(Who::Auditor, &path).await;
    assert!(!heard.status.is_success(), "{}", heard.body);
    assert!(!heard.body.to_string().contains("first"), "{}", heard.body);
}
