//! The routes against a process that belongs to no cluster yet, and the pure parts; beside, against a node over the real
//! state machine. What needs several nodes is tested where clusters are.

mod access;
mod archive;
mod changes;
mod credentials;
mod cross_site;
mod glass;
mod grants;
mod holds;
mod live;
mod own_tokens;
mod page;
mod rejudge;
mod revocations;
mod ssh;
mod tokens;
mod world;

use super::{
    caller::{Access, Peer},
    *,
};
use crate::{clock::Clock, config::Config};
use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};
use countersign_api::{
    problem::{Problem, ProblemKind},
    resource::{ApplyRequest, ResourceDocument},
};
use countersign_core::secret::Secret;
use http_body_util::BodyExt;
use serde_json::json;
use std::collections::BTreeSet;
use tower::ServiceExt;

type Heard = (StatusCode, axum::http::HeaderMap, Vec<u8>);

fn process() -> Arc<App> {
    Arc::new(App::new(Config::default(), Clock::Fixed(1_795_378_167_000)))
}

async fn ask(request: Request<Body>) -> Heard {
    ask_of(process(), request).await
}

async fn ask_of(app: Arc<App>, mut request: Request<Body>) -> Heard {
    request.extensions_mut().insert(Peer("127.0.0.1:1".parse().unwrap()));
    let response = routes::router(Api::new(app)).oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    (parts.status, parts.headers, body.collect().await.unwrap().to_bytes().to_vec())
}

fn kind(body: &[u8]) -> ProblemKind {
    serde_json::from_slice::<Problem>(body).unwrap().problem_kind().unwrap()
}

#[tokio::test]
async fn every_route_but_the_open_ones_asks_for_a_token() {
    for route in routes::table() {
        let path =
            route.path.replace("{id}", "x").replace("{kind}", "Target").replace("{name}", "x");
        let request =
            Request::builder().method(route.method.clone()).uri(&path).body(Body::empty()).unwrap();
        let (status, headers, body) = ask(request).await;
        if route.access == Access::Open {
            assert!(
                status.is_success() || status == StatusCode::SERVICE_UNAVAILABLE,
                "{path}: {status}"
            );
            continue;
        }
        if route.access == Access::TokenInBody {
            assert_eq!(status, StatusCode::BAD_REQUEST, "{} {path}", route.method);
            continue;
        }
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{} {path}", route.method);
        assert_eq!(kind(&body), ProblemKind::NotIdentified);
        assert!(headers.contains_key(header::WWW_AUTHENTICATE));
    }
}

#[tokio::test]
async fn every_route_is_described_and_everything_described_is_a_route() {
    let document = serde_json::to_value(open_api::document()).unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let paths = document["paths"].as_object().unwrap();
    let described: BTreeSet<(String, String)> = paths
        .iter()
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().unwrap().keys();
            methods.map(move |method| (method.to_uppercase(), path.clone()))
        })
        .collect();
    let served: BTreeSet<(String, String)> = routes::table()
        .iter()
        .map(|route| (route.method.to_string(), route.path.to_owned()))
        .collect();
    assert_eq!(described, served);
}

#[test]
fn only_routes_that_change_nothing_answer_get() {
    for route in routes::table().iter().filter(|route| route.access == Access::Admin) {
        assert_ne!(route.method, axum::http::Method::GET, "{}", route.path);
    }
}

#[test]
fn roles_reach_as_far_as_they_should() {
    use countersign_api::agent::Role;
    let has = |role: Option<Role>, access: Access| {
        caller::Caller { who: caller::Who::Bootstrap, roles: role.into_iter().collect() }
            .has(access)
    };
    let matrix = [
        (None, [true, false, false, false]),
        (Some(Role::Reviewer), [true, true, false, false]),
        (Some(Role::Auditor), [true, true, true, false]),
        (Some(Role::Admin), [true, true, true, true]),
    ];
    for (role, expected) in matrix {
        let found = [Access::Identified, Access::Audit, Access::Resources, Access::Admin]
            .map(|access| has(role, access));
        assert_eq!(found, expected, "{role:?}");
    }
}

