//! The HTTP API from outside: what it publishes, who is let in, and that its errors are problem documents.

use countersign_tests::{
    api::{Api, at},
    cluster::Cluster,
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What anybody may ask, and what takes another proof than a caller's token (a join token, an init token, the token that is
/// exchanged, which is part of the request).
const OPEN: &[&str] = &[
    "/livez",
    "/readyz",
    "/v1/openapi.json",
    "/v1/cluster/join",
    "/v1/cluster/init",
    "/v1/policy/schema",
    "/v1/token",
];

/// What anybody may read; to change it is another matter.
const READABLE: &[&str] = &["/v1/ssh/keys"];

/// What takes an agent's token, and nobody else's.
const AGENTS: &[&str] = &["/v1/credentials/postgres", "/v1/credentials/ssh"];

/// What interfaces.md promises of this version.
const PROMISED: &[&str] = &[
    "/v1/holds",
    "/v1/holds/{id}",
    "/v1/holds/{id}/decision",
    "/v1/holds/{id}/withdraw",
    "/v1/holds/events",
    "/v1/sessions",
    "/v1/audit/events",
    "/v1/audit/head",
    "/v1/resources/{kind}/{name}",
    "/v1/apply",
    "/v1/cluster",
    "/v1/credentials/postgres",
    "/v1/credentials/ssh",
    "/v1/sessions/{id}/live",
    "/v1/sessions/{id}/recording",
    "/v1/policy/test",
    "/v1/policy/simulate",
    "/v1/policy/explain",
    "/v1/revocations",
    "/v1/token",
];

async fn every_route(api: &Api) -> Vec<(Method, String)> {
    let document = api.get("/v1/openapi.json").await.unwrap();
    assert_eq!(document.status, StatusCode::OK, "{document}");
    assert!(document.text("/openapi").starts_with("3.1"), "{}", document.text("/openapi"));
    let paths = document.body["paths"].as_object().unwrap();
    let known: BTreeSet<&str> = paths.keys().map(String::as_str).collect();
    for promised in PROMISED {
        assert!(known.contains(promised), "{promised} is not in the document: {known:?}");
    }
    let mut routes = Vec::new();
    for (path, methods) in paths {
        for method in methods.as_object().unwrap().keys() {
            if let Ok(method) = method.to_uppercase().parse::<Method>()
                && method != Method::from_bytes(b"PARAMETERS").unwrap()
            {
                routes.push((method, path.clone()));
            }
        }
    }
    assert!(routes.len() >= PROMISED.len());
    routes
}

/// Made-up values for the parameters of a path.
fn filled(path: &str) -> String {
    path.replace("{id}", "none")
        .replace("{kind}", "Policy")
        .replace("{name}", "none")
        .replace("{node}", "9")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_refuses_who_it_cannot_identify() {
    let cluster = Cluster::start().await.unwrap();
    let routes = every_route(&cluster.api_with(2, "").unwrap()).await;
    // Refused tokens are counted by node, and more than its share in a minute is turned away unheard.
    for ((method, path), node) in routes.into_iter().zip((1..=3).cycle()) {
        let readable = method == Method::GET && READABLE.contains(&path.as_str());
        if readable || OPEN.contains(&path.as_str()) {
            continue;
        }
        let nobody = cluster.api_with(node, "").unwrap();
        let forger = cluster.api_with(node, "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEifQ.").unwrap();
        let for_agents = AGENTS.contains(&path.as_str());
        let other = if for_agents { "CS_REVIEWER_TOKEN" } else { "CS_AGENT_TOKEN" };
        let stranger = cluster.api(node, other).unwrap();
        for caller in [&nobody, &stranger, &forger] {
            let body = (method != Method::GET && method != Method::DELETE).then(|| json!({}));
            let answer = caller.call(method.clone(), &filled(&path), body.as_ref()).await.unwrap();
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{method} {path}: {answer}");
            assert_eq!(
                answer.content_type, "application/problem+json",
                "{method} {path}: {answer}"
            );
        }
    }
    cluster.check_logs(&[]).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reviewer_may_decide_but_not_administer() {
    let cluster = Cluster::start().await.unwrap();
    let reviewer = cluster.api(3, "CS_REVIEWER_TOKEN").unwrap();
    let forbidden: &[(Method, &str, Value)] = &[
        (Method::POST, "/v1/apply", json!({"documents": []})),
        (
            Method::PUT,
            "/v1/resources/Policy/mine",
            json!({"spec": {"cedar": "permit(principal, action, resource);"}}),
        ),
        (Method::DELETE, "/v1/resources/Policy/sample", Value::Null),
        (Method::POST, "/v1/cluster/tokens", json!({})),
        (Method::POST, "/v1/cluster/transfer-leader", json!({})),
        (Method::POST, "/v1/cluster/remove", json!({"node": 3})),
        (Method::POST, "/v1/cluster/replace", json!({"node": 3, "with": 2})),
        (Method::POST, "/v1/cluster/promote", json!({"node": 3})),
        (Method::POST, "/v1/cluster/snapshot", json!({"passphrase": "0123456789abcdef"})),
        (Method::POST, "/v1/cluster/reopen", json!({})),
        (Method::POST, "/v1/revocations", json!({"identity": {"issuer": "x", "subject": "y"}})),
    ];
    for (method, path, body) in forbidden {
        let body = (!body.is_null()).then_some(body);
        let answer = reviewer.call(method.clone(), path, body).await.unwrap();
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{method} {path}: {answer}");
    }
    for path in ["/v1/holds", "/v1/audit/events", "/v1/audit/head"] {
        assert_eq!(reviewer.get(path).await.unwrap().status, StatusCode::OK, "{path}");
    }
    cluster.check_logs(&[]).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_read_is_told_as_a_problem_document() {
    let cluster = Cluster::start().await.unwrap();
    let admin = cluster.api(1, "CS_ADMIN_TOKEN").unwrap();
    let cases: &[(Method, &str, Option<Value>)] = &[
        (Method::GET, "/v1/nothing-here", None),
        (Method::GET, "/v1/holds/none", None),
        (Method::GET, "/v1/holds?state=asleep", None),
        (Method::GET, "/v1/holds?limit=-1", None),
        (Method::GET, "/v1/holds?cursor=garbage", None),
        (Method::DELETE, "/v1/holds", None),
        (Method::POST, "/v1/apply", Some(json!([1, 2]))),
        (
            Method::POST,
            "/v1/apply",
            Some(json!({"documents": [{"kind": "Unicorn", "name": "x", "spec": {}}]})),
        ),
        (
            Method::POST,
            "/v1/apply",
            Some(json!({"documents": [{"kind": "Policy", "name": "x", "spec": {"sugar": 1}}]})),
        ),
        (Method::POST, "/v1/apply", Some(json!({"documents": "x".repeat(20_000_000)}))),
        (Method::GET, "/v1/audit/events?after=-5", None),
    ];
    for (method, path, body) in cases {
        let answer = admin.call(method.clone(), path, body.as_ref()).await.unwrap();
        assert!(answer.status.is_client_error(), "{method} {path}: {}", answer.status);
        assert_eq!(answer.content_type, "application/problem+json", "{method} {path}");
        for member in ["/type", "/title", "/detail"] {
            assert!(!answer.text(member).is_empty(), "{method} {path}: no {member}: {answer}");
        }
        assert_eq!(answer.body["status"], answer.status.as_u16());
    }
    cluster.check_logs(&[]).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_over_one_node_is_read_over_another_that_has_the_index() {
    let cluster = Cluster::start().await.unwrap();
    let first = cluster.api(1, "CS_ADMIN_TOKEN").unwrap();
    let second = cluster.api(2, "CS_ADMIN_TOKEN").unwrap();
    let sample = first.get("/v1/resources/Policy/sample").await.unwrap();
    for round in 0..5 {
        let cedar = format!("{}\n// round {round}\n", at(&sample.body, "/spec/cedar"));
        let body =
            json!({"documents": [{"kind": "Policy", "name": "sample", "spec": {"cedar": cedar}}]});
        let applied = first.post("/v1/apply", &body).await.unwrap();
        let revision = applied.body["revision"].as_u64().unwrap_or_else(|| panic!("{applied}"));
        let read =
            second.get(&format!("/v1/resources/Policy/sample?min_index={revision}")).await.unwrap();
        assert_eq!(at(&read.body, "/spec/cedar"), cedar);
    }
    let never = second.get("/v1/holds?min_index=999999999").await.unwrap();
    assert_eq!(never.status, StatusCode::SERVICE_UNAVAILABLE, "{never}");
    cluster.check_logs(&[]).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_revision_does_not_overwrite_a_newer_one() {
    let cluster = Cluster::start().await.unwrap();
    let admin = cluster.api(2, "CS_ADMIN_TOKEN").unwrap();
    let sample = admin.get("/v1/resources/Policy/sample").await.unwrap();
    let cedar = at(&sample.body, "/spec/cedar").to_owned();
    let document = |text: &str, revision: &Value| json!({"documents": [{"kind": "Policy", "name": "sample", "spec": {"cedar": text}, "revision": revision}]});
    let read = &sample.body["revision"];
    let first =
        admin.post("/v1/apply", &document(&format!("{cedar}\n// one\n"), read)).await.unwrap();
    assert!(first.status.is_success(), "{first}");
    let second =
        admin.post("/v1/apply", &document(&format!("{cedar}\n// two\n"), read)).await.unwrap();
    assert!(matches!(second.status.as_u16(), 409 | 412), "{second}");
    let after = admin.get("/v1/resources/Policy/sample").await.unwrap();
    assert!(at(&after.body, "/spec/cedar").ends_with("// one\n"));
    cluster.check_logs(&[]).unwrap();
}
