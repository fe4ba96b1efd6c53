//! What is said to the record about an admitted operation once it is over: outcome, rows, bytes, the target's word.

use countersign_core::{gate::Settlement, id::OperationId, record::Outcome};

/// The account of an answer while it passes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Account {
    operation: OperationId,
    rows: u64,
    bytes: u64,
    state: AccountState,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum AccountState {
    /// Nothing went to the target.
    NotForwarded,
    /// Bytes went to the target and nothing final came back.
    Underway,
    Completed(String),
    Failed(String),
}

impl Account {
    pub(crate) fn new(operation: OperationId) -> Self {
        Self { operation, rows: 0, bytes: 0, state: AccountState::NotForwarded }
    }

    /// From here on the operation may have happened.
    pub(crate) fn forwarded(&mut self) {
        self.state = AccountState::Underway;
    }

    pub(crate) fn bytes(&mut self, count: usize) {
        self.bytes = self.bytes.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
    }

    /// A `CommandComplete`: its last word is the count of rows, where it has one.
    pub(crate) fn completed(&mut self, tag: &str) {
        let rows = tag.rsplit(' ').next().and_then(|word| word.parse().ok()).unwrap_or(0);
        self.rows = self.rows.saturating_add(rows);
        if !self.has_failed() {
            self.state = AccountState::Completed(tag.to_owned());
        }
    }

    pub(crate) fn failed(&mut self, code: &str) {
        self.state = AccountState::Failed(code.to_owned());
    }

    pub(crate) fn has_failed(&self) -> bool {
        matches!(self.state, AccountState::Failed(_))
    }

    pub(crate) fn is_underway(&self) -> bool {
        matches!(self.state, AccountState::Underway)
    }

    /// The record's last line.
    pub(crate) fn settle(self) -> Settlement {
        let Self { operation, rows, bytes, state } = self;
        let (outcome, word) = match state {
            AccountState::NotForwarded => (Outcome::Refused, String::new()),
            AccountState::Underway => (Outcome::OutcomeUnknown, String::new()),
            AccountState::Completed(tag) => (Outcome::Completed, tag),
            AccountState::Failed(code) => (Outcome::Failed, code),
        };
        Settlement { operation, outcome, rows, bytes, word }
    }
}
