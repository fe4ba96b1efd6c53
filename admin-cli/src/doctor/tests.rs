//! What is bad is called bad, and what cannot be told is not called good.

use super::{
    Findings, Verdict,
    nodes::{ahead, runs_out},
    targets::{Reply, reply, told, usable},
};
use countersign_api::time::Timestamp;

#[test]
fn a_clock_is_told_against_the_middle_of_the_trip_and_not_at_all_where_that_was_long() {
    let at = |ms: u64| Timestamp(1_790_000_000_000 + ms);
    assert_eq!(ahead(at(50), at(0), at(100)), Some(0));
    assert_eq!(ahead(at(700), at(0), at(100)), Some(650));
    assert_eq!(ahead(at(0), at(900), at(1000)), Some(-950));
    assert_eq!(ahead(at(0), at(0), at(5000)), None, "a slow answer tells nothing");
    assert_eq!(ahead(at(0), at(100), at(0)), None, "this machine's clock was set meanwhile");
}

#[test]
fn a_certificate_that_runs_out_is_told_in_time() {
    let day = 24 * 3600;
    for (left, expected) in [
        (Some(100 * day), Verdict::Good),
        (Some(13 * day), Verdict::Warning),
        (Some(0), Verdict::Bad),
        (Some(-day), Verdict::Bad),
        (None, Verdict::Warning),
    ] {
        assert_eq!(runs_out(left).0, expected, "{left:?}");
    }
}

#[test]
fn addresses_are_tried_where_they_are_addresses() {
    for address in ["db.internal:5432", "10.0.0.1:22", "[::1]:6443", "https://api.internal:6443/"] {
        assert!(usable(address).is_some(), "{address}");
    }
    for address in ["", "unix:/run/postgresql", "db.internal", "db.internal:0", ":5432", "a:b"] {
        assert_eq!(usable(address), None, "{address}");
    }
}

#[tokio::test]
async fn a_target_that_answers_is_a_way_around_the_gateway() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    assert_eq!(reply(&address).await, Reply::Answers);
    drop(listener);
    assert_eq!(reply(&address).await, Reply::Refuses);
    assert_eq!(reply("no-such-host.invalid:1").await, Reply::Unknown);
    assert_eq!(told(&address, Reply::Answers).0, Verdict::Bad);
    assert_eq!(told(&address, Reply::Refuses).0, Verdict::Warning);
    assert_eq!(told(&address, Reply::Silent).0, Verdict::Good);
}

#[test]
fn findings_are_of_whom_they_are() {
    let mut all = Vec::new();
    Findings { of: "node 1".to_owned(), all: &mut all }.add("disk", (Verdict::Good, "fast"));
    assert_eq!(
        (all[0].of.as_str(), all[0].check, all[0].verdict),
        ("node 1", "disk", Verdict::Good)
    );
}
