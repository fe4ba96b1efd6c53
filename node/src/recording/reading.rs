//! Reading a recording back: the index says which segments there are, and each is what the index says or is not shown.

use super::{
    Inner, Recordings,
    files::Found,
    sealing::{DataKey, SealingError},
};
use countersign_core::recording::{
    EntryError, Moment, SegmentDigest, SegmentError, SegmentWalk, WalkError, entry,
    segment::{self},
};
use countersign_raft_store::records::{RecordingRecord, SegmentRecord};
use std::{io, sync::Arc};

/// Why a recording is not shown.
#[derive(Debug, thiserror::Error)]
pub enum ReadingError {
    /// No place has the segment.
    #[error("segment {sequence} is on no node that can be asked")]
    Absent {
        /// Which.
        sequence: u64,
    },
    /// Its bytes are others.
    #[error("segment {sequence} is damaged")]
    Damaged {
        /// Which.
        sequence: u64,
    },
    /// It is no segment.
    #[error("segment {sequence} cannot be read")]
    Segment {
        /// Which.
        sequence: u64,
        /// Why.
        #[source]
        source: SegmentError,
    },
    /// It is not the one that the index has there.
    #[error("the segments do not belong together")]
    Order(#[from] WalkError),
    /// Its content does not open.
    #[error("segment {sequence} does not open")]
    Sealed {
        /// Which.
        sequence: u64,
        /// Why.
        #[source]
        source: SealingError,
    },
    /// Its content cannot be read.
    #[error("the content of segment {sequence} cannot be read")]
    Content {
        /// Which.
        sequence: u64,
        /// Why.
        #[source]
        source: EntryError,
    },
    /// The disk does not give it.
    #[error("the disk does not give a segment")]
    Disk(#[from] io::Error),
}

impl Recordings {
    /// What happened in these segments, which follow each other behind `before`: the sequence and digest of the segment in
    /// front of them.
    pub async fn read(
        &self,
        recording: &RecordingRecord,
        (sequence, last): (u64, SegmentDigest),
        segments: &[SegmentRecord],
    ) -> Result<Vec<Moment>, ReadingError> {
        let session = recording.session;
        let key = self.inner.keys.unwrap(session, &recording.key);
        let key = key.map_err(|source| ReadingError::Sealed { sequence: sequence + 1, source })?;
        let (key, mut walk) = (Arc::new(key), SegmentWalk::behind(session, sequence, last));
        let mut moments = Vec::new();
        for record in segments {
            let bytes = self.inner.bytes(record).await?;
            let (key, number) = (Arc::clone(&key), record.sequence);
            let opened = tokio::task::spawn_blocking(move || opened(&key, number, &bytes));
            let (header, found) = opened.await.map_err(io::Error::other)??;
            walk.step(&header, record.digest)?;
            moments.extend(found);
        }
        Ok(moments)
    }
}

impl Inner {
    /// The bytes of a segment, which have its digest.
    async fn bytes(&self, record: &SegmentRecord) -> Result<Arc<[u8]>, ReadingError> {
        let sequence = record.sequence;
        let found = self.find(record.digest).await?;
        if let Found::Whole(bytes) = found {
            return Ok(bytes.into());
        }
        let fetched = self.fetch(record, &found).await;
        fetched.ok_or(if found == Found::Damaged {
            ReadingError::Damaged { sequence }
        } else {
            ReadingError::Absent { sequence }
        })
    }
}

fn opened(
    key: &DataKey,
    sequence: u64,
    bytes: &[u8],
) -> Result<(segment::SegmentHeader, Vec<Moment>), ReadingError> {
    let read = segment::read(bytes).map_err(|source| ReadingError::Segment { sequence, source })?;
    let content = key.open(&read).map_err(|source| ReadingError::Sealed { sequence, source })?;
    let moments =
        entry::read(&content).map_err(|source| ReadingError::Content { sequence, source })?;
    Ok((read.header, moments))
}
