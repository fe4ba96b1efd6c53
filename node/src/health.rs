//! `/livez` and `/readyz`: whether the process lives, and whether it may take agents. Neither needs an identity.

use crate::{api::Api, app::Node, clock::now_ms};
use axum::{
    Json,
    extract::{Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use countersign_api::cluster::{Readiness, ReadinessCheck};
use countersign_core::log_time::LogTime;
use std::collections::BTreeMap;

/// How far this node's clock may be from log time before tokens cannot be judged any more, in milliseconds. Log time stands
/// still while nothing happens, so only a clock that runs behind it is noticed.
const MAX_CLOCK_BEHIND_MS: u64 = 10_000;

/// Whether the process lives. It never depends on the cluster.
#[utoipa::path(get, path = "/livez", tag = "health", security(()), responses((status = 200, body = String)))]
pub(crate) async fn live() -> &'static str {
    "ok\n"
}

/// Whether the node may take agents.
#[utoipa::path(get, path = "/readyz", tag = "health", security(()), params(("verbose" = Option<bool>, Query)), responses((status = 200, body = Readiness), (status = 503, body = Readiness)))]
pub(crate) async fn ready(
    State(api): State<Api>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    let readiness = look(&api);
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    if query.contains_key("verbose") {
        return (status, Json(readiness)).into_response();
    }
    // Without an identity and without being asked, not more than a load balancer needs.
    (status, if readiness.ready { "ready\n" } else { "not ready\n" }).into_response()
}

fn look(api: &Api) -> Readiness {
    let mut checks = vec![check("draining", draining(api))];
    match api.app.node() {
        None => checks.push(check("initialised", Err("this node belongs to no cluster yet"))),
        Some(node) => {
            checks.push(check("initialised", Ok("this node belongs to a cluster")));
            checks.push(check("lease", leased(node)));
            checks.push(check("incarnation", started(node)));
            checks.push(check("clock", clock(node)));
        }
    }
    Readiness { ready: checks.iter().all(|check| check.ok), checks }
}

/// What a look found: in order, or not.
type Found = Result<&'static str, &'static str>;

fn draining(api: &Api) -> Found {
    if api.app.is_draining() { Err("this node drains") } else { Ok("this node does not drain") }
}

fn leased(node: &Node) -> Found {
    if node.store.has_lease() { Ok("the serving lease is held") } else { Err("no quorum has answered lately") }
}

fn started(node: &Node) -> Found {
    let incarnation = node.gate.incarnation();
    incarnation.map(|_| "this start is in the log").ok_or("this start is not in the log yet")
}

fn clock(node: &Node) -> Found {
    // One short read of the state.
    match node.store.view().and_then(|view| view.log_time()) {
        Ok(LogTime(log_ms)) if now_ms().saturating_add(MAX_CLOCK_BEHIND_MS) >= log_ms => {
            Ok("the clock agrees with log time")
        }
        Ok(_) => Err("the clock is behind log time"),
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "the state cannot be read");
            Err("the state cannot be read")
        }
    }
}

fn check(name: &str, found: Found) -> ReadinessCheck {
    let (Ok(detail) | Err(detail)) = found;
    ReadinessCheck { name: name.to_owned(), ok: found.is_ok(), detail: detail.to_owned() }
}
