//! Gauges that are looked at when somebody asks. They are for dashboards; nothing is decided on them.

use crate::{
    app::{App, Node},
    archive::{Keeping, overdue},
    health,
};
use countersign_raft_store::{
    handle::{HoldFilter, HoldsIn, ReadError, StateView},
    records::HoldPhase,
};
use metrics::{describe_gauge, gauge};
use std::{path::Path, sync::Arc, time::Duration};

/// Rows of one read.
const ROWS: usize = 1000;
/// Open holds that are counted; what is beyond is not told apart.
const MAX_COUNTED: usize = 100_000;

/// Says what each gauge is.
pub(super) fn describe() {
    for (name, meaning) in [
        ("countersign_node_draining", "Whether this node takes no new agents."),
        ("countersign_node_initialised", "Whether this node belongs to a cluster."),
        ("countersign_node_ready", "Whether this node may take agents, as /readyz says."),
        ("countersign_node_passed_checks", "Each check of /readyz: 1 passed, 0 failed."),
        ("countersign_node_disk_free_bytes", "Free bytes on the disk of the data directory."),
        ("countersign_node_disk_size_bytes", "Size of the disk of the data directory."),
        ("countersign_session_open_sessions", "Open sessions of this node."),
        ("countersign_hold_open_holds", "Open holds of the cluster, by state."),
        ("countersign_hold_oldest_pending_seconds", "How long the oldest pending hold waits."),
        ("countersign_raft_term_number", "The term that this node knows."),
        ("countersign_raft_last_index", "The last index of this node's log."),
        ("countersign_raft_applied_index", "The last index that this node has applied."),
        ("countersign_raft_committed_index", "The last index that this node knows committed."),
        ("countersign_raft_leader", "Whether this node leads."),
        ("countersign_raft_voters", "Voters of the cluster, as this node knows them."),
        ("countersign_raft_learners", "Learners of the cluster, as this node knows them."),
        (
            "countersign_raft_flush_p99_seconds",
            "How long the log's writes take until they are synced.",
        ),
        ("countersign_raft_disk_p99_seconds", "How long the disk's syncs take."),
        ("countersign_gate_lease_left_seconds", "What is left of the serving lease."),
        (
            "countersign_archive_overdue_seconds",
            "How long the oldest event that should have left the state for the archive is overdue.",
        ),
    ] {
        describe_gauge!(name, meaning);
    }
}

/// Looks at everything.
pub(super) async fn look(app: &App) {
    gauge!("countersign_node_draining").set(flag(app.is_draining()));
    gauge!("countersign_node_initialised").set(flag(app.node().is_some()));
    readiness(app);
    disk(&app.config.data_dir);
    let Some(node) = app.node() else { return };
    engine(node);
    gauge!("countersign_session_open_sessions").set(count(node.gate.open_sessions()));
    archive(node, Keeping::of(&app.config.archive)).await;
    let store = node.store.clone();
    // Counting reads the disk: where blocking is allowed.
    let counted = tokio::task::spawn_blocking(move || open_holds(&store.view()?)).await;
    match counted {
        Ok(Ok(open)) => {
            gauge!("countersign_hold_open_holds", "state" => "pending").set(count(open.pending));
            gauge!("countersign_hold_open_holds", "state" => "approved").set(count(open.approved));
            gauge!("countersign_hold_oldest_pending_seconds")
                .set(open.oldest_pending.as_secs_f64());
        }
        Ok(Err(error)) => {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the holds could not be counted"
            );
        }
        Err(_stopping) => {}
    }
}

/// How far the archive is behind, where this node has one.
async fn archive(node: &Arc<Node>, keeping: Keeping) {
    if node.archive.places().is_none() {
        return;
    }
    let store = node.store.clone();
    match tokio::task::spawn_blocking(move || overdue(&store.view()?, keeping)).await {
        Ok(Ok(late)) => gauge!("countersign_archive_overdue_seconds").set(late.as_secs_f64()),
        Ok(Err(error)) => {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "it could not be seen how far the archive of the audit is");
        }
        Err(_stopping) => {}
    }
}

fn engine(node: &Arc<Node>) {
    let (status, figures) = (node.store.status(), node.membership.figures());
    gauge!("countersign_raft_term_number").set(number(status.term));
    gauge!("countersign_raft_last_index").set(number(status.last.0));
    gauge!("countersign_raft_applied_index").set(number(status.applied.0));
    gauge!("countersign_raft_committed_index").set(number(figures.committed.0));
    gauge!("countersign_raft_leader").set(flag(status.leader == Some(node.id)));
    gauge!("countersign_raft_voters").set(count(status.voters.len()));
    gauge!("countersign_raft_learners").set(count(status.learners.len()));
    gauge!("countersign_raft_flush_p99_seconds").set(figures.flush_p99.as_secs_f64());
    gauge!("countersign_raft_disk_p99_seconds").set(figures.disk_p99.as_secs_f64());
    let left = figures.lease_left.unwrap_or(Duration::ZERO);
    gauge!("countersign_gate_lease_left_seconds").set(left.as_secs_f64());
}

/// What `/readyz` says, check by check.
fn readiness(app: &App) {
    let readiness = health::look(app);
    gauge!("countersign_node_ready").set(flag(readiness.ready));
    for check in readiness.checks {
        gauge!("countersign_node_passed_checks", "check" => check.name).set(flag(check.ok));
    }
}

/// The disk of the data directory; nothing where it cannot be looked at, which `/readyz` says.
fn disk(data_dir: &Path) {
    let Ok(disk) = rustix::fs::statvfs(data_dir) else { return };
    let bytes = |blocks: u64| number(blocks.saturating_mul(disk.f_frsize));
    gauge!("countersign_node_disk_free_bytes").set(bytes(disk.f_bavail));
    gauge!("countersign_node_disk_size_bytes").set(bytes(disk.f_blocks));
}

/// The holds that are not settled.
#[derive(Debug, Default)]
struct OpenHolds {
    pending: usize,
    approved: usize,
    /// How long the oldest pending one waits, by log time.
    oldest_pending: Duration,
}

fn open_holds(view: &StateView) -> Result<OpenHolds, ReadError> {
    let now = view.log_time()?;
    let (mut open, mut before) = (OpenHolds::default(), None);
    while open.pending + open.approved < MAX_COUNTED {
        let page = view.holds(HoldFilter { within: HoldsIn::Open, before }, ROWS)?;
        for record in &page.holds {
            match HoldPhase::of(&record.hold.state) {
                HoldPhase::Pending => {
                    open.pending += 1;
                    let waits = now.0.saturating_sub(record.hold.opened_at.0);
                    open.oldest_pending = open.oldest_pending.max(Duration::from_millis(waits));
                }
                HoldPhase::Approved => open.approved += 1,
                HoldPhase::Consumed
                | HoldPhase::Rejected
                | HoldPhase::Withdrawn
                | HoldPhase::Expired
                | HoldPhase::Invalidated => {}
            }
        }
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    Ok(open)
}

fn flag(yes: impl Into<bool>) -> f64 {
    if yes.into() { 1.0 } else { 0.0 }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a float; beyond 2^53 nobody counts")]
fn number(value: u64) -> f64 {
    value as f64
}

fn count(value: usize) -> f64 {
    number(value as u64)
}
