//! Audit events and their chain. An event is built inside `apply`, so all nodes have the same; nothing here stores one.
//!
//! Every event carries the hash of its predecessor: SHA-256 over a domain name, the predecessor's hash and the event's
//! fields in canonical, length-prefixed form. A removed, changed, reordered or inserted event breaks the chain.

pub mod facts;
mod keys;
mod proof;
mod signed;

pub use keys::{Endorsement, KeyError, KeyIntroduction, KeyRing};
pub use proof::{MAX_CHECKPOINT_LAG, ProofError, ProofWalk};
pub use signed::{
    AuditKey, Claim, ClusterId, NotHex, Signature, Signed, Statement, WrongSignature,
};

use crate::{id::LogIndex, log_time::LogTime};
use sha2::{Digest, Sha256};
use std::{collections::BTreeMap, fmt};

/// The name of the encoding, hashed first.
const DOMAIN: &[u8] = b"countersign-audit-v1";
/// As many bytes as most events are hashed over.
const USUAL_BYTES: usize = 2048;

/// The hash of an event and, through its predecessor, of all before it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct ChainHash(pub [u8; 32]);

impl fmt::Display for ChainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $name:literal),+ $(,)?) => {
        /// What happened.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum EventKind { $($(#[$doc])* $variant),+ }

        impl EventKind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The name in stored, exported and searched events.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// The kind of this name.
            pub fn named(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

kinds! {
    /// A node started: a new incarnation.
    NodeUp = "node_up",
    /// A session was opened.
    SessionOpened = "session_opened",
    /// A session was closed.
    SessionClosed = "session_closed",
    /// An operation was held.
    Held = "held",
    /// Evidence was attached to a hold: what its reviewers are shown beside the operation.
    EvidenceAttached = "evidence_attached",
    /// A reviewer decided.
    Decided = "decided",
    /// Somebody has let an operation through alone, in an emergency.
    GlassBroken = "glass_broken",
    /// A hold was approved for a time: the same may be done again without another one.
    Granted = "granted",
    /// A grant is over: its time has run out, or what it was given under has changed.
    GrantEnded = "grant_ended",
    /// A hold waits for long, and the members of another group may decide too.
    Escalated = "escalated",
    /// A hold was withdrawn by its agent, or by an administrator.
    Withdrawn = "withdrawn",
    /// A hold expired.
    Expired = "expired",
    /// A hold's basis changed: it must be judged again.
    Invalidated = "invalidated",
    /// A hold lost its live client and waits for the agent to come back.
    Parked = "parked",
    /// An operation is going to be forwarded.
    Intent = "intent",
    /// What became of an intent.
    Outcome = "outcome",
    /// An operation was refused by policy or by a limit.
    Refused = "refused",
    /// A resource was applied or deleted.
    ResourceChanged = "resource_changed",
    /// An agent was issued a credential.
    CredentialIssued = "credential_issued",
    /// Something was revoked.
    Revoked = "revoked",
    /// The cluster was initialised, or its membership changed.
    ClusterChanged = "cluster_changed",
    /// The last segment of a session's recording came after the session was closed.
    RecordingEnded = "recording_ended",
    /// A person or an agent failed to identify, or was not permitted an administrative act.
    AccessRefused = "access_refused",
    /// Of what a node had noted on its own disk, something cannot be read any more.
    NotesLost = "notes_lost",
    /// The cluster has a new key that it signs its audit chain with.
    AuditKeyIntroduced = "audit_key_introduced",
    /// The chain so far was signed.
    Checkpoint = "checkpoint",
    /// A person has signed in: a token of theirs was taken for the first time.
    SignedIn = "signed_in",
}

/// What became of an intent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Outcome {
    /// The target said it succeeded.
    Completed,
    /// The target said it failed.
    Failed,
    /// The gateway did not forward it after all.
    Refused,
    /// It may or may not have been executed; it is never executed again.
    OutcomeUnknown,
}

impl Outcome {
    /// The name in events.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Refused => "refused",
            Self::OutcomeUnknown => "outcome_unknown",
        }
    }
}

