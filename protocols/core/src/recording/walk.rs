//! A walk along the segments of a recording that finds the first that does not follow.

use super::{Position, SegmentDigest, SegmentHeader};
use crate::id::SessionId;

/// Where the segments of a recording do not belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WalkError {
    /// A segment is of another session.
    #[error("segment {sequence} belongs to another session")]
    OtherSession {
        /// Its sequence.
        sequence: u64,
    },
    /// A segment is missing, repeated or out of order.
    #[error("expected segment {expected}, found segment {found}")]
    Sequence {
        /// What should have come.
        expected: u64,
        /// What came.
        found: u64,
    },
    /// A segment does not name the one before it.
    #[error("segment {sequence} does not follow from the segment before it")]
    Broken {
        /// Its sequence.
        sequence: u64,
    },
    /// Something follows the last segment.
    #[error("segment {sequence} follows the last one")]
    AfterTheLast {
        /// Its sequence.
        sequence: u64,
    },
}

/// The walk.
#[derive(Debug, Clone, Copy)]
pub struct SegmentWalk {
    session: SessionId,
    sequence: u64,
    last: SegmentDigest,
    position: Position,
}

impl SegmentWalk {
    /// A walk along the recording of `session`, before its first segment.
    pub const fn of(session: SessionId) -> Self {
        Self { session, sequence: 0, last: SegmentDigest::NONE, position: Position::Followed }
    }

    /// A walk that goes on behind this segment.
    pub const fn behind(session: SessionId, sequence: u64, last: SegmentDigest) -> Self {
        Self { session, sequence, last, position: Position::Followed }
    }

    /// Takes the next segment, of which `digest` is the digest.
    pub fn step(&mut self, header: &SegmentHeader, digest: SegmentDigest) -> Result<(), WalkError> {
        let sequence = header.sequence;
        if header.session != self.session {
            return Err(WalkError::OtherSession { sequence });
        }
        if self.position == Position::Last {
            return Err(WalkError::AfterTheLast { sequence });
        }
        let expected = self.sequence + 1;
        if sequence != expected {
            return Err(WalkError::Sequence { expected, found: sequence });
        }
        if header.previous != self.last {
            return Err(WalkError::Broken { sequence });
        }
        self.sequence = sequence;
        self.last = digest;
        self.position = header.position;
        Ok(())
    }

    /// Whose recording it is.
    pub const fn session(&self) -> SessionId {
        self.session
    }

    /// The sequence of the last segment taken; 0 before the first.
    pub const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The digest of the last segment taken.
    pub const fn last(&self) -> SegmentDigest {
        self.last
    }

    /// Whether more segments may follow.
    pub const fn position(&self) -> Position {
        self.position
    }
}
