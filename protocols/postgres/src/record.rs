//! What is said to the record about an admitted operation once it is over: outcome, rows, bytes, the target's word.
//!
//! That the target said a statement is complete is not yet its outcome: in the transaction of a pipeline, and in a text of
//! several statements, the commit comes later and can fail. In a block that BEGIN opened it is: COMMIT is an operation of
//! its own there, with an outcome of its own.

mod rows;

pub(crate) use rows::{MOST_RECORDED, Shape};

use crate::frame::Body;
use bytes::Bytes;
use countersign_core::{
    gate::Settlement,
    id::OperationId,
    mask::MaskTally,
    operation::{Action, Effect, Operation},
    record::Outcome,
    recording::{Entry, Speaker},
};

/// The word for what was undone with its transaction: the tag that PostgreSQL itself has for that.
const ROLLED_BACK: &str = "ROLLBACK";

/// Bytes in front of the body of a message: its type and its length.
const HEAD: usize = 5;

/// The account of an answer while it passes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Account {
    operation: OperationId,
    effect: Effect,
    undoing: Undoing,
    rows: u64,
    bytes: u64,
    masked: MaskTally,
    state: AccountState,
}

/// Whether a rollback of its transaction is known to undo an operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Undoing {
    Certain,
    /// Procedures, and some commands that define or administer, commit by themselves.
    Uncertain,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum AccountState {
    /// Nothing went to the target.
    NotForwarded,
    /// Bytes went to the target and nothing final came back.
    Underway,
    /// The target said this of the statement, and nothing yet of its transaction.
    Said(String),
    /// The same, and the target was asked to end the transaction.
    Committing(String),
    Over(Outcome, String),
}

impl Account {
    pub(crate) fn new(operation: &Operation) -> Self {
        Self {
            operation: operation.id(),
            effect: operation.effect(),
            undoing: undoing(operation),
            rows: 0,
            bytes: 0,
            masked: MaskTally::default(),
            state: AccountState::NotForwarded,
        }
    }

    /// From here on the operation may have happened.
    pub(crate) fn forwarded(&mut self) {
        self.state = AccountState::Underway;
    }

    pub(crate) fn bytes(&mut self, count: usize) {
        self.bytes = self.bytes.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
    }

    /// What was masked in the answer.
    pub(crate) fn masked(&mut self, tally: &MaskTally) {
        self.masked.merge(tally);
    }

    /// A `CommandComplete`: its last word is the count of rows, where it has one.
    pub(crate) fn said(&mut self, tag: &str) {
        let rows = tag.rsplit(' ').next().and_then(|word| word.parse().ok()).unwrap_or(0);
        self.rows = self.rows.saturating_add(rows);
        self.say(tag);
    }

    /// A `PortalSuspended` behind so many rows.
    pub(crate) fn suspended(&mut self, rows: u64) {
        self.rows = self.rows.saturating_add(rows);
        self.say("");
    }

    fn say(&mut self, tag: &str) {
        if !matches!(self.state, AccountState::Over(..)) {
            self.state = AccountState::Said(tag.to_owned());
        }
    }

    /// The target said an error. What a text has done before the error is undone with it, unless a part of it committed.
    pub(crate) fn failed(&mut self, code: &str) {
        let outcome = match (&self.state, self.undoing) {
            (AccountState::Said(_), Undoing::Uncertain) => Outcome::OutcomeUnknown,
            (AccountState::Said(_), Undoing::Certain)
            | (
                AccountState::NotForwarded
                | AccountState::Underway
                | AccountState::Committing(_)
                | AccountState::Over(..),
                _,
            ) => Outcome::Failed,
        };
        self.state = AccountState::Over(outcome, code.to_owned());
    }

    /// The transaction is going to be ended.
    pub(crate) fn committing(&mut self) {
        if let AccountState::Said(tag) = &mut self.state {
            self.state = AccountState::Committing(std::mem::take(tag));
        }
    }

    /// What the target said of the statement is what became of it.
    pub(crate) fn stands(&mut self) {
        if let AccountState::Said(tag) | AccountState::Committing(tag) = &mut self.state {
            self.state = AccountState::Over(Outcome::Completed, std::mem::take(tag));
        }
    }

    /// The transaction was rolled back.
    pub(crate) fn rolled_back(&mut self) {
        if let AccountState::Said(tag) | AccountState::Committing(tag) = &mut self.state {
            let tag = std::mem::take(tag);
            self.state = match (self.effect, self.undoing) {
                // What was read was read.
                (Effect::Passing, _) => AccountState::Over(Outcome::Completed, tag),
                (Effect::Lasting, Undoing::Certain) => {
                    AccountState::Over(Outcome::Failed, ROLLED_BACK.to_owned())
                }
                (Effect::Lasting, Undoing::Uncertain) => {
                    AccountState::Over(Outcome::OutcomeUnknown, tag)
                }
            };
        }
    }

    /// The session ends: a transaction whose end was not asked for is rolled back by the target.
    pub(crate) fn abandoned(&mut self) {
        if matches!(self.state, AccountState::Said(_)) {
            self.rolled_back();
        }
    }

