//! The proof of a chain with what is signed in it: every event follows from the one before, every checkpoint is of this very
//! chain and signed by the key in force there, every key is introduced by the one before it, and the end is the one that the
//! cluster has signed. It takes one event after the other and keeps a bounded number of hashes.

use super::{
    AuditEvent, ChainError, ChainHash, ChainHead, ChainWalk, EventKind,
    facts::{self, FactError},
    keys::{KeyError, KeyRing},
    signed::{AuditKey, Claim, Signed, WrongSignature},
};
use std::collections::VecDeque;

/// How many events may stand between a checkpoint and the event that it is about: those that were committed while it was
/// signed and proposed.
pub const MAX_CHECKPOINT_LAG: u64 = 65_536;

/// Where and why a chain is not what the cluster has recorded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The events do not follow from each other.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// A checkpoint or a key cannot be read.
    #[error("event {sequence}: {error}")]
    Unreadable {
        /// The event.
        sequence: u64,
        /// What is missing.
        error: FactError,
    },
    /// Something is signed wrongly.
    #[error("event {sequence}: {error}")]
    Signature {
        /// The event.
        sequence: u64,
        /// What is wrong.
        error: WrongSignature,
    },
    /// A key is not the cluster's next one.
    #[error("event {sequence}: {error}")]
    Key {
        /// The event.
        sequence: u64,
        /// What is wrong.
        error: KeyError,
    },
    /// A key in the chain is not the one that was said beforehand.
    #[error("event {sequence} introduces key {found}, which is not among the keys that were given")]
    OtherKey {
        /// The event.
        sequence: u64,
        /// The key.
        found: AuditKey,
    },
    /// Something is signed with a key that was not in force.
    #[error("event {sequence} is signed by key {found}, which is not in force there")]
    NotInForce {
        /// The event.
        sequence: u64,
        /// The key.
        found: AuditKey,
    },
    /// A checkpoint is another cluster's.
    #[error("event {sequence} is a checkpoint of another cluster")]
    OtherCluster {
        /// The event.
        sequence: u64,
    },
    /// A checkpoint does not agree with the chain that it stands in.
    #[error("event {sequence} is a checkpoint of event {about}, which this chain does not have so")]
    OtherChain {
        /// The event.
        sequence: u64,
        /// The event that it is about.
        about: u64,
    },
    /// What was signed about the end is something else, or another cluster's, or by a key that is not its last.
    #[error("the signed end is not this chain's: {why}")]
    End {
        /// Why.
        why: &'static str,
    },
    /// The end is signed wrongly.
    #[error("the signed end does not hold: {0}")]
    EndSignature(WrongSignature),
}

/// A walk along a chain that finds the first event that is not as it was recorded.
#[derive(Debug, Clone)]
pub struct ProofWalk {
    walk: ChainWalk,
    after: u64,
    ring: KeyRing,
    /// The number of the key in force; none before a part of a chain has shown it.
    in_force: Option<u64>,
    /// The hashes of the last events before the one that is being taken.
    recent: VecDeque<ChainHash>,
    checkpoints: u64,
}

impl ProofWalk {
    /// A walk behind `start` under these keys, which were verified as they came into the ring.
    pub fn new(ring: KeyRing, start: ChainHead) -> Self {
        let in_force = (start.sequence == 0).then_some(0);
        Self {
            walk: ChainWalk::from(start),
            after: start.sequence,
            ring,
            in_force,
            recent: VecDeque::from([start.hash]),
            checkpoints: 0,
        }
    }

    /// The same behind a walk that ended at `start`, where the key of this number was in force, if that was seen.
    pub fn going_on(ring: KeyRing, start: ChainHead, in_force: Option<u64>) -> Self {
        let new = Self::new(ring, start);
        Self { in_force: in_force.or(new.in_force), ..new }
    }

    /// The number of the key in force; none before a part of a chain has shown it.
    pub const fn in_force(&self) -> Option<u64> {
        self.in_force
    }

