//! The chain as a whole: where an event is, in the state or in a file of the archive, and the events of that file.

use super::{Archive, ArchiveError, Events};
use countersign_core::{log_time::LogTime, record::AuditEvent};
use countersign_raft_store::{
    handle::{StateView, Store},
    records::ArchiveFile,
};

/// Where an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// In the state, or nowhere yet.
    Here,
    /// In this file.
    Archived(ArchiveFile),
}

impl Found {
    /// Where the event of this sequence is.
    pub(crate) fn event(view: &StateView, sequence: u64) -> Result<Self, ArchiveError> {
        if view.first_event()?.is_none_or(|first| sequence >= first) {
            return Ok(Self::Here);
        }
        let file = first(view, |file| file.last.sequence >= sequence)?;
        Ok(file.map_or(Self::Here, Self::Archived))
    }

    /// Where the first event at or after a time is. What is in the state still is not looked for elsewhere, entered or not.
    pub(crate) fn time(view: &StateView, time: LogTime) -> Result<Self, ArchiveError> {
        let Some(here) = view.first_event()? else { return Ok(Self::Here) };
        let file = first(view, |file| file.to >= time)?.filter(|file| file.after + 1 < here);
        Ok(file.map_or(Self::Here, Self::Archived))
    }
}

/// The first file of which this holds. It holds of all that follow.
fn first(
    view: &StateView,
    holds: impl Fn(&ArchiveFile) -> bool,
) -> Result<Option<ArchiveFile>, ArchiveError> {
    let Some(last) = view.last_archive_file()? else { return Ok(None) };
    let (mut low, mut high, mut found) = (1, last.number + 1, None);
    while low < high {
        let middle = low + (high - low) / 2;
        match view.archive_file(middle)? {
            Some(file) if holds(&file) => (high, found) = (middle, Some(file)),
            Some(_) | None => low = middle + 1,
        }
    }
    Ok(found)
}

/// Events of a file, from a place on.
#[derive(Debug)]
pub(crate) struct Trail(Events);

impl Trail {
    /// The events of a file.
    pub(crate) async fn of(
        archive: &Archive,
        store: &Store,
        file: &ArchiveFile,
    ) -> Result<Self, ArchiveError> {
        archive.events(store, file).await.map(Self)
    }

    /// All of them, in order.
    pub(crate) fn events(&self) -> impl DoubleEndedIterator<Item = &AuditEvent> {
        self.0.iter()
    }
}
