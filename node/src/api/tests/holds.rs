//! Holds as lists and events show them.

use super::{
    super::*,
    world::{ApiWorld, Who},
};
use axum::{body::Body, http::StatusCode};
use countersign_core::{
    evidence::{EstimatedChange, Estimates, Evidence, Locks, OpenTransaction, Plan},
    hold::Choice,
};
use futures::StreamExt;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::timeout;

/// Longer than anything here takes on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_list_shows_the_beginning_of_a_long_text_and_the_hold_shows_all() {
    let world = ApiWorld::new().await;
    let text = format!("DELETE FROM orders -- {}", "x".repeat(200_000));
    let (id, _waits) = world.hold(&text).await;
    let list = world.get(Who::Dba, "/v1/holds").await;
    let operation = &list.body["items"][0]["operation"];
    assert_eq!(operation["excerpt"], true);
    assert_eq!(operation["text_length"], text.len());
    assert!(operation["text"].as_str().unwrap().len() < 10_000);
    let whole = world.get(Who::Dba, &format!("/v1/holds/{id}")).await;
    assert_eq!(whole.body["operation"]["excerpt"], false);
    assert_eq!(whole.body["operation"]["text"], text);
}

#[tokio::test]
async fn a_hold_shows_what_was_found_out_about_it_and_lists_show_it_without_the_plan() {
    let world = ApiWorld::new().await;
    let (id, waits) = world.hold("DELETE FROM orders").await;
    let mut reading = Reading::open(&world, Who::Dba, None).await;
    assert_eq!(reading.next().await.unwrap().0, "begin");
    assert!(waits.held.wants_evidence());
    waits.held.attach(Evidence {
        plan: Plan::Known(r#"[{"Plan":{"Node Type":"ModifyTable"}}]"#.to_owned()),
        estimates: Some(Estimates {
            returned: 0,
            changed: vec![EstimatedChange { what: "Delete on orders".to_owned(), rows: 300 }; 2],
        }),
        transaction: Some(OpenTransaction {
            age_ms: 5,
            locks: Locks::Known { lines: vec!["a lock".to_owned()], left_out: 1 },
        }),
    });
    let (index, heard, state) = reading.hold().await;
    assert_eq!((heard, state.as_str()), (id.to_string(), "pending"), "who follows is told");
    assert!(!waits.held.wants_evidence());
    let hold = world.get(Who::Dba, &format!("/v1/holds/{id}")).await.body;
    let evidence = &hold["evidence"];
    assert_eq!(evidence["plan"][0]["Plan"]["Node Type"], "ModifyTable");
    assert_eq!((&evidence["affected_rows"], &evidence["returned_rows"]), (&json!(600), &json!(0)));
    assert_eq!(evidence["changes"][0], json!({"what": "Delete on orders", "rows": 300}));
    let transaction = |waiting: bool| {
        json!({
            "session_id": hold["session_id"], "waiting": waiting,
            "age_ms": 5, "locks": ["a lock"], "locks_left_out": 1,
        })
    };
    assert_eq!(evidence["transaction"], transaction(true));
    assert_eq!(hold["state"], "pending");
    let list = world.get(Who::Dba, "/v1/holds").await;
    let listed = &list.body["items"][0]["evidence"];
    assert_eq!((&listed["plan"], &listed["affected_rows"]), (&Value::Null, &json!(600)));
    // Once its session has gone away, it is said to be of one that waits no longer.
    drop(waits.held);
    let parked = loop {
        let shown = world.get(Who::Dba, &format!("/v1/holds/{id}")).await.body;
        if shown["waiting"] == false {
            break shown;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(parked["evidence"]["transaction"], transaction(false));
    // A stream that is resumed where it was attached hears of it again.
    drop(reading);
    let mut reading = Reading::open(&world, Who::Dba, Some(index)).await;
    assert_eq!(reading.next().await.unwrap().0, "begin");
    assert_eq!(reading.hold().await.0, index);
}

#[tokio::test]
async fn a_hold_names_who_decides_and_that_there_is_no_evidence() {
    let world = ApiWorld::new().await;
    let (id, _waits) = world.hold("DELETE FROM orders").await;
    let hold = world.get(Who::Dba, &format!("/v1/holds/{id}")).await.body;
    assert_eq!(hold["reviewers"]["groups"], json!(["dba"]));
    assert_eq!(hold["reviewers"]["quorum"], 1);
    assert_eq!(hold.get("evidence"), Some(&Value::Null));
}

#[tokio::test]
async fn a_hold_shows_what_was_decided_about_exactly_the_same_before() {
    let world = ApiWorld::new().await;
    let (first, waits) = world.hold("DELETE FROM orders").await;
    world.world.decide(first, "dana", Choice::Reject).await;
    drop(waits);
    let (_other, _others) = world.hold("DELETE FROM orders WHERE true").await;
    let (second, _waits) = world.hold("DELETE FROM orders").await;
    let hold = world.get(Who::Dba, &format!("/v1/holds/{second}")).await.body;
    let previous = &hold["previous"];
    assert_eq!(previous.as_array().map(Vec::len), Some(1), "{previous}");
    assert_eq!(
        (&previous[0]["id"], &previous[0]["state"]),
        (&json!(first.to_string()), &json!("rejected"))
    );
    assert_eq!(previous[0]["decisions"][0]["comment"], "says dana");
    // Neither the first one, nor an excerpt of the second, has any.
    let before = world.get(Who::Dba, &format!("/v1/holds/{first}")).await.body;
    assert_eq!(before["previous"], json!([]));
    let list = world.get(Who::Dba, "/v1/holds").await.body;
    assert_eq!(list["items"][0]["previous"], json!([]));
}

/// A stream, read event by event.
struct Reading {
    body: axum::body::BodyDataStream,
    text: String,
}

impl Reading {
    async fn open(world: &ApiWorld, who: Who, last: Option<u64>) -> Self {
        let mut request = world.request(who, "GET", "/v1/holds/events");
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = world.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(response.status(), StatusCode::OK);
        Self { body: response.into_body().into_data_stream(), text: String::new() }
    }

    /// Name, id and data of the next event; `None` when the stream has ended.
    async fn next(&mut self) -> Option<(String, u64, Value)> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| {
                    let mut lines = event.lines();
                    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
                };
                let found = field("event").map(|name| {
                    let data = serde_json::from_str(field("data").unwrap()).unwrap();
                    (name.to_owned(), field("id").unwrap().parse().unwrap(), data)
                });
                self.text = rest.to_owned();
                if found.is_some() {
                    return found;
                }
                continue;
            }
            let piece = timeout(PATIENCE, self.body.next()).await.expect("nothing happened")?;
            self.text.push_str(std::str::from_utf8(&piece.unwrap()).unwrap());
        }
    }

    async fn hold(&mut self) -> (u64, String, String) {
        let (name, index, data) = self.next().await.unwrap();
        assert_eq!((name.as_str(), &data["index"]), ("hold", &json!(index)));
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (index, text(&data["hold"]["id"]), text(&data["hold"]["state"]))
    }
}

