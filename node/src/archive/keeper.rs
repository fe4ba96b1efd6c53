//! Moves the oldest events of the chain to the archive: the leader writes a file, reads it back, proves it and enters it. Every
//! node, the leader too, reads what is entered where it looks for it itself, and says so; the state lets go of what a
//! majority has read.

use super::{
    ArchiveError, Places,
    file::{self, Due},
    place::Name,
    read,
};
use crate::{cluster::ClusterKey, config::ArchiveSettings, shutdown::Shutdown};
use bytes::Bytes;
use countersign_core::{log_time::LogTime, record::ChainHead};
use countersign_raft_store::{
    command::ArchiveRead,
    handle::{ProposeError, ReadError, StateView, Store},
};
use sha2::{Digest as _, Sha256};
use std::{io, sync::Arc, time::Duration};
use tokio::time::sleep;

/// How often the leader looks.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// The pause between two files, so that a long backlog takes nothing from the sessions.
const PACE: Duration = Duration::from_millis(200);

const MINUTE_MS: u64 = 60 * 1000;

/// What stays in the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Keeping {
    /// Events of so many milliseconds,
    pub(crate) for_ms: u64,
    /// but not more than so many.
    pub(crate) most_events: u64,
}

impl Keeping {
    /// What the settings say.
    pub(crate) const fn of(settings: &ArchiveSettings) -> Self {
        let ArchiveSettings { shared_folder: _, after_minutes, most_events } = settings;
        Self { for_ms: after_minutes.saturating_mul(MINUTE_MS), most_events: *most_events }
    }
}

/// Archives until the node stops. Every node looks and reads; only the leader writes.
pub(crate) async fn keep(
    store: Store,
    key: Arc<ClusterKey>,
    (places, keeping): (Places, Keeping),
    shutdown: Shutdown,
) {
    let mut unentered = None;
    let (mut writing, mut reading) = (Said::default(), Said::default());
    loop {
        tokio::select! {
            () = sleep(LOOK_EVERY) => {}
            () = shutdown.stopping() => return,
        }
        let status = store.status();
        let pass = async {
            if status.leader == Some(status.node) {
                let archived = all(&store, &key, (&places, keeping), &mut unentered).await;
                writing.hear(archived, "audit events are not archived: they stay in the state");
            }
            let mut read = confirm(&store, &places).await;
            let lost = read.as_ref().err().and_then(ArchiveError::lost);
            if let Some(number) = lost.filter(|_| status.leader == Some(status.node)) {
                read = again(&store, &key, &places, number).await;
            }
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
pub(super) async fn confirm(store: &Store, places: &Places) -> Result<(), ArchiveError> {
    let node = store.status().node;
    let mut known = 0;
    loop {
        let reading = store.clone();
        let next = tokio::task::spawn_blocking(move || {
            let view = reading.view()?;
            view.archive_file(view.archive_read_by(node)?.max(known) + 1)
        });
        let Some(file) = next.await.map_err(io::Error::other)?? else { return Ok(()) };
        read(store, places, &file).await?;
        let (number, digest) = (file.number, file.digest);
        store.archive_read(ArchiveRead { node, number, digest }).await?;
        known = number;
        sleep(PACE).await;
    }
}

/// A file that was written, or is being, and is not entered. It is gone on with: what is written again has another digest, and
/// is another file beside it.
#[derive(Debug)]
pub(super) struct Unentered {
    pub(super) number: u64,
    pub(super) bytes: Bytes,
}

/// Archives what is due, file by file.
pub(super) async fn all(
    store: &Store,
    key: &Arc<ClusterKey>,
    (places, keeping): (&Places, Keeping),
    unentered: &mut Option<Unentered>,
) -> Result<(), ArchiveError> {
    loop {
        let (reading, key) = (store.clone(), Arc::clone(key));
        let due = tokio::task::spawn_blocking(move || due(&reading.view()?, &key, keeping));
        let Some((number, bytes)) = due.await.map_err(io::Error::other)?? else { return Ok(()) };
        let written = unentered.take().filter(|known| known.number == number);
        let written = written.unwrap_or(Unentered { number, bytes });
        let entered = enter(store, places, &written).await;
        if let Err(
            ArchiveError::Bucket(_)
            | ArchiveError::Folder(_)
            | ArchiveError::Log(ProposeError::Log(_)),
        ) = &entered
        {
            *unentered = Some(written);
        }
        entered?;
        sleep(PACE).await;
    }
}

/// Writes a file again that is lost before enough nodes have read it: what it has is in the state still.
pub(super) async fn again(
    store: &Store,
    key: &Arc<ClusterKey>,
    places: &Places,
    number: u64,
) -> Result<(), ArchiveError> {
    let (reading, key) = (store.clone(), Arc::clone(key));
    let written = tokio::task::spawn_blocking(move || {
        let view = reading.view()?;
        let through = view.archive_file(number)?.ok_or(ArchiveError::Absent(number))?.last.sequence;
        let before = view.archive_file(number.saturating_sub(1))?;
        let before = before.map_or(ChainHead::default(), |file| file.last);
        let due = Due { before: LogTime(0), through, signed: through };
        file::write(&view, &key, (before, due))?.ok_or(ArchiveError::Absent(number))
    });
    let bytes = written.await.map_err(io::Error::other)??;
    tracing::warn!(file = number, "a file of the archive is lost; its events are archived again");
    enter(store, places, &Unentered { number, bytes }).await
}

/// Writes one file, reads it back, proves it and enters it.
async fn enter(
    store: &Store,
    places: &Places,
    Unentered { number, bytes }: &Unentered,
) -> Result<(), ArchiveError> {
    let (number, digest) = (*number, Sha256::digest(bytes).into());
    let name = Name { number, digest };
    places.writes.put(name, bytes.clone()).await?;
    // What counts is what is there now.
    let found = places.writes.get(name).await?.ok_or(ArchiveError::Absent(number))?;
    let reading = store.clone();
    let read = tokio::task::spawn_blocking(move || {
        let owner = file::Owner::of(&reading.view()?)?.ok_or(ArchiveError::Other(number))?;
        if <[u8; 32]>::from(Sha256::digest(&found)) != digest {
            return Err(ArchiveError::Other(number));
        }
        file::read(owner, number, &found)
    });
    let (file, _) = read.await.map_err(io::Error::other)??;
    store.archive_events(file).await?;
    let (first, last) = (file.after + 1, file.last.sequence);
    tracing::info!(file = number, first, last, "audit events are archived");
    Ok(())
}

/// How long the oldest event that could leave the state, and has not, should have left it. Zero where none should.
pub(crate) fn overdue(view: &StateView, keeping: Keeping) -> Result<Duration, ReadError> {
    let kept = view.archive_kept()?.map_or(0, |file| file.last.sequence);
    let signed = view.checkpoint()?.map_or(0, |known| known.signed.statement.head.sequence);
    let next = view.audit_event(kept + 1)?.filter(|event| event.sequence <= signed);
    let Some(event) = next else { return Ok(Duration::ZERO) };
    let age = view.log_time()?.0.saturating_sub(event.at.0);
    Ok(Duration::from_millis(age.saturating_sub(keeping.for_ms)))
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
        before: LogTime(view.log_time()?.0.saturating_sub(keeping.for_ms)),
        through: view.chain_head()?.sequence.saturating_sub(keeping.most_events),
        signed: checkpoint.signed.statement.head.sequence,
    };
    Ok(file::write(view, key, (before, due))?.map(|bytes| (number + 1, bytes)))
}
