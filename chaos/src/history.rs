//! What a run writes down, one JSON document a line, so that a run can be judged again later without any server.
//! Times are milliseconds since the run began, by the machine's clock, which the nodes and the target read too. Nothing
//! here judges.

mod folder;

pub use folder::Recorder;

use countersign_api::audit::AuditEvent;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One thing that happened during a run. What was asked of a node has the time it was sent and the time it was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Entry {
    /// An agent sent a statement.
    Sent {
        /// When.
        at_ms: u64,
        /// The unique text in the statement; of a write, what it inserts.
        mark: String,
        /// The node, from 1.
        node: usize,
        /// Who, by subject.
        agent: String,
        /// The attempt, from 1; each attempt sends the same bytes.
        attempt: u32,
        /// What it is.
        shape: Shape,
        /// How it was sent.
        manner: Manner,
    },
    /// What the agent was answered.
    Answered {
        /// When it was sent.
        sent_ms: u64,
        /// When it was answered.
        at_ms: u64,
        /// The statement's text.
        mark: String,
        /// The node.
        node: usize,
        /// What it was.
        answer: Answer,
    },
    /// A reviewer decided, and what the API said.
    Decided {
        /// When it was sent.
        sent_ms: u64,
        /// When it was answered.
        at_ms: u64,
        /// The node asked.
        node: usize,
        /// The hold.
        hold: String,
        /// The reviewer, by subject.
        reviewer: String,
        /// `approve` or `reject`.
        decision: String,
        /// The HTTP status; 0 when no answer came.
        status: u16,
        /// The state in which the answer says the hold is; empty when it does not.
        state: String,
    },
    /// An administrator changed a resource, and what the API said.
    Applied {
        /// When it was sent.
        sent_ms: u64,
        /// When it was answered.
        at_ms: u64,
        /// The node asked.
        node: usize,
        /// The kind of the resource.
        kind: String,
        /// The HTTP status; 0 when no answer came.
        status: u16,
        /// The revision that the answer says; 0 when it does not.
        revision: u64,
    },
    /// An administrator revoked something, and what the API said.
    Revoked {
        /// When it was sent.
        sent_ms: u64,
        /// When it was answered.
        at_ms: u64,
        /// The node asked.
        node: usize,
        /// What is out.
        out: Out,
        /// The HTTP status; 0 when no answer came.
        status: u16,
    },
    /// An agent kept a session open, and saw its end or gave up waiting for it.
    Watched {
        /// When it was opened.
        opened_ms: u64,
        /// When the end was seen, or no longer waited for.
        at_ms: u64,
        /// The node.
        node: usize,
        /// Who, by subject.
        agent: String,
        /// Which of the two.
        end: End,
    },
    /// A node told the head of the audit chain.
    HeadSeen {
        /// When it was asked.
        sent_ms: u64,
        /// When it was answered.
        at_ms: u64,
        /// The node.
        node: usize,
        /// The sequence of the last event.
        sequence: u64,
        /// Its hash.
        hash: String,
    },
    /// A fault began or ended.
    Fault {
        /// When.
        at_ms: u64,
        /// Which fault.
        fault: String,
        /// The node it hit.
        node: usize,
        /// Whether it began or ended.
        phase: Phase,
    },
}

/// What a statement is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// Policy allows it.
    Read,
    /// It inserts its mark: held.
    Write,
    /// The gateway cannot fully understand it, and it may insert its mark: held.
    Opaque,
}

/// How a statement is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Manner {
    /// As a simple query.
    Simple,
    /// Prepared, with bound values.
    Extended,
    /// Between BEGIN and COMMIT: without the COMMIT it leaves no row.
    Transaction,
}

/// What an agent was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Answer {
    /// The command was done.
    Done,
    /// An error with this SQLSTATE.
    Refused {
        /// The SQLSTATE.
        sqlstate: String,
        /// The message.
        message: String,
    },
    /// The connection broke, or never came to be.
    Lost {
        /// Why, as far as known.
        message: String,
    },
}

/// What was revoked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Out {
    /// An agent, by subject.
    Agent(String),
    /// A session, by id.
    Session(String),
}

/// What became of a session that was watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// It ended.
    Closed,
    /// It was open when the watch ended.
    StillOpen,
}

/// Whether a fault begins or ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It begins.
    Begin,
    /// It ends.
    End,
}

/// The rows of the target's table with one text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The unique text.
    pub mark: String,
    /// When each was written, by the target's clock in milliseconds since the Unix epoch, in order; more than one is a
    /// repeated execution.
    pub written_ms: Vec<u64>,
}

/// What a run was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Header {
    /// How many nodes: each must have told its audit trail.
    pub nodes: usize,
    /// The beginning, in milliseconds since the Unix epoch.
    pub began_ms: u64,
    /// What every choice was derived from.
    pub seed: u64,
}

/// A whole run, as the checkers see it.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// What the run was.
    pub header: Header,
    /// What happened, in the order it was written down.
    pub entries: Vec<Entry>,
    /// The target's table after the run.
    pub rows: Vec<Row>,
    /// The audit trail of every node after the run.
    pub audit: BTreeMap<usize, Vec<AuditEvent>>,
}

impl History {
    /// The longest audit trail: the one that the checkers of single events read. That the others agree with it is a
    /// checker of its own.
    pub fn trail(&self) -> &[AuditEvent] {
        self.audit.values().max_by_key(|events| events.len()).map_or(&[], Vec::as_slice)
    }
}