#[tokio::test]
async fn a_stream_says_where_it_begins_and_then_what_happens() {
    let world = ApiWorld::new().await;
    let head = world.world.store.status().applied.0;
    let mut reading = Reading::open(&world, Who::Dba, None).await;
    let (what, begin, said) = reading.next().await.unwrap();
    assert_eq!((what.as_str(), said), ("begin", json!({ "index": begin })));
    // That the reviewer has signed in is recorded meanwhile.
    assert!(begin >= head);
    let (id, _waits) = world.hold("DELETE FROM orders").await;
    let (index, heard, state) = reading.hold().await;
    assert!(index > begin);
    assert_eq!((heard, state.as_str()), (id.to_string(), "pending"));
}

#[tokio::test]
async fn a_resumed_stream_repeats_the_index_it_is_resumed_at_and_leaves_nothing_out() {
    let world = ApiWorld::new().await;
    let (one, _waits) = world.hold("DELETE FROM orders").await;
    let (two, _waits_too) = world.hold("DELETE FROM orders WHERE true").await;
    // A policy that changes makes both void, in one entry of the log.
    world.world.policy(&format!("{} // changed", crate::gate::tests::world::POLICY)).await;
    let head = world.world.store.status().applied.0;
    let mut reading = Reading::open(&world, Who::Dba, Some(1)).await;
    assert_eq!(reading.next().await.unwrap().0, "begin");
    let mut heard: Vec<(u64, String, String)> = Vec::new();
    while heard.iter().filter(|(index, ..)| *index == head).count() < 2 {
        heard.push(reading.hold().await);
    }
    drop(reading);
    // The client has seen one of the two and loses the node.
    let mut reading = Reading::open(&world, Who::Dba, Some(head)).await;
    assert_eq!(reading.next().await.unwrap().0, "begin");
    let mut again = [reading.hold().await.1, reading.hold().await.1];
    let mut both = [one.to_string(), two.to_string()];
    again.sort();
    both.sort();
    assert_eq!(again, both);
}

#[tokio::test]
async fn a_stream_cannot_begin_in_the_future() {
    let world = ApiWorld::new().await;
    let request = world.request(Who::Dba, "GET", "/v1/holds/events");
    let request = request.header("last-event-id", 1_000_000).body(Body::empty()).unwrap();
    let heard = world.ask(request).await;
    assert_eq!((heard.status, heard.problem()), (StatusCode::BAD_REQUEST, "bad-request"));
}

#[tokio::test]
async fn a_stream_shows_nobody_what_a_list_would_not() {
    let world = ApiWorld::new().await;
    let mut reading = Reading::open(&world, Who::Stranger, Some(1)).await;
    assert_eq!(reading.next().await.unwrap().0, "begin");
    let (id, _waits) = world.hold("DELETE FROM orders").await;
    world.world.decide(id, "dana", Choice::Reject).await;
    let silent = timeout(Duration::from_millis(300), reading.next()).await;
    assert!(silent.is_err(), "{silent:?}");
}

#[tokio::test]
async fn the_stream_of_a_revoked_reviewer_ends() {
    let world = ApiWorld::new().await;
    let mut reading = Reading::open(&world, Who::Dba, None).await;
    assert_eq!(reading.next().await.unwrap().0, "begin");
    let issuer = crate::identify::tests::issuer::ISSUER;
    let body = json!({"identity": {"issuer": issuer, "subject": "Dba"}});
    let revoked = world.post(Who::Admin, "/v1/revocations", &body).await;
    assert_eq!(revoked.status, StatusCode::OK, "{revoked:?}");
    assert_eq!(reading.next().await, None);
}

#[tokio::test]
async fn one_caller_gets_so_many_streams() {
    let world = ApiWorld::new().await;
    let mut open = Vec::new();
    for _ in 0..MAX_STREAMS_OF_ONE {
        open.push(Reading::open(&world, Who::Dba, None).await);
    }
    let heard = world.get(Who::Dba, "/v1/holds/events").await;
    assert_eq!(heard.problem(), "too-many-requests");
    let _other = Reading::open(&world, Who::Reviewer, None).await;
    drop(open.pop());
    let _again = Reading::open(&world, Who::Dba, None).await;
}
