//! Log time moves with every entry; where nothing else happens, the leader moves it so that what is due expires.

use crate::{clock, shutdown::Shutdown};
use countersign_raft_store::{command::Command, handle::Store};
use std::time::Duration;
use tokio::time::sleep;

/// How often the leader looks whether something is due.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Looks until the node stops. Every node does; only the leader acts.
pub async fn keep(store: Store, shutdown: Shutdown) {
    loop {
        tokio::select! {
            () = sleep(LOOK_EVERY) => {}
            () = shutdown.stopping() => return,
        }
        if !is_due(&store) {
            continue;
        }
        if let Err(error) = store.propose(&Command::Tick).await {
            tracing::debug!(error = &error as &dyn std::error::Error, "log time was not moved");
        }
    }
}

fn is_due(store: &Store) -> bool {
    let status = store.status();
    if status.leader != Some(status.node) {
        return false;
    }
    let due = store.view().and_then(|view| {
        let expires = view.next_expiry()?.is_some_and(|at| at.0 <= clock::now_ms());
        Ok(expires || view.has_archived_events()?)
    });
    match due {
        Ok(due) => due,
        Err(error) => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "what expires next could not be read"
            );
            false
        }
    }
}