    /// What it can leave behind, while the target may be at it.
    pub(crate) fn under_way(&self) -> Option<Effect> {
        match self.state {
            AccountState::Underway | AccountState::Said(_) | AccountState::Committing(_) => {
                Some(self.effect)
            }
            AccountState::NotForwarded | AccountState::Over(..) => None,
        }
    }

    /// Whether its outcome hangs on a commit that is still to come.
    pub(crate) fn waits_for_commit(&self) -> bool {
        self.effect == Effect::Lasting && self.under_way().is_some()
    }

    /// The record's last line.
    pub(crate) fn settle(self) -> Settlement {
        let Self { operation, effect: _, undoing: _, rows, bytes, masked, state } = self;
        let (outcome, word) = match state {
            AccountState::NotForwarded => (Outcome::Refused, String::new()),
            AccountState::Underway => (Outcome::OutcomeUnknown, String::new()),
            AccountState::Said(tag) | AccountState::Committing(tag) => {
                (Outcome::OutcomeUnknown, tag)
            }
            AccountState::Over(outcome, word) => (outcome, word),
        };
        Settlement { operation, outcome, rows, bytes, word, masked }
    }
}

/// An error or a notice of the target's, as the agent gets it, for the recording.
pub(crate) fn said(message: &Bytes) -> Entry {
    let speaker = if message.first() == Some(&b'E') { Speaker::Error } else { Speaker::Notice };
    Entry::Said { speaker, text: in_words(message) }
}

/// The same of the gateway's own.
pub(crate) fn said_by_gateway(message: &Bytes) -> Entry {
    Entry::Said { speaker: Speaker::Gateway, text: in_words(message) }
}

/// Severity, code, message, detail and hint.
fn in_words(message: &Bytes) -> String {
    let mut words = Words::default();
    let mut fields = Body::new("message", message.slice(HEAD.min(message.len())..));
    while let Ok(name) = fields.byte() {
        let Ok(text) = fields.text() else { break };
        match name {
            b'S' => words.severity = text,
            b'C' => words.code = text,
            b'M' => words.message = text,
            b'D' => words.rest.extend(["\nDETAIL:  ", &text]),
            b'H' => words.rest.extend(["\nHINT:  ", &text]),
            _other => {}
        }
    }
    let Words { severity, code, message, rest } = words;
    format!("{severity}:  {message} ({code}){rest}")
}

/// The fields of a message that people read.
#[derive(Default)]
struct Words {
    severity: String,
    code: String,
    message: String,
    rest: String,
}

fn undoing(operation: &Operation) -> Undoing {
    let certain = |action: Action| match action {
        Action::PostgresRead
        | Action::PostgresWrite
        | Action::PostgresLock
        | Action::PostgresCopy
        | Action::PostgresSession
        | Action::PostgresPreference
        | Action::PostgresShow
        | Action::PostgresCursor
        | Action::PostgresDescribe
        | Action::PostgresExplain
        | Action::PostgresNotify => true,
        Action::PostgresDdl
        | Action::PostgresPrivilege
        | Action::PostgresRole
        | Action::PostgresFunction
        | Action::PostgresProgram
        | Action::PostgresTransaction
        | Action::PostgresPrepare
        | Action::PostgresMaintain
        | Action::PostgresReplication
        | Action::PostgresAdmin
        | Action::PostgresOpaque
        // Another protocol's, which no operation here asks for.
        | Action::SshQuery
        | Action::SshList
        | Action::SshRead
        | Action::SshScan
        | Action::SshWrite
        | Action::SshRename
        | Action::SshRemove
        | Action::SshMkdir
        | Action::SshSetstat
        | Action::SshLink
        | Action::SshSftp
        | Action::SshExec
        | Action::SshShell
        | Action::SshOpaque
        | Action::KubernetesDiscover
        | Action::KubernetesUrl
        | Action::KubernetesReview
        | Action::KubernetesGet
        | Action::KubernetesList
        | Action::KubernetesWatch
        | Action::KubernetesCreate
        | Action::KubernetesUpdate
        | Action::KubernetesPatch
        | Action::KubernetesDelete
        | Action::KubernetesDeleteCollection
        | Action::KubernetesStatus
        | Action::KubernetesScale
        | Action::KubernetesLease
        | Action::KubernetesLog
        | Action::KubernetesExec
        | Action::KubernetesAttach
        | Action::KubernetesPortForward
        | Action::KubernetesProxy
        | Action::KubernetesEphemeralContainers
        | Action::KubernetesResize
        | Action::KubernetesEviction
        | Action::KubernetesBinding
        | Action::KubernetesToken
        | Action::KubernetesFinalize
        | Action::KubernetesPrivilege
        | Action::KubernetesOpaque => false,
    };
    if operation.demands().iter().all(|demand| certain(demand.action)) {
        Undoing::Certain
    } else {
        Undoing::Uncertain
    }
}

#[cfg(test)]
mod tests;
