//! The audit over HTTP, while a part of it is in the archive: nobody who asks sees a difference.

use super::world::{ApiWorld, Who};
use serde_json::{Value, json};

/// Every event that a search finds, page by page.
async fn found(world: &ApiWorld, query: &str) -> Vec<Value> {
    let (mut events, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/v1/audit/events?limit=3&{query}{cursor}");
        let heard = world.get(Who::Admin, &path).await;
        assert!(heard.status.is_success(), "{path}: {}", heard.body);
        events.extend(heard.body["items"].as_array().unwrap().iter().cloned());
        match heard.body["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return events,
        }
    }
}

#[tokio::test]
async fn a_search_finds_the_same_before_and_after_events_were_archived() {
    let world = ApiWorld::new().await;
    world.world.signed_events().await;
    world.world.log.advance(1000);
    world.world.signed_events().await;
    // Who has signed in is an event too: the first answer is not the last that there is.
    found(&world, "").await;
    let through = world.world.view().chain_head().unwrap().sequence;
    let queries = [
        "",
        "order=desc",
        "kind=session_opened",
        "kind=session_opened&order=desc",
        "after=4",
        "after=4&order=desc",
        "q=nothing-like-this",
        "since=2027-01-15T08:00:01Z",
        "until=2027-01-15T08:00:01Z",
        "since=2027-01-15T08:00:01Z&order=desc",
        "until=2027-01-15T08:00:01Z&order=desc",
    ];
    let before = |events: Vec<Value>| -> Vec<Value> {
        events.into_iter().filter(|e| e["sequence"].as_u64().unwrap() <= through).collect()
    };
    let mut expected = Vec::new();
    for query in queries {
        expected.push(before(found(&world, query).await));
    }
    assert!(expected[0].len() > 20 && !expected[7].is_empty() && !expected[8].is_empty());
    let place = world.world.shared_folder();
    world.world.archive(&place).await.unwrap();
    assert!(world.world.view().first_event().unwrap() > Some(10));
    for (query, expected) in queries.into_iter().zip(expected) {
        assert_eq!(before(found(&world, query).await), expected, "{query}");
    }
}

#[tokio::test]
async fn an_export_has_ends_in_the_archive() {
    let world = ApiWorld::new().await;
    world.world.signed_events().await;
    world.world.log.advance(1000);
    world.world.signed_events().await;
    let requests = [
        json!({"through": 7}),
        json!({"after": 3, "through": 9}),
        json!({"from": "2027-01-15T08:00:01Z", "through": 30}),
        json!({"to": "2027-01-15T08:00:01Z"}),
    ];
    let mut expected = Vec::new();
    for request in &requests {
        let heard = world.post(Who::Admin, "/v1/audit/exports", request).await;
        assert!(heard.status.is_success(), "{request}: {}", heard.body);
        expected.push(heard.body);
    }
    let place = world.world.shared_folder();
    world.world.archive(&place).await.unwrap();
    for (request, expected) in requests.iter().zip(expected) {
        let heard = world.post(Who::Admin, "/v1/audit/exports", request).await;
        for part in ["/after", "/end/sequence", "/end/hash"] {
            assert_eq!(
                heard.body.pointer(part),
                expected.pointer(part),
                "{request}: {}",
                heard.body
            );
        }
    }
    let beyond =
        world.post(Who::Admin, "/v1/audit/exports", &json!({"after": 9, "through": 3})).await;
    assert_eq!(beyond.problem(), "not-found");
}

#[tokio::test]
async fn an_archive_that_cannot_be_read_is_an_error_and_never_an_empty_answer() {
    let world = ApiWorld::new().await;
    world.world.signed_events().await;
    let folder = world.world.folder().join("archive");
    world.world.archive(&world.world.shared_folder()).await.unwrap();
    std::fs::remove_dir_all(folder).unwrap();
    for query in ["", "order=desc&cursor=3"] {
        let heard = world.get(Who::Admin, &format!("/v1/audit/events?{query}")).await;
        assert!(heard.status.is_server_error(), "{query}: {}", heard.body);
    }
}
