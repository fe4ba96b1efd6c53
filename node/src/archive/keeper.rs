//! Moves the oldest events of the chain to the archive: the leader writes a file, reads it back, proves it, and only then has
//! the state let go of what it has.

use super::{
    ArchiveError, Place,
    file::{self, Due},
};
use crate::{cluster::ClusterKey, shutdown::Shutdown};
use bytes::Bytes;
use countersign_core::record::ChainHead;
use countersign_raft_store::handle::{StateView, Store};
use std::{io, sync::Arc, time::Duration};
use tokio::time::sleep;

/// How often the leader looks.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// The pause between two files, so that a long backlog takes nothing from the sessions.
const PACE: Duration = Duration::from_millis(200);

/// What stays in the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Keeping {
    /// Events of so many milliseconds,
    pub(crate) for_ms: u64,
    /// but not more than so many.
    pub(crate) most_events: u64,
}

/// Archives until the node stops. Every node looks; only the leader acts.
pub(crate) async fn keep(
    store: Store,
    key: Arc<ClusterKey>,
    (place, keeping): (Place, Keeping),
    shutdown: Shutdown,
) {
    let mut fails = false;
    loop {
        tokio::select! {
            () = sleep(LOOK_EVERY) => {}
            () = shutdown.stopping() => return,
        }
        let status = store.status();
        if status.leader != Some(status.node) {
            continue;
        }
        let archived = tokio::select! {
            archived = all(&store, &key, (&place, keeping)) => archived,
            () = shutdown.stopping() => return,
        };
        if let Err(error) = &archived
            && !fails
        {
            let error = error as &dyn std::error::Error;
            tracing::warn!(error, "audit events are not archived: they stay in the state");
        }
        fails = archived.is_err();
    }
}

/// Archives what is due, file by file.
pub(super) async fn all(
    store: &Store,
    key: &Arc<ClusterKey>,
    (place, keeping): (&Place, Keeping),
) -> Result<(), ArchiveError> {
    while next(store, key, (place, keeping)).await? {
        sleep(PACE).await;
    }
    Ok(())
}

/// Archives one file; whether there was something for it.
async fn next(
    store: &Store,
    key: &Arc<ClusterKey>,
    (place, keeping): (&Place, Keeping),
) -> Result<bool, ArchiveError> {
    let (reading, key) = (store.clone(), Arc::clone(key));
    let written = tokio::task::spawn_blocking(move || due(&reading.view()?, &key, keeping));
    let Some((number, bytes)) = written.await.map_err(io::Error::other)?? else { return Ok(false) };
    place.create(number, bytes).await?;
    // What counts is what is there now: it may be what an earlier leader wrote and could not enter any more.
    let bytes = place.get(number).await?.ok_or(ArchiveError::Absent(number))?;
    let read = tokio::task::spawn_blocking(move || file::read(number, &bytes));
    let (file, _) = read.await.map_err(io::Error::other)??;
    store.archive_events(file).await?;
    let (first, last) = (file.after + 1, file.last.sequence);
    tracing::info!(file = number, first, last, "audit events are archived");
    Ok(true)
}

/// The next file, with what may leave the state.
pub(super) fn due(
    view: &StateView,
    key: &ClusterKey,
    keeping: Keeping,
) -> Result<Option<(u64, Bytes)>, ArchiveError> {
    let Some(checkpoint) = view.checkpoint()? else { return Ok(None) };
    let last = view.last_archive_file()?;
    let (number, before) = last.map_or((0, ChainHead::default()), |file| (file.number, file.last));
    let due = Due {
        before: countersign_core::log_time::LogTime(
            view.log_time()?.0.saturating_sub(keeping.for_ms),
        ),
        through: view.chain_head()?.sequence.saturating_sub(keeping.most_events),
        signed: checkpoint.signed.statement.head.sequence,
    };
    Ok(file::write(view, key, (before, due))?.map(|bytes| (number + 1, bytes)))
}
