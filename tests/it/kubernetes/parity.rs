//! What the adapter takes a request for, beside what a real API server takes it for, by the server's own audit.
//!
//! The requests are a stranger's who may do nothing: each is mapped, judged and written down by the server, and nothing
//! comes of it.

use super::requests::{self, Asked};
use countersign_kubernetes::{
    classify::{Method, Object, RequestInfo, Subject, classify},
    request::Request,
};
use countersign_tests::{
    api_server::{ApiServer, User},
    folder::Folder,
    raw_http::RawHttp,
    wait::{self, Look, PATIENCE},
};
use serde_json::Value;
use std::collections::BTreeMap;

/// As many are asked at a time.
const CONNECTIONS: usize = 4;
/// How many must have been compared.
const LEAST_COMPARED: usize = 2_000;
/// How many of a hundred requests the adapter may refuse as not plainly written.
const MOST_REFUSED_PERCENT: usize = 40;

/// Verb and place, written so that they can be compared.
fn found((method, target): &Asked) -> Option<String> {
    let method = Method::named(method).ok()?;
    let RequestInfo { verb, subject } = classify(&Request::head(method, target)).ok()?.info;
    let place = match subject {
        Subject::Url(path) => path,
        Subject::Object(Object { group, version, namespace, resource, name, subresource }) => {
            place([&group, &version, &namespace, &resource, &name, &subresource])
        }
    };
    Some(format!("{} {place}", verb.name()))
}

/// The same, by an event of the server's audit.
fn audited(event: &Value) -> String {
    let verb = event["verb"].as_str().unwrap();
    let place = if let Some(object) = event["objectRef"].as_object() {
        let part = |name| object.get(name).and_then(Value::as_str).unwrap_or_default();
        place(["apiGroup", "apiVersion", "namespace", "resource", "name", "subresource"].map(part))
    } else {
        let target = event["requestURI"].as_str().unwrap();
        target.split('?').next().unwrap().to_owned()
    };
    format!("{verb} {place}")
}

fn place(parts: [&str; 6]) -> String {
    parts.map(|part| if part.is_empty() { "-" } else { part }).join(" ")
}

/// Asks the server, each request under its own number, which the server writes into its audit.
fn ask(server: &ApiServer, asked: &[(usize, Asked)]) {
    let token = server.token(User::Stranger);
    let connect = || RawHttp::connect(server.port(), &server.ca_file()).unwrap();
    let mut connection = connect();
    for (number, (method, target)) in asked {
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n\
             Audit-ID: {number}\r\nContent-Length: 0\r\n\r\n"
        );
        connection.send(head.as_bytes()).unwrap();
        let answer = connection.answer(method).unwrap();
        if answer.header("connection") == Some("close") {
            connection = connect();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_takes_every_request_for_what_the_adapter_takes_it_for() {
    let folder = Folder::new().unwrap();
    let server = ApiServer::start(&folder).await.unwrap();
    let all = requests::all();
    let asked: Vec<(usize, Asked)> =
        all.iter().filter(|asked| found(asked).is_some()).cloned().enumerate().collect();
    let share = asked.len().div_ceil(CONNECTIONS);
    std::thread::scope(|scope| {
        for share in asked.chunks(share) {
            scope.spawn(|| ask(&server, share));
        }
    });
    let events = wait::until("the audit to have everything", PATIENCE, async || {
        let events: BTreeMap<usize, Value> = server
            .audited()?
            .into_iter()
            .filter_map(|event| Some((event["auditID"].as_str()?.parse().ok()?, event)))
            .collect();
        let seen = format!("{} of {}", events.len(), asked.len());
        Ok(Look::some((events.len() == asked.len()).then_some(events), seen))
    })
    .await
    .unwrap();
    let mut different = Vec::new();
    for (number, asked) in &asked {
        let event = &events[number];
        assert_eq!(event["requestURI"], asked.1.as_str());
        assert_eq!(event["user"]["username"], User::Stranger.name());
        let (ours, theirs) = (found(asked).unwrap(), audited(event));
        if ours != theirs {
            different
                .push(format!("{} {}\n  server: {theirs}\n    ours: {ours}", asked.0, asked.1));
        }
    }
    let refused = all.len() - asked.len();
    assert!(different.is_empty(), "{} differ:\n{}", different.len(), different.join("\n"));
    assert!(asked.len() >= LEAST_COMPARED, "{} compared", asked.len());
    let share = refused * 100 / all.len();
    assert!(share <= MOST_REFUSED_PERCENT, "{refused} of {} are refused", all.len());
}