/// One event of the audit chain.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AuditEvent {
    /// 1 for the first event of the chain; without gaps.
    pub sequence: u64,
    /// Log time.
    pub at: LogTime,
    /// The log entry that made it.
    pub index: LogIndex,
    /// What happened.
    pub kind: EventKind,
    /// The facts, by name. Names are stable: they are what people search for.
    pub fields: BTreeMap<String, String>,
    /// The hash of the event before; all zero for the first.
    pub previous: ChainHash,
}

impl AuditEvent {
    /// The hash of this event, which the next one carries.
    pub fn hash(&self) -> ChainHash {
        let fields = self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let &Self { sequence, at, index, kind, previous, .. } = self;
        EventPlace { sequence, at, index, kind, previous }.hash_with(fields)
    }
}

/// An event without its facts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EventPlace {
    /// See [`AuditEvent::sequence`].
    pub sequence: u64,
    /// See [`AuditEvent::at`].
    pub at: LogTime,
    /// See [`AuditEvent::index`].
    pub index: LogIndex,
    /// See [`AuditEvent::kind`].
    pub kind: EventKind,
    /// See [`AuditEvent::previous`].
    pub previous: ChainHash,
}

impl EventPlace {
    /// The hash of the event with these facts, which come in the order of their names, each name once.
    pub fn hash_with<'f>(
        &self,
        fields: impl ExactSizeIterator<Item = (&'f str, &'f str)>,
    ) -> ChainHash {
        // In one piece: hashing is quicker than being called for every field.
        let mut bytes = Vec::with_capacity(USUAL_BYTES);
        field(&mut bytes, DOMAIN);
        bytes.extend_from_slice(&self.previous.0);
        bytes.extend_from_slice(&self.sequence.to_be_bytes());
        bytes.extend_from_slice(&self.at.0.to_be_bytes());
        bytes.extend_from_slice(&self.index.0.to_be_bytes());
        field(&mut bytes, self.kind.name().as_bytes());
        bytes.extend_from_slice(&(fields.len() as u64).to_be_bytes());
        for (name, value) in fields {
            field(&mut bytes, name.as_bytes());
            field(&mut bytes, value.as_bytes());
        }
        ChainHash(Sha256::digest(&bytes).into())
    }
}

fn field(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
    out.extend_from_slice(bytes);
}

/// The end of the chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ChainHead {
    /// The sequence of the last event; 0 when there is none.
    pub sequence: u64,
    /// Its hash.
    pub hash: ChainHash,
}

/// Where a chain does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// An event is missing, repeated or out of order.
    #[error("expected event {expected}, found event {found}")]
    Sequence {
        /// The sequence that should have come.
        expected: u64,
        /// The sequence that came.
        found: u64,
    },
    /// An event does not follow from its predecessor: one of the two was changed.
    #[error("event {sequence} does not follow from the event before it")]
    Broken {
        /// The event whose predecessor does not match.
        sequence: u64,
    },
    /// The events end before, or differ from, the head they were said to have.
    #[error("the chain ends at event {found}, its head is event {expected}")]
    Head {
        /// The sequence of the head that was said.
        expected: u64,
        /// The sequence of the last event.
        found: u64,
    },
}

/// A walk along a chain that finds the first event that does not follow.
#[derive(Debug, Clone, Copy, Default)]
pub struct ChainWalk {
    head: ChainHead,
}

impl ChainWalk {
    /// A walk that goes on behind `head`.
    pub fn from(head: ChainHead) -> Self {
        Self { head }
    }

    /// Takes the next event.
    pub fn step(&mut self, event: &AuditEvent) -> Result<(), ChainError> {
        let expected = self.head.sequence + 1;
        if event.sequence != expected {
            return Err(ChainError::Sequence { expected, found: event.sequence });
        }
        if event.previous != self.head.hash {
            return Err(ChainError::Broken { sequence: event.sequence });
        }
        self.head = ChainHead { sequence: event.sequence, hash: event.hash() };
        Ok(())
    }

    /// Ends the walk at the head that was said.
    pub fn finish(self, said: ChainHead) -> Result<ChainHead, ChainError> {
        if self.head == said {
            Ok(said)
        } else {
            Err(ChainError::Head { expected: said.sequence, found: self.head.sequence })
        }
    }

    /// The head so far.
    pub fn head(&self) -> ChainHead {
        self.head
    }
}

#[cfg(test)]
mod tests;