#[tokio::test]
async fn every_answer_has_an_id_and_keeps_browsers_honest() {
    for path in ["/livez", "/nowhere", "/v1/holds"] {
        let (_, headers, _) = ask(Request::get(path).body(Body::empty()).unwrap()).await;
        assert!(headers["x-request-id"].to_str().unwrap().starts_with("req_"), "{path}");
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert!(!headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN));
    }
    let (_, headers, _) =
        ask(Request::get("/livez").header("x-request-id", "mine-1").body(Body::empty()).unwrap())
            .await;
    assert_eq!(headers["x-request-id"], "mine-1");
    let odd = Request::get("/livez").header("x-request-id", "a b<c>").body(Body::empty()).unwrap();
    assert!(ask(odd).await.1["x-request-id"].to_str().unwrap().starts_with("req_"));
}

#[tokio::test]
async fn what_the_router_refuses_is_a_problem_too() {
    let (status, _, body) = ask(Request::get("/nowhere").body(Body::empty()).unwrap()).await;
    assert_eq!((status, kind(&body)), (StatusCode::NOT_FOUND, ProblemKind::NotFound));
    let (status, headers, body) = ask(Request::post("/livez").body(Body::empty()).unwrap()).await;
    assert_eq!(
        (status, kind(&body)),
        (StatusCode::METHOD_NOT_ALLOWED, ProblemKind::MethodNotAllowed)
    );
    assert!(headers.contains_key(header::ALLOW));
}

#[tokio::test]
async fn a_node_without_a_cluster_says_so() {
    let (status, _, body) = ask(Request::get("/readyz?verbose").body(Body::empty()).unwrap()).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    let readiness: countersign_api::cluster::Readiness = serde_json::from_slice(&body).unwrap();
    assert!(readiness.checks.iter().any(|check| check.name == "initialised" && !check.ok));
    let request = Request::get("/v1/holds")
        .header(header::AUTHORIZATION, "Bearer x")
        .body(Body::empty())
        .unwrap();
    assert_eq!(kind(&ask(request).await.2), ProblemKind::NotInitialised);
}

/// A process that waits to be initialised with the token `right`; nobody carries an order out.
fn waiting() -> Arc<App> {
    let app = process();
    drop(app.bootstrap.wait(&Secret::new("right")));
    app
}

