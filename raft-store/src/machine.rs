//! The seam between the engine and the pure state machine: what the engine shows to `apply`, and what it takes back.
//!
//! Deliberately not here: what a command means, how keys are laid out, and how anything reaches a disk. Implementations of
//! [`Machine`] must be pure: the same view and the same batch give the same [`Applied`] on every node, without a clock,
//! randomness, I/O or the order of a hash map.

mod overlay;
mod writes;

use std::collections::BTreeMap;

pub use overlay::Overlay;
pub use writes::Writes;

/// A key and its value, as they are stored.
pub type Pair = (Vec<u8>, Vec<u8>);

/// A consistent picture of the state: byte keys in ascending order, byte values.
pub trait View {
    /// The value of `key`, if there is one.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read; a missing key is not an error.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// Up to `limit` pairs whose key starts with `prefix`, ascending, beginning strictly after the whole key `after`.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Pair>, StoreError>;

    /// The pair with the greatest key that starts with `prefix` and lies strictly before the whole key `before`.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    fn last(&self, prefix: &[u8], before: Option<&[u8]>) -> Result<Option<Pair>, StoreError>;
}

/// One log entry of the state machine: the commands that were gathered into it, and where it stands in the log.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    /// The entry's index in the log. It never goes back and is never used twice.
    pub index: u64,
    /// The term of the leader that made the entry.
    pub term: u64,
    /// The leader's clock when it made the entry, in milliseconds since 1970 UTC. It may run back from one entry to the
    /// next (another leader, a stepped clock): log time is the greatest value seen, and keeping it is the machine's work.
    pub at_ms: u64,
    /// The commands, in the order in which they take effect. A command may come twice (a proposal is retried after a lost
    /// leader), so each carries an id of its own and the machine answers a repetition with the first reply.
    pub commands: &'a [Vec<u8>],
}

/// Something the machine wants done outside the state after the batch is applied. Opaque to the engine, which hands it to
/// the subscribers of this node.
pub type Effect = Vec<u8>;

/// What applying one batch came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// The changes of the state, written in one atomic step together with the applied index.
    pub writes: Writes,
    /// Exactly one reply for each command, in the order of the commands.
    pub replies: Vec<Vec<u8>>,
    /// Effects in order.
    pub effects: Vec<Effect>,
}

/// The pure state machine.
pub trait Machine: Send + Sync + 'static {
    /// Applies one batch to the state that `view` shows.
    ///
    /// # Errors
    /// [`Halt`] when the batch must not be skipped and cannot be applied. The node stops.
    fn apply(&self, view: &dyn View, batch: Batch<'_>) -> Result<Applied, Halt>;

    /// Is told what was written of what it has applied, when readers see it and nobody has been told yet. What it keeps of
    /// that is for readers and must never come back into [`apply`](Self::apply).
    fn written(&self, _writes: &Writes) {}

    /// Is told that the state was read from the disk, at the start, or replaced by that of a peer.
    fn replaced(&self, _view: &dyn View) {}
}

/// Why a node can go no further. It is never answered by skipping an entry.
#[derive(Debug, thiserror::Error)]
pub enum Halt {
    /// A command of a kind or version this build does not know: it was written by a newer node.
    #[error("entry {index} holds a command this build does not understand: {detail}")]
    UnknownCommand {
        /// The entry's index in the log.
        index: u64,
        /// What was not understood: a tag or a version, never the content.
        detail: String,
    },
    /// A stored value that this build cannot read.
    #[error("the stored state cannot be read back: {detail}")]
    UnreadableState {
        /// Which kind of value, never the content.
        detail: String,
    },
    /// The store failed under the machine.
    #[error("the state could not be read")]
    Store(#[from] StoreError),
}

/// The store could not be read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The storage engine reported a failure.
    #[error("reading {what} failed")]
    Read {
        /// What was read.
        what: &'static str,
        /// The storage engine's own account.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What was read is not what was once written.
    #[error("{what} is damaged: {detail}")]
    Damaged {
        /// What was read.
        what: &'static str,
        /// How that was noticed.
        detail: String,
    },
}

/// A plain ordered map is a view: the machine can be tested, and states compared, without a store.
impl View for BTreeMap<Vec<u8>, Vec<u8>> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(BTreeMap::get(self, key).cloned())
    }

    fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Pair>, StoreError> {
        let from = match after {
            Some(after) if after >= prefix => std::ops::Bound::Excluded(after),
            Some(_) | None => std::ops::Bound::Included(prefix),
        };
        Ok(self
            .range::<[u8], _>((from, std::ops::Bound::Unbounded))
            .take_while(|(key, _)| key.starts_with(prefix))
            .take(limit)
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect())
    }

    fn last(&self, prefix: &[u8], before: Option<&[u8]>) -> Result<Option<Pair>, StoreError> {
        let from =
            self.range::<[u8], _>((std::ops::Bound::Included(prefix), std::ops::Bound::Unbounded));
        Ok(from
            .take_while(|(key, _)| {
                key.starts_with(prefix) && before.is_none_or(|before| key.as_slice() < before)
            })
            .last()
            .map(|(key, value)| (key.clone(), value.clone())))
    }
}

#[cfg(test)]
mod tests;