    /// Takes the next event.
    pub fn step(&mut self, event: &AuditEvent) -> Result<(), ProofError> {
        self.walk.step(event)?;
        if event.kind == EventKind::AuditKeyIntroduced {
            self.key(event)?;
        } else if event.kind == EventKind::Checkpoint {
            self.checkpoint(event)?;
        }
        if self.recent.len() as u64 > MAX_CHECKPOINT_LAG {
            self.recent.pop_front();
        }
        self.recent.push_back(self.walk.head().hash);
        Ok(())
    }

    fn key(&mut self, event: &AuditEvent) -> Result<(), ProofError> {
        let sequence = event.sequence;
        let next = facts::introduction(event)
            .map_err(|error| ProofError::Unreadable { sequence, error })?;
        if self.ring.number_of(&next.key) != Some(next.number) {
            return Err(ProofError::OtherKey { sequence, found: next.key });
        }
        if self.in_force.is_some_and(|known| known + 1 != next.number) {
            return Err(ProofError::NotInForce { sequence, found: next.key });
        }
        // The signatures in the event are those that brought the key into the ring, or others that hold as well.
        let mut before = self.ring.up_to(next.number - 1);
        before.introduce(&next).map_err(|error| ProofError::Key { sequence, error })?;
        self.in_force = Some(next.number);
        Ok(())
    }

    fn checkpoint(&mut self, event: &AuditEvent) -> Result<(), ProofError> {
        let sequence = event.sequence;
        let signed =
            facts::checkpoint(event).map_err(|error| ProofError::Unreadable { sequence, error })?;
        if signed.statement.cluster != self.ring.cluster() {
            return Err(ProofError::OtherCluster { sequence });
        }
        let number = self.ring.number_of(&signed.key);
        if number.is_none() || self.in_force.is_some_and(|known| Some(known) != number) {
            return Err(ProofError::NotInForce { sequence, found: signed.key });
        }
        self.in_force = number;
        signed.verify().map_err(|error| ProofError::Signature { sequence, error })?;
        let about = signed.statement.head;
        let other = ProofError::OtherChain { sequence, about: about.sequence };
        if about.sequence >= sequence || sequence - about.sequence > MAX_CHECKPOINT_LAG {
            return Err(other);
        }
        // A part of a chain may begin behind the event that its first checkpoint is about.
        if about.sequence >= self.after && self.hash_of(about.sequence) != Some(about.hash) {
            return Err(other);
        }
        self.checkpoints += 1;
        Ok(())
    }

    /// The hash of an event that was walked along lately; the one being taken is not among them.
    fn hash_of(&self, sequence: u64) -> Option<ChainHash> {
        let newest = self.walk.head().sequence - 1;
        let back = usize::try_from(newest.checked_sub(sequence)?).ok()?;
        let place = self.recent.len().checked_sub(back + 1)?;
        self.recent.get(place).copied()
    }

    /// Ends the walk at what the cluster has signed about its end.
    pub fn finish(self, end: &Signed) -> Result<ChainHead, ProofError> {
        let said = &end.statement;
        let why = match said.claim {
            Claim::Checkpoint => Some("it is a checkpoint, not an end"),
            Claim::Head if self.after != 0 => Some("it is that of a whole chain"),
            Claim::Span { after } if after != self.after => Some("it begins behind another event"),
            Claim::Head | Claim::Span { .. } => None,
        };
        let why = why
            .or((said.cluster != self.ring.cluster()).then_some("it is another cluster's"))
            .or((self.ring.last() != Some(&end.key)).then_some("it is not of the last key"));
        if let Some(why) = why {
            return Err(ProofError::End { why });
        }
        end.verify().map_err(ProofError::EndSignature)?;
        Ok(self.walk.finish(said.head)?)
    }

    /// The head so far.
    pub fn head(&self) -> ChainHead {
        self.walk.head()
    }

    /// How many checkpoints have been verified so far.
    pub fn checkpoints(&self) -> u64 {
        self.checkpoints
    }

    /// The keys.
    pub fn ring(&self) -> &KeyRing {
        &self.ring
    }
}

#[cfg(test)]
mod tests;
