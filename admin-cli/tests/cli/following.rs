//! Commands that go on until Ctrl-C: `holds watch` and `audit tail`.

use crate::{
    answers,
    cases::{ctl, online},
    stub::Stub,
};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::{
    io::{BufRead as _, BufReader, Read as _},
    process::{Child, ChildStdout, Stdio},
};

/// A command that goes on.
struct Following {
    child: Child,
    lines: BufReader<ChildStdout>,
    _folder: tempfile::TempDir,
}

impl Following {
    fn start(stub: &Stub, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut child = ctl(folder.path(), arguments)
            .env("COUNTERSIGN_SERVER", stub.url())
            .env("COUNTERSIGN_CA_FILE", stub.ca_file())
            .env("COUNTERSIGN_TOKEN", "test-token")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines, _folder: folder }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line
    }

    /// Ctrl-C; the exit status and what was said on stderr.
    fn interrupt(mut self) -> (Option<i32>, String) {
        let pid = Pid::from_raw(self.child.id().try_into().unwrap()).unwrap();
        kill_process(pid, Signal::INT).unwrap();
        let status = self.child.wait().unwrap();
        let mut said = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (status.code(), said)
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        drop(self.child.kill());
    }
}

fn event(sequence: u64) -> Value {
    json!({
        "sequence": sequence, "at": "2026-11-22T20:00:00.000Z", "index": sequence * 10, "kind": "intent",
        "fields": {"agent.name": format!("agent-{sequence}")}, "previous": "", "hash": "",
    })
}

fn page(events: &[u64], next: Option<&str>) -> Value {
    let items: Vec<_> = events.iter().map(|sequence| event(*sequence)).collect();
    json!({ "items": items, "next": next })
}

fn head(sequence: u64) -> Value {
    json!({
        "sequence": sequence, "hash": "", "index": 9, "at": "2026-11-22T20:00:00.000Z", "cluster_id": "c", "node": 1,
    })
}

#[test]
fn a_search_asks_for_the_last_events_and_shows_them_in_their_order() {
    let stub = Stub::start(vec![
        ("GET /v1/audit/events?limit=3&order=desc", 200, page(&[9, 8], Some("8"))),
        ("GET /v1/audit/events?cursor=8&limit=1&order=desc", 200, page(&[7], Some("7"))),
    ]);
    let told = online(&stub, &["audit", "search", "--limit", "3"]);
    let place = |agent: &str| told.find(agent).unwrap_or_else(|| panic!("no {agent} in {told}"));
    assert!(place("agent-7") < place("agent-8") && place("agent-8") < place("agent-9"), "{told}");
    assert_eq!(stub.requests().len(), 2);
}

#[test]
fn a_tail_begins_with_the_last_events_and_goes_on_over_an_empty_page() {
    let stub = Stub::start(vec![
        ("GET /v1/audit/head", 200, head(8)),
        ("GET /v1/audit/events?limit=2&order=desc", 200, page(&[8, 7], Some("7"))),
        ("GET /v1/audit/events?after=8&limit=1000", 200, page(&[], Some("500"))),
        ("GET /v1/audit/events?after=8&cursor=500&limit=1000", 200, page(&[501], None)),
        ("GET /v1/audit/events?after=501&limit=1000", 200, page(&[], None)),
    ]);
    let mut tail = Following::start(&stub, &["audit", "tail", "-n", "2", "-o", "json"]);
    for sequence in [7, 8, 501] {
        let line = tail.line();
        let read: Value =
            serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert_eq!(read["sequence"], sequence);
    }
    assert_eq!(tail.interrupt(), (Some(0), String::new()));
}

#[test]
fn a_quiet_cluster_is_watched_on_and_no_change_is_missed() {
    let quiet = "event: begin\nid: 7\ndata: {}\n\n";
    let stub = Stub::start(vec![("GET /v1/holds/events", 200, json!(quiet))]);
    let watch = Following::start(&stub, &["holds", "watch", "-o", "json"]);
    stub.until(9);
    assert_eq!(watch.interrupt(), (Some(0), String::new()));
    let requests = stub.requests();
    assert!(!requests[0].headers.contains("last-event-id"), "{:?}", requests[0]);
    for request in &requests[1..] {
        assert!(request.headers.contains("last-event-id: 7\n"), "{request:?}");
    }
}

#[test]
fn a_change_is_printed_as_it_comes() {
    let change = json!({ "index": 9, "hold": answers::hold("approved") });
    let stream =
        format!("event: begin\nid: 7\ndata: {{}}\n\nevent: hold\nid: 9\ndata: {change}\n\n");
    let stub = Stub::start(vec![("GET /v1/holds/events", 200, json!(stream))]);
    let mut watch = Following::start(&stub, &["holds", "watch"]);
    let line = watch.line();
    assert!(line.contains("approved") && line.contains("hold_1"), "{line}");
    stub.until(2);
    assert!(stub.requests()[1].headers.contains("last-event-id: 9\n"));
    assert_eq!(watch.interrupt().0, Some(0));
}

#[test]
fn a_stream_that_only_ends_is_given_up_as_unreachable() {
    let stub = Stub::start(vec![("GET /v1/holds/events", 200, json!(""))]);
    let told = online(&stub, &["holds", "watch", "-o", "json"]);
    assert!(told.starts_with("status 8\n"), "{told}");
}

#[test]
fn who_waits_for_a_hold_reads_it_after_the_stream_is_open() {
    let quiet = "event: begin\nid: 7\ndata: {}\n\n";
    let stub = Stub::start(vec![
        ("GET /v1/holds/events", 200, json!(quiet)),
        ("GET /v1/holds/hold_1", 200, answers::hold("consumed")),
    ]);
    let told = online(&stub, &["holds", "show", "hold_1", "--wait=30s", "-o", "json"]);
    assert!(told.starts_with("status 0\n"), "{told}");
}
