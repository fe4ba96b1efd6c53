//! The archive of the audit: files of events that follow each other, in the bucket or in a folder that all nodes share. A file
//! is an export in the form of OCSF, compressed: `countersignctl audit verify` proves a folder of them.
//!
//! `file` writes and proves one, `keeper` moves the oldest events of the chain there and has every node read what is there,
//! `trail` reads the chain wherever its events are. A file is written once, under its number and its digest: what is there under
//! another digest is none of the chain's, and in nobody's way.

mod file;
mod keeper;
mod place;
mod trail;

pub(crate) use keeper::{Keeping, keep, overdue};
pub(crate) use place::Place;
pub(crate) use trail::{Found, Trail};

use crate::bucket::BucketError;
use bytes::Bytes;
use countersign_api::audit::export::FileError;
use countersign_core::record::AuditEvent;
use countersign_raft_store::{
    handle::{ProposeError, ReadError, Store},
    records::ArchiveFile,
};
use place::Name;
use std::{collections::VecDeque, io, sync::Arc};
use tokio::sync::Mutex;

/// Files that are kept in memory once they were read: whoever walks along the chain reads each many times.
const KEPT_FILES: usize = 2;

/// Why something is not archived, or not read from the archive.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ArchiveError {
    /// The state cannot be read.
    #[error("the state cannot be read")]
    Read(#[from] ReadError),
    /// The end of a file cannot be signed.
    #[error("the end of a file of the archive cannot be signed")]
    Sign(#[from] crate::chain::SignError),
    /// A line cannot be written.
    #[error("a line of the archive cannot be written")]
    Line(#[from] serde_json::Error),
    /// The bucket does not do what is asked.
    #[error("the archive is in the bucket")]
    Bucket(#[from] BucketError),
    /// The folder does not.
    #[error("the archive's folder, or a compression")]
    Folder(#[from] io::Error),
    /// What is there is no file of the archive, or not whole.
    #[error("file {number} of the archive does not prove itself")]
    Unproved {
        /// Which.
        number: u64,
        /// Why.
        #[source]
        source: FileError,
    },
    /// What is there is another file than the chain names.
    #[error("file {0} of the archive is another one than the chain names")]
    Other(u64),
    /// There is none.
    #[error("file {0} of the archive is not where it should be")]
    Absent(u64),
    /// No place is configured.
    #[error(
        "this node does not know where the archive is: see recordings.bucket.name and archive.shared_folder"
    )]
    Nowhere,
    /// The log does not take it.
    #[error("a file of the archive could not be entered")]
    Log(#[from] ProposeError),
}

impl ArchiveError {
    /// The file that is lost, if that is why: it is not there, or what is there is not it.
    const fn lost(&self) -> Option<u64> {
        match self {
            Self::Absent(number) | Self::Other(number) | Self::Unproved { number, .. } => {
                Some(*number)
            }
            Self::Read(_)
            | Self::Sign(_)
            | Self::Line(_)
            | Self::Bucket(_)
            | Self::Folder(_)
            | Self::Nowhere
            | Self::Log(_) => None,
        }
    }
}

/// The events of a file.
type Events = Arc<Vec<AuditEvent>>;

/// Where a node looks for the archive: where files are written to, and where earlier ones may be too.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    writes: Place,
    others: Vec<Place>,
}

impl Places {
    /// These places, of which the first is written to; none where there is none.
    pub(crate) fn of(places: impl IntoIterator<Item = Place>) -> Option<Self> {
        let mut places = places.into_iter();
        Some(Self { writes: places.next()?, others: places.collect() })
    }

    /// The bytes of the file that the chain names, from whichever place gives them.
    async fn bytes(&self, file: &ArchiveFile) -> Result<Bytes, ArchiveError> {
        let mut failed = None;
        for place in std::iter::once(&self.writes).chain(&self.others) {
            match place.get(Name::of(file)).await {
                Ok(Some(bytes)) if file::is_named(file, &bytes) => return Ok(bytes),
                Ok(None) => {}
                Ok(Some(_)) => failed = failed.or(Some(ArchiveError::Other(file.number))),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        Err(failed.unwrap_or(ArchiveError::Absent(file.number)))
    }
}

/// The archive as a node reads it.
#[derive(Debug)]
pub(crate) struct Archive {
    places: Option<Places>,
    /// The files that were read last. One is read at a time.
    kept: Mutex<VecDeque<(u64, Events)>>,
}

impl Archive {
    pub(crate) fn at(places: Option<Places>) -> Self {
        Self { places, kept: Mutex::default() }
    }

    pub(crate) const fn places(&self) -> Option<&Places> {
        self.places.as_ref()
    }

    /// The events of a file, which are those that the chain names.
    async fn events(&self, store: &Store, file: &ArchiveFile) -> Result<Events, ArchiveError> {
        let mut kept = self.kept.lock().await;
        if let Some((_, events)) = kept.iter().find(|(number, _)| *number == file.number) {
            return Ok(Arc::clone(events));
        }
        let places = self.places.as_ref().ok_or(ArchiveError::Nowhere)?;
        let events = Arc::new(read(store, places, file).await?);
        if kept.len() == KEPT_FILES {
            kept.pop_front();
        }
        kept.push_back((file.number, Arc::clone(&events)));
        Ok(events)
    }
}

/// Reads a file that the chain names, and proves it.
async fn read(
    store: &Store,
    places: &Places,
    file: &ArchiveFile,
) -> Result<Vec<AuditEvent>, ArchiveError> {
    let bytes = places.bytes(file).await?;
    let (store, file) = (store.clone(), *file);
    let opened = tokio::task::spawn_blocking(move || {
        let owner = file::Owner::of(&store.view()?)?.ok_or(ArchiveError::Other(file.number))?;
        file::open(owner, &file, &bytes)
    });
    opened.await.map_err(io::Error::other)?
}

#[cfg(test)]
pub(crate) mod tests;
