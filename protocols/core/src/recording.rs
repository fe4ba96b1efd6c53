//! The recording of a session: what of it is kept, and the form it is kept in. Nothing here compresses, encrypts or stores
//! anything: that is the node's.
//!
//! A recording is a row of [`Entry`]s, cut into segments. A segment is a file that never changes, and its name is the SHA-256
//! of its bytes ([`SegmentDigest`]); each names its predecessor, so that the digest of the last one vouches for the whole
//! recording. [`segment`] says byte by byte what a segment is, [`entry`] what its content is.
//!
//! Only [`Masked`] entries enter a recording. [`Entry::masked`] puts what an agent, a reviewer or the gateway said through
//! the session's plan; what the target said was masked for the agent before, and is recorded as the agent has seen it
//! ([`Masked::read_as`](crate::mask::Masked::read_as)) or, where rules spare the agent, as they would have had it
//! ([`MaskPlan::of_recording`](crate::mask::MaskPlan::of_recording)): who looks at a recording is somebody else.

pub mod entry;
mod field;
pub mod segment;
mod walk;

pub use entry::{Entry, EntryError, Moment, Speaker, Stream};
pub use segment::{Position, Segment, SegmentDigest, SegmentError, SegmentHeader};
pub use walk::{SegmentWalk, WalkError};

use crate::{gate::BoxFuture, mask::Masked, refusal::Refusal};
use std::fmt;

/// Takes what belongs into the recording of one session.
///
/// What is taken is not durable yet. How much that may be is limited: a session whose recorder is full waits for
/// [`Recorder::room`] before anything more goes to its agent or its target, and a session whose recording cannot be kept
/// ends. There is no way on without it.
pub trait Recorder: Send + Sync + fmt::Debug {
    /// Takes an entry.
    fn take(&self, entry: Masked<Entry>) -> Result<Room, Refusal>;

    /// Waits until what is not durable yet is little enough to go on. Safe to drop and call again.
    fn room(&self) -> BoxFuture<'_, Result<(), Refusal>>;
}

/// Whether the session may go on at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use = "a session whose recorder is full waits"]
pub enum Room {
    /// It may.
    Left,
    /// It waits for [`Recorder::room`] first.
    Full,
}

/// The data key that the segments of one recording are encrypted with: sixteen random bytes that name it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DataKeyId(pub [u8; 16]);

impl fmt::Display for DataKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for DataKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests;
