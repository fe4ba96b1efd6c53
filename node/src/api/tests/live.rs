//! Watching a session over HTTP.

use super::world::{ApiWorld, Who};
use crate::identify::tests::issuer::ISSUER;
use axum::http::StatusCode;
use countersign_core::{
    gate::{CloseReason, Gate as _, OpenedSession},
    record::EventKind,
    recording::{Entry, Room},
};
use serde_json::json;
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
async fn a_session_that_has_been_over_for_a_while_is_read_and_not_watched() {
    let world = ApiWorld::new().await;
    let opened = world.world.open().await;
    let path = format!("/v1/sessions/{}/live", opened.session.id());
    world.world.gate.close(opened.session.id(), CloseReason::Agent).await;
    world.world.event(EventKind::SessionClosed).await;
    let later = world.later(61_000);
    let heard = later.get(Who::Auditor, &path).await;
    assert_eq!(heard.problem(), "conflict", "{heard:?}");
}

#[tokio::test]
async fn a_look_that_does_not_go_on_where_the_one_before_ended_is_recorded() {
    let world = ApiWorld::new().await;
    let opened = world.world.open().await;
    let path = format!("/v1/sessions/{}/live", opened.session.id());
    take(&opened, "first");
    let heard = world.get(Who::Auditor, &path).await;
    let next = heard.body["next"].as_str().unwrap().to_owned();
    take(&opened, "second");
    world.get(Who::Auditor, &format!("{path}?cursor={next}")).await;
    let looks = || {
        let events = world.world.events(EventKind::ClusterChanged);
        let fields = events.iter().map(|event| format!("{:?}", event.fields));
        fields.filter(|fields| fields.contains("watch ses_")).collect::<Vec<_>>()
    };
    assert_eq!(looks().len(), 1);
    // The same again, and the beginning again.
    world.get(Who::Auditor, &format!("{path}?cursor={next}")).await;
    assert_eq!(looks().len(), 2);
    assert!(looks()[1].contains(&format!("behind segment {next}")), "{:?}", looks());
    world.get(Who::Auditor, &path).await;
    assert_eq!(looks().len(), 3);
}

#[tokio::test]
async fn who_is_revoked_while_waiting_sees_nothing_of_what_happens_then() {
    let world = ApiWorld::new().await;
    let opened = world.world.open().await;
    let path = format!("/v1/sessions/{}/live", opened.session.id());
    let waits = world.get(Who::Auditor, &path);
    let acts = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let subject = ApiWorld::claims(Who::Auditor)["sub"].clone();
        let identity = json!({"identity": {"issuer": ISSUER, "subject": subject}});
        let revoked = world.post(Who::Admin, "/v1/revocations", &identity).await;
        assert_eq!(revoked.status, StatusCode::OK, "{revoked:?}");
        take(&opened, "first");
    };
    let (heard, ()) = tokio::join!(waits, acts);
    assert_eq!(heard.status, StatusCode::UNAUTHORIZED, "{}", heard.body);
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
