//! Has the leader put a checkpoint into the log every so often, always on. What nodes do with one is the state machine's
//! business.

use std::time::Duration;

use tokio::time::sleep;

use crate::raft_types::{EntryData, Raft};
use crate::read_index::{Leader, leader};
use crate::state_machine::StateMachine;

/// Proposes checkpoints for ever while this node leads. Drop the future to stop.
pub(crate) async fn keep(raft: &Raft, state: &StateMachine, every: Duration) {
    loop {
        sleep(every).await;
        if leader(raft) != Leader::Own {
            continue;
        }
        match state.read(|_, state| state.mark) {
            Ok(of) => {
                let entry = raft.client_write(EntryData::Checkpoint { of });
                // Another leader makes the next one.
                if let Ok(Err(error)) = tokio::time::timeout(every, entry).await {
                    tracing::debug!(%error, "no checkpoint this time");
                }
            }
            Err(error) => tracing::error!(%error, "the state cannot be read for a checkpoint"),
        }
    }
}
