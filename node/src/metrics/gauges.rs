//! Gauges that are looked at when somebody asks. They are for dashboards; nothing is decided on them.

use crate::app::{App, Node};
use countersign_raft_store::{
    handle::{HoldFilter, HoldsIn, ReadError, StateView},
    records::HoldPhase,
};
use metrics::gauge;
use std::{sync::Arc, time::Duration};

/// Rows of one read.
const ROWS: usize = 1000;
/// Open holds that are counted; what is beyond is not told apart.
const MAX_COUNTED: usize = 100_000;

/// Looks at everything.
pub(super) async fn look(app: &App) {
    gauge!("countersign_node_draining").set(flag(app.is_draining()));
    gauge!("countersign_node_initialised").set(flag(app.node().is_some()));
    let Some(node) = app.node() else { return };
    engine(node);
    gauge!("countersign_session_open_sessions").set(count(node.gate.open_sessions()));
    let store = node.store.clone();
    // Counting reads the disk: where blocking is allowed.
    let counted = tokio::task::spawn_blocking(move || open_holds(&store.view()?)).await;
    match counted {
        Ok(Ok((pending, approved))) => {
            gauge!("countersign_hold_open_holds", "state" => "pending").set(count(pending));
            gauge!("countersign_hold_open_holds", "state" => "approved").set(count(approved));
        }
        Ok(Err(error)) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "the holds could not be counted");
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

fn open_holds(view: &StateView) -> Result<(usize, usize), ReadError> {
    let (mut pending, mut approved, mut before) = (0, 0, None);
    while pending + approved < MAX_COUNTED {
        let page = view.holds(HoldFilter { within: HoldsIn::Open, before }, ROWS)?;
        for record in &page.holds {
            match HoldPhase::of(&record.hold.state) {
                HoldPhase::Pending => pending += 1,
                HoldPhase::Approved => approved += 1,
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
    Ok((pending, approved))
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
