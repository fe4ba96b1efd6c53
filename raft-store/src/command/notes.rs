//! The command that carries what a node has noted on its own disk into the log. How it is gathered is decided in
//! `crate::notes`, what becomes of it in `apply`.

use crate::records::AuditText;
use countersign_core::{
    fingerprint::Fingerprint,
    gate::Settlement,
    id::{NodeId, OperationId, Revision, SessionId},
    mask::MaskTally,
    permit::AuditLevel,
    record::Outcome,
};

/// What a node has noted on its own disk (audit level `batched`). What many notes have in common is here once, and they
/// point to its place. Every sequence counts within the book, for intents and outcomes alike; what the log has taken of a
/// book up to a sequence is not taken again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TakeNotes {
    /// The node.
    pub node: NodeId,
    /// Drawn at each start of it.
    pub book: [u8; 16],
    /// The sessions of the reads.
    pub sessions: Vec<SessionId>,
    /// What they were allowed by.
    pub bases: Vec<NotedBasis>,
    /// How they read.
    pub wordings: Vec<Wording>,
    /// What became of reads that were taken before.
    pub outcomes: Vec<LateOutcome>,
    /// Reads. None is refused, whatever has changed since they were noted: their answers are out.
    pub reads: Vec<NotedRead>,
    /// What cannot be read any more.
    pub lost: Vec<LostNotes>,
}

/// What noted reads were allowed by.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NotedBasis {
    /// When their intents had to be recorded.
    pub audit: AuditLevel,
    /// The policy revision they were judged under.
    pub revision: Revision,
    /// The rules that decided.
    pub rules: Vec<String>,
    /// The names of their actions, in order.
    pub actions: Vec<String>,
    /// What they ask for (see [`Intent`](crate::command::Intent)).
    pub asked: String,
}

/// How an operation reads.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wording {
    /// One line for people.
    pub summary: String,
    /// The text, as far as the audit keeps it.
    pub text: AuditText,
}

/// A read whose intent was noted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NotedRead {
    /// The sequence of its intent.
    pub sequence: u64,
    /// The operation.
    pub operation: OperationId,
    /// What exactly was allowed.
    pub fingerprint: Fingerprint,
    /// The place of its session.
    pub session: u32,
    /// The place of what it was allowed by.
    pub basis: u32,
    /// The place of how it reads.
    pub wording: u32,
    /// What became of it, where that is known already.
    pub outcome: Option<NotedOutcome>,
}

/// What became of a noted read, beside its intent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NotedOutcome {
    /// The sequence of the outcome.
    pub sequence: u64,
    /// What became of it.
    pub outcome: Outcome,
    /// Rows sent.
    pub rows: u64,
    /// Bytes of the answer.
    pub bytes: u64,
    /// The target's word.
    pub word: String,
    /// What was masked in the answer.
    pub masked: MaskTally,
}

/// What became of a noted read that was taken before.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LateOutcome {
    /// The sequence of the outcome.
    pub sequence: u64,
    /// What became of the read.
    pub settlement: Settlement,
}

/// Notes that were written once, or were being written when the node ended, and cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LostNotes {
    /// The sequence of the first.
    pub first: u64,
    /// The sequence of the last, where it is known: a file may end in them.
    pub last: Option<u64>,
    /// The bytes in their place.
    pub bytes: u64,
}
