//! Going away in order, so that nobody notices who need not: the load balancer learns that this node takes no more,
//! another node leads, open sessions come to their end, and who waits for a decision is parked and told so.
//!
//! A second signal cuts all of it short. What is recorded afterwards, and how the engine closes, is `serve`'s business.

use crate::{
    app::App,
    cluster::Member,
    gate::NodeGate,
    shutdown::{Shutdown, Why},
};
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// How often it is looked whether sessions are left.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Drains, and ends the sessions that are left.
pub(crate) async fn drain(app: &App, member: &Member, gate: &NodeGate) {
    tokio::select! {
        () = in_order(app, member, gate) => {}
        () = app.shutdown.stopping() => {}
    }
    let left = gate.open_sessions();
    if left > 0 {
        tracing::info!(sessions = left, "ends the sessions that are left");
        gate.end_sessions();
    }
}

async fn in_order(app: &App, member: &Member, gate: &NodeGate) {
    let limits = &app.config.limits;
    notice(&app.shutdown, Duration::from_millis(limits.balancer_ms)).await;
    app.shutdown.close();
    let sessions = async {
        while gate.open_sessions() > 0 {
            sleep(LOOK_EVERY).await;
        }
    };
    let grace = Duration::from_millis(limits.drain_ms);
    // Whether none is left or time is up: whoever is left is ended next.
    let ((), _) = tokio::join!(member.hand_over(), timeout(grace, sessions));
}

/// The time in which the load balancer finds `/readyz` failing and sends nobody any more; until then agents are served. A
/// node that cannot go on makes nobody wait for that.
async fn notice(shutdown: &Shutdown, balancer: Duration) {
    match shutdown.why() {
        Some(Why::Asked(_)) => sleep(balancer).await,
        Some(Why::Superseded(_) | Why::Failed(_)) | None => {}
    }
}
