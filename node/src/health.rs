//! `/livez` and `/readyz`: whether the process lives, and whether it may take agents. Neither needs an identity. They are on
//! the metrics listener too, which stays free when the API's connections are taken.

use crate::{
    api::Api,
    app::{App, Node},
    clock::now_ms,
};
use axum::{
    Json,
    extract::{Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use countersign_api::cluster::{Readiness, ReadinessCheck};
use countersign_core::log_time::LogTime;
use countersign_raft_store::records::Service;
use rustix::fs::StatVfsMountFlags;
use std::{collections::BTreeMap, path::Path};

/// How far this node's clock may be from log time before tokens cannot be judged any more, in milliseconds. Log time stands
/// still while nothing happens, so only a clock that runs behind it is noticed.
const MAX_CLOCK_BEHIND_MS: u64 = 10_000;

/// Bytes that must be free on the disk of the data directory: a node that cannot write any more stops, so it takes no agents
/// before it comes to that.
pub(crate) const MIN_FREE: u64 = 256 * 1024 * 1024;

/// Whether the process lives. It never depends on the cluster.
#[utoipa::path(get, path = "/livez", tag = "health", security(()), responses((status = 200, body = String)))]
pub(crate) async fn live() -> &'static str {
    ALIVE
}

/// The answer of a process that lives.
pub(crate) const ALIVE: &str = "ok\n";

/// Whether the node may take agents.
#[utoipa::path(get, path = "/readyz", tag = "health", security(()), params(("verbose" = Option<bool>, Query)), responses((status = 200, body = Readiness), (status = 503, body = Readiness)))]
pub(crate) async fn ready(
    State(api): State<Api>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    let readiness = look(&api.app);
    let status = status(&readiness);
    if query.contains_key("verbose") {
        return (status, Json(readiness)).into_response();
    }
    // Without an identity and without being asked, not more than a load balancer needs.
    (status, word(&readiness)).into_response()
}

/// The status for a load balancer.
pub(crate) const fn status(readiness: &Readiness) -> StatusCode {
    if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

/// The answer for a load balancer.
pub(crate) const fn word(readiness: &Readiness) -> &'static str {
    if readiness.ready { "ready\n" } else { "not ready\n" }
}

/// Looks at everything that a node needs to take agents.
pub(crate) fn look(app: &App) -> Readiness {
    let mut checks = vec![check("draining", draining(app))];
    match app.node() {
        None => checks.push(check("initialised", Err("this node belongs to no cluster yet"))),
        Some(node) => {
            checks.push(check("initialised", Ok("this node belongs to a cluster")));
            checks.push(check("lease", leased(node)));
            checks.push(check("incarnation", started(node)));
            checks.push(check("open", open(node)));
            checks.push(check("clock", clock(node)));
            checks.push(check("disk", disk(&app.config.data_dir, MIN_FREE)));
        }
    }
    Readiness { ready: checks.iter().all(|check| check.ok), checks }
}

/// What a look found: in order, or not.
type Found = Result<&'static str, &'static str>;

fn draining(app: &App) -> Found {
    if app.is_draining() { Err("this node drains") } else { Ok("this node does not drain") }
}

fn leased(node: &Node) -> Found {
    if node.store.has_lease() {
        Ok("the serving lease is held")
    } else {
        Err("no quorum has answered lately")
    }
}

fn started(node: &Node) -> Found {
    let incarnation = node.gate.incarnation();
    incarnation.map(|_| "this start is in the log").ok_or("this start is not in the log yet")
}

fn open(node: &Node) -> Found {
    // One short read of the state.
    match node.store.view().and_then(|view| view.epoch()) {
        Ok(epoch) => match epoch.service {
            Service::Open => Ok("the cluster takes agents"),
            Service::Closed => {
                Err("the cluster was recovered, and no administrator has reopened it yet")
            }
        },
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "the state cannot be read");
            Err("the state cannot be read")
        }
    }
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

/// Whether the disk of the data directory takes writes and has room for more.
fn disk(data_dir: &Path, least: u64) -> Found {
    match rustix::fs::statvfs(data_dir) {
        Ok(disk) if disk.f_flag.contains(StatVfsMountFlags::RDONLY) => {
            Err("the disk of the data directory is mounted read-only")
        }
        Ok(disk) if disk.f_bavail.saturating_mul(disk.f_frsize) < least => {
            Err("the disk of the data directory is nearly full")
        }
        Ok(_) => Ok("the disk of the data directory has room"),
        Err(error) => {
            tracing::error!(%error, "the disk of the data directory cannot be looked at");
            Err("the disk of the data directory cannot be looked at")
        }
    }
}

fn check(name: &str, found: Found) -> ReadinessCheck {
    let (Ok(detail) | Err(detail)) = found;
    ReadinessCheck { name: name.to_owned(), ok: found.is_ok(), detail: detail.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_is_full_or_gone_takes_no_agents() {
        let folder = tempfile::tempdir().unwrap();
        disk(folder.path(), 0).unwrap();
        assert_eq!(
            disk(folder.path(), u64::MAX),
            Err("the disk of the data directory is nearly full")
        );
        disk(&folder.path().join("gone"), 0).unwrap_err();
    }
}
