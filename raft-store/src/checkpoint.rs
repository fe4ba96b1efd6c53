//! Has the leader put a checkpoint into the log every so often, always on, and at once when states are found to differ.
//! What nodes do with one is the state machine's business.

use std::time::Duration;

use tokio::time::timeout;

use crate::agreement::{Agreement, Verdict};
use crate::raft_types::{EntryData, Raft};
use crate::read_index::{Leader, leader};

/// Proposes checkpoints for ever while this node leads. Drop the future to stop.
pub(crate) async fn keep(raft: &Raft, agreement: &Agreement, every: Duration) {
    loop {
        drop(timeout(every, agreement.contradicted()).await);
        if leader(raft) != Leader::Own {
            continue;
        }
        // There is no next checkpoint until the last one is judged, or no two nodes would ever speak of the same.
        let of = match agreement.verdict() {
            None => None,
            Some(Verdict::Held(mark)) => Some(mark),
            Some(Verdict::Open) => continue,
            Some(Verdict::Disputed(index)) => {
                tracing::error!(index, "states differ, and no majority is known: nobody serves");
                continue;
            }
        };
        let entry = raft.client_write(EntryData::Checkpoint { of });
        // Another leader makes the next one.
        if let Ok(Err(error)) = timeout(every, entry).await {
            tracing::debug!(%error, "no checkpoint this time");
        }
    }
}