fn init(token: &str, media: &str, body: impl Into<Body>) -> Request<Body> {
    let request = Request::post("/v1/cluster/init")
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .header(header::CONTENT_TYPE, media);
    request.body(body.into()).unwrap()
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_told_with_its_place() {
    let cases = [
        ("text/plain", "{}", ProblemKind::UnsupportedMediaType),
        ("application/json", "{", ProblemKind::BadRequest),
        ("application/json", "{} x", ProblemKind::BadRequest),
        ("application/json; charset=utf-8", r#"{"nmae":"x"}"#, ProblemKind::Invalid),
        ("application/json", r#"{"name":7}"#, ProblemKind::Invalid),
        ("application/json", r#"{"name":"-x"}"#, ProblemKind::Invalid),
        ("application/json", "{}", ProblemKind::Conflict),
    ];
    for (media, body, expected) in cases {
        assert_eq!(
            kind(&ask_of(waiting(), init("right", media, body)).await.2),
            expected,
            "{body}"
        );
    }
}

/// A body that must not be read.
fn unread() -> Body {
    type Piece = Result<axum::body::Bytes, std::io::Error>;
    Body::from_stream(futures::stream::poll_fn(|_| -> std::task::Poll<Option<Piece>> {
        panic!("the body was read before the bearer was checked")
    }))
}

#[tokio::test]
async fn nothing_is_read_of_whoever_brings_no_token_of_ours() {
    let json = "application/json";
    let heard = ask_of(waiting(), init("wrong", json, unread())).await;
    assert_eq!((heard.0, kind(&heard.2)), (StatusCode::UNAUTHORIZED, ProblemKind::NotIdentified));
    let heard = ask_of(process(), init("right", json, unread())).await;
    assert_eq!(kind(&heard.2), ProblemKind::AlreadyInitialised);
    for path in ["/v1/cluster/init", "/v1/cluster/join", "/v1/apply", "/v1/policy/check"] {
        let heard = ask_of(waiting(), Request::post(path).body(unread()).unwrap()).await;
        assert_eq!(heard.0, StatusCode::UNAUTHORIZED, "{path}");
    }
}

#[tokio::test]
async fn who_is_let_in_by_a_token_may_say_only_so_much() {
    let body = vec![b' '; own_token::MAX_BODY + 1];
    let heard = ask_of(waiting(), init("right", "application/json", body)).await;
    assert_eq!((heard.0, kind(&heard.2)), (StatusCode::PAYLOAD_TOO_LARGE, ProblemKind::TooLarge));
}

fn document(kind: &str, name: &str, spec: serde_json::Value) -> ResourceDocument {
    ResourceDocument { kind: kind.into(), name: name.into(), spec, revision: None }
}

fn planned(documents: Vec<ResourceDocument>) -> Result<apply::Plan, ProblemKind> {
    let request = ApplyRequest { documents, ..ApplyRequest::default() };
    apply::plan(&request, &apply::InForce::new())
        .map_err(|failure| failure.0.problem_kind().unwrap())
}

fn provider(name: &str, token_use: &str) -> ResourceDocument {
    let oidc = json!({"issuer": "https://id.example.com", "audiences": ["cs"], "for": token_use});
    document("IdentityProvider", name, json!({ "oidc": oidc }))
}

#[test]
fn a_set_is_refused_whole_when_its_documents_do_not_fit_together() {
    let binding = || {
        document("Binding", "admins", json!({"provider": "people", "group": "g", "role": "admin"}))
    };
    let policy = |cedar: &str| document("Policy", "p", json!({ "cedar": cedar }));
    assert_eq!(
        planned(vec![provider("people", "reviewers"), binding()]).unwrap().warnings.len(),
        0
    );
    assert_eq!(
        planned(vec![provider("people", "reviewers")]).unwrap().warnings.len(),
        1,
        "nobody would be admin"
    );
    assert_eq!(planned(vec![binding()]).unwrap_err(), ProblemKind::Invalid, "no such provider");
    assert_eq!(
        planned(vec![provider("people", "agents"), binding()]).unwrap_err(),
        ProblemKind::Invalid
    );
    let twice = vec![provider("people", "reviewers"), provider("others", "agents")];
    assert_eq!(
        planned(twice).unwrap_err(),
        ProblemKind::Invalid,
        "one token would be read in two ways"
    );
    assert_eq!(
        planned(vec![binding(), binding()]).unwrap_err(),
        ProblemKind::Invalid,
        "named twice"
    );
    assert_eq!(planned(vec![policy("permit(principal")]).unwrap_err(), ProblemKind::InvalidPolicy);
    assert_eq!(
        planned(vec![document("Notifier", "n", json!({}))]).unwrap_err(),
        ProblemKind::Invalid
    );
}

#[test]
fn a_mask_rule_is_checked_and_says_which_targets_it_does_not_reach() {
    let rule = |targets: &[&str], columns: &[&str]| {
        let spec = json!({"targets": targets, "columns": columns, "mask": "redact"});
        document("MaskRule", "m", spec)
    };
    let warnings = |documents| -> Vec<String> {
        let mut warnings = planned(documents).unwrap().warnings;
        warnings.retain(|warning| warning.contains("MaskRule"));
        warnings
    };
    let target = || {
        let role = json!({"app": {"user": "app", "default": true}});
        let address = "127.0.0.1:5432";
        let spec = json!({"address": address, "tls": {"mode": "disable"}, "databases": ["o"], "roles": role});
        document("Target", "orders", json!({ "postgres": spec }))
    };
    assert_eq!(warnings(vec![rule(&["*"], &["*.*.email"])]), Vec::<String>::new());
    assert_eq!(warnings(vec![rule(&["orders"], &["*.*.email"]), target()]), Vec::<String>::new());
    let told = warnings(vec![rule(&["order"], &["*.*.email"]), target()]);
    assert!(told[0].contains("`order`, which is not defined"), "{told:?}");
    assert_eq!(planned(vec![rule(&["*"], &["email"])]).unwrap_err(), ProblemKind::Invalid);
    assert_eq!(planned(vec![rule(&["*"], &[])]).unwrap_err(), ProblemKind::Invalid);
}

#[test]
fn a_policy_problem_is_told_with_line_and_column() {
    let cedar = "permit(principal, action, resource)\n  when { context.kind == 3 };";
    let request = ApplyRequest {
        documents: vec![document("Policy", "p", json!({ "cedar": cedar }))],
        ..ApplyRequest::default()
    };
    let failure = apply::plan(&request, &apply::InForce::new()).unwrap_err();
    let item = &failure.0.errors[0];
    assert_eq!((item.document.as_deref(), item.line), (Some("Policy/p"), Some(2)));
    assert!(item.column.unwrap() > 1);
}

#[test]
fn several_issuers_of_one_use_each_say_their_groups() {
    let of = |name: &str, issuer: &str, groups: Option<&[&str]>| {
        let mut oidc = json!({"issuer": issuer, "audiences": ["cs"], "for": "reviewers"});
        if let Some(groups) = groups {
            oidc["groups"] = json!(groups);
        }
        document("IdentityProvider", name, json!({ "oidc": oidc }))
    };
    let (staff, partner) = ("https://staff.example", "https://partner.example");
    assert!(planned(vec![of("staff", staff, None)]).is_ok());
    let unsaid = vec![of("staff", staff, Some(&["dba"])), of("partner", partner, None)];
    assert_eq!(planned(unsaid).unwrap_err(), ProblemKind::Invalid);
    let said = vec![of("staff", staff, Some(&["dba"])), of("partner", partner, Some(&["ops"]))];
    assert!(planned(said).is_ok());
}

/// Documents as they are in force.
fn in_force(documents: Vec<ResourceDocument>) -> apply::InForce {
    use countersign_core::{agent::Identity, id::Revision, log_time::LogTime};
    use countersign_raft_store::records::{Author, ResourceRecord};
    let identity = Identity { issuer: "https://id".to_owned(), subject: "ada".to_owned() };
    let author = Author { identity, name: "ada".to_owned() };
    let record = |document: ResourceDocument| {
        let kind: countersign_api::resource::Kind = document.kind.parse().unwrap();
        let record = ResourceRecord {
            kind: convert::resource_kind(kind),
            name: document.name.clone(),
            body: document.spec.to_string(),
            revision: Revision(1),
            author: author.clone(),
            at: LogTime(0),
        };
        ((kind, document.name), record)
    };
    documents.into_iter().map(record).collect()
}

#[test]
fn the_last_administrator_is_not_removed_unless_that_is_said() {
    let binding = |role: &str| {
        document("Binding", "b", json!({"provider": "people", "group": "g", "role": role}))
    };
    let before = in_force(vec![provider("people", "reviewers"), binding("admin")]);
    let plan = |request: &ApplyRequest| {
        apply::plan(request, &before).map_err(|failure| failure.0.problem_kind().unwrap())
    };
    let policy = document("Policy", "p", json!({ "cedar": "" }));
    let pruned = ApplyRequest { documents: vec![policy], prune: true, ..ApplyRequest::default() };
    assert_eq!(plan(&pruned).unwrap_err(), ProblemKind::Lockout, "everything but a policy");
    let demoted = ApplyRequest { documents: vec![binding("auditor")], ..ApplyRequest::default() };
    assert_eq!(plan(&demoted).unwrap_err(), ProblemKind::Lockout);
    let meant = ApplyRequest { allow_lockout: true, ..pruned.clone() };
    assert_eq!(plan(&meant).unwrap().warnings.len(), 1);
    let kept = vec![provider("people", "reviewers"), binding("admin")];
    let kept = ApplyRequest { documents: kept, ..pruned };
    assert!(plan(&kept).unwrap().changes.is_empty());
}

#[tokio::test]
async fn a_handler_that_panics_is_a_fault_of_ours_and_ends_nothing_else() {
    use axum::{middleware, routing::get};
    let api = Api::new(process());
    let handler = get(async || -> &'static str { panic!("on purpose") });
    let router: axum::Router = axum::Router::new()
        .route("/panics", handler)
        .layer(middleware::from_fn_with_state(api, answers::around));
    let request = Request::get("/panics").body(Body::empty()).unwrap();
    let response = router.oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(kind(&body), ProblemKind::Internal);
}
