//! Moves the oldest events of the chain to the archive: the leader writes a file, reads it back, proves it and enters it. Every
//! node, the leader too, reads what is entered where it looks for it itself, and says so; the state lets go of what a
//! majority has read.

use super::{
    ArchiveError, Place,
    file::{self, Due},
    read,
};
use crate::{cluster::ClusterKey, shutdown::Shutdown};
use bytes::Bytes;
use countersign_core::record::ChainHead;
use countersign_raft_store::{
    command::ArchiveRead,
    handle::{StateView, Store},
};
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

/// Archives until the node stops. Every node looks and reads; only the leader writes.
pub(crate) async fn keep(
    store: Store,
    key: Arc<ClusterKey>,
    (place, keeping): (Place, Keeping),
    shutdown: Shutdown,
) {
    let (mut writing, mut reading) = (Said::default(), Said::default());
    loop {
        tokio::select! {
            () = sleep(LOOK_EVERY) => {}
            () = shutdown.stopping() => return,
        }
        let status = store.status();
        let pass = async {
            if status.leader == Some(status.node) {
                let archived = all(&store, &key, (&place, keeping)).await;
                writing.hear(archived, "audit events are not archived: they stay in the state");
            }
            let read = confirm(&store, &place).await;
            reading.hear(read, "this node cannot read the archive of the audit: what too few read stays in the state");
        };
        tokio::select! {
            () = pass => {}
            () = shutdown.stopping() => return,
        }
    }
}

/// Whether something failed the last time: what goes on failing is said once.
#[derive(Debug, Default)]
struct Said(bool);

impl Said {
    fn hear(&mut self, done: Result<(), ArchiveError>, meaning: &'static str) {
        let Self(said) = self;
        match done {
            Ok(()) => *said = false,
            // A change of leader, or no quorum: others say so.
            Err(ArchiveError::Log(error)) => {
                tracing::info!(error = &error as &dyn std::error::Error, "{meaning}");
            }
            Err(error) if !*said => {
                *said = true;
                tracing::warn!(error = &error as &dyn std::error::Error, "{meaning}");
            }
            Err(_said) => {}
        }
    }
}

/// Reads every file that this node has not read yet, and says so.
pub(super) async fn confirm(store: &Store, place: &Place) -> Result<(), ArchiveError> {
    let node = store.status().node;
    let mut known = 0;
    loop {
        let reading = store.clone();
        let next = tokio::task::spawn_blocking(move || {
            let view = reading.view()?;
            view.archive_file(view.archive_read_by(node)?.max(known) + 1)
        });
        let Some(file) = next.await.map_err(io::Error::other)?? else { return Ok(()) };
        read(store, place, &file).await?;
        let (number, digest) = (file.number, file.digest);
        store.archive_read(ArchiveRead { node, number, digest }).await?;
        known = number;
        sleep(PACE).await;
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
    let reading = store.clone();
    let read = tokio::task::spawn_blocking(move || {
        let owner = file::Owner::of(&reading.view()?)?.ok_or(ArchiveError::Other(number))?;
        file::read(owner, number, &bytes)
    });
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
