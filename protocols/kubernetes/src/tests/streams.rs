//! Answers that go on: watches and logs.

use super::{
    gate::TOKEN_2,
    server::SECRET,
    world::{LONG, World},
};
use bytes::Bytes;
use countersign_core::{mask::Detector, recording::Entry, refusal::Refusal};
use http_body_util::BodyExt as _;
use hyper::{StatusCode, body::Incoming};
use std::sync::atomic::Ordering;
use tokio::time::timeout;

const WATCH: &str = "/k8s/prod/api/v1/namespaces/dev/secrets?watch=1";
const FOLLOW: &str = "/k8s/prod/api/v1/namespaces/dev/pods/web/log?follow=true";

async fn next(body: &mut Incoming) -> Option<String> {
    let frame = timeout(LONG, body.frame()).await.expect("something comes")?;
    Some(String::from_utf8_lossy(&frame.ok()?.into_data().ok()?).into_owned())
}

fn event(name: &str) -> String {
    format!(
        "{{\"type\":\"ADDED\",\"object\":{{\"kind\":\"Secret\",\"apiVersion\":\"v1\",\"metadata\":{{\"name\":\"{name}\"}},\"data\":{{\"k\":\"{SECRET}\"}}}}}}\n"
    )
}

#[tokio::test]
async fn a_watch_is_masked_event_by_event_wherever_the_network_cuts_it() {
    let world = World::new().await;
    let mut client = world.client().await;
    let answer = client.begin("GET", WATCH, &[], "").await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let mut body = answer.into_body();
    let (one, two) = (event("one"), event("two"));
    let both = format!("{one}{two}");
    let (first, rest) = both.split_at(one.len() - 20);
    world.server.events.send(Bytes::from(first.to_owned())).unwrap();
    world.server.events.send(Bytes::from(rest.to_owned())).unwrap();
    let mut heard = String::new();
    while heard.lines().count() < 2 {
        heard += &next(&mut body).await.unwrap();
    }
    assert!(heard.contains("\"one\"") && heard.contains("\"two\"") && heard.ends_with('\n'));
    assert!(!heard.contains(SECRET), "{heard}");
}

#[tokio::test]
async fn a_watch_ends_with_its_session_and_does_not_look_complete() {
    let world = World::new().await;
    for path in [WATCH, FOLLOW] {
        let mut client = world.client().await;
        let answer = client.begin("GET", path, &[], "").await.unwrap();
        let mut body = answer.into_body();
        let reason = "revoked".to_owned();
        world.gate.end_all(Refusal::SessionEnded { reason }).await;
        let end = timeout(LONG, body.frame()).await.expect("it ends");
        assert!(matches!(end, Some(Err(_))), "{path}: {end:?}");
    }
    world.gate.closed.subscribe().wait_for(|closed| closed.len() == 2).await.unwrap();
}

#[tokio::test]
async fn what_the_watch_says_behind_something_unreadable_is_not_written() {
    let world = World::new().await;
    let mut client = world.client().await;
    let answer = client.begin("GET", WATCH, &[], "").await.unwrap();
    let mut body = answer.into_body();
    world.server.events.send(Bytes::from(format!("nonsense{}", event("one")))).unwrap();
    let end = timeout(LONG, body.frame()).await.unwrap();
    assert!(matches!(end, Some(Err(_))), "{end:?}");
}

#[tokio::test]
async fn a_log_comes_as_it_is_and_line_by_line_where_something_is_masked() {
    let world = World::new().await;
    let log = "/k8s/prod/api/v1/namespaces/dev/pods/web/log";
    let came = world.ask("GET", log).await;
    assert_eq!(
        (came.body.as_str(), came.header("content-type")),
        ("one\ntwo\nthree", Some("text/plain"))
    );
    let recorded = |wanted: &str| {
        let entries = world.gate.recorder.entries.lock().unwrap();
        entries.iter().any(|entry| {
            let Entry::Wrote { bytes, .. } = entry else {
                return format!("{entry:?}").contains(wanted);
            };
            String::from_utf8_lossy(bytes).contains(wanted)
        })
    };
    assert!(recorded("one\ntwo\nthree"));
    world.gate.mask(&[], &[Detector::Email], countersign_core::mask::MaskKind::Redact);
    let mut client = world.client().await;
    let mut body = client.begin("GET", FOLLOW, &[], "").await.unwrap().into_body();
    world.server.events.send(Bytes::from_static(b"from ann@exam")).unwrap();
    world.server.events.send(Bytes::from_static(b"ple.com\nnext")).unwrap();
    let heard = next(&mut body).await.unwrap();
    assert!(heard.starts_with("from ") && heard.ends_with('\n'), "{heard}");
    assert!(!heard.contains("example.com"), "{heard}");
    assert!(recorded("of a log that are masked in recordings") && !recorded("ann@example.com"));
}

#[tokio::test(start_paused = true)]
async fn a_watch_and_a_log_end_with_the_policy_that_they_were_let_through_under() {
    for path in [WATCH, FOLLOW] {
        let world = World::new().await;
        let mut client = world.client().await;
        let mut body = client.begin("GET", path, &[], "").await.unwrap().into_body();
        world.gate.policy_changed.store(true, Ordering::SeqCst);
        let end = timeout(LONG, body.frame()).await.expect("it ends");
        assert!(matches!(end, Some(Err(_))), "{path}: {end:?}");
    }
}

#[tokio::test]
async fn a_session_that_ends_beside_another_is_closed_while_the_other_goes_on() {
    let world = World::new().await;
    let mut client = world.client().await;
    let mut ended = client.begin("GET", WATCH, &[], "").await.unwrap().into_body();
    TOKEN_2.clone_into(&mut client.token);
    let mut other = client.begin("GET", WATCH, &[], "").await.unwrap().into_body();
    let reason = "revoked".to_owned();
    world.gate.end(0, Refusal::SessionEnded { reason }).await;
    // More requests of whoever knocks make nobody forget it.
    client.begin("GET", WATCH, &[], "").await.ok();
    assert!(matches!(timeout(LONG, ended.frame()).await, Ok(Some(Err(_)))));
    let mut closed = world.gate.closed.subscribe();
    let closed = timeout(LONG, closed.wait_for(|closed| !closed.is_empty())).await;
    assert_eq!(closed.expect("it is closed").unwrap().len(), 1);
    world.server.events.send(Bytes::from(event("one"))).unwrap();
    assert!(next(&mut other).await.unwrap().contains("one"), "the other goes on");
    drop((client, other));
    let mut closed = world.gate.closed.subscribe();
    timeout(LONG, closed.wait_for(|closed| closed.len() == 2)).await.unwrap().unwrap();
}
