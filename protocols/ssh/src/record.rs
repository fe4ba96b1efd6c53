//! What became of an operation, from what was seen of its program. It records nothing: the gate does.

use crate::inflow::{Killed, signal_name};
use countersign_core::{
    gate::Settlement, id::OperationId, mask::MaskTally, operation::Operation, record::Outcome,
};

/// The account of one operation. Whoever drops it has to settle it first.
#[derive(Debug)]
pub(crate) struct Account {
    operation: OperationId,
    bytes: u64,
    state: AccountState,
}

#[derive(Debug)]
enum AccountState {
    /// Nothing of it has gone to the target.
    NotForwarded,
    /// The target may be at it.
    Underway,
    /// The target did not begin it.
    NotBegun,
    /// It is known what became of it.
    Over(Outcome, String),
}

impl Account {
    pub(crate) fn of(operation: &Operation) -> Self {
        Self { operation: operation.id(), bytes: 0, state: AccountState::NotForwarded }
    }

    /// It goes to the target now.
    pub(crate) fn forwarded(&mut self) {
        self.state = AccountState::Underway;
    }

    /// So many bytes of its answer have come.
    pub(crate) fn answered(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    /// The program has ended with this status. It did what it did, whatever it says of it.
    pub(crate) fn exited(&mut self, status: u32) {
        self.state = AccountState::Over(Outcome::Completed, format!("exit {status}"));
    }

    /// The program was ended by a signal.
    pub(crate) fn killed(&mut self, killed: &Killed) {
        let word = format!("signal {}", signal_name(&killed.signal));
        self.state = AccountState::Over(Outcome::Completed, word);
    }

    /// What the target said of it, in a word of the gateway's.
    pub(crate) fn came_to(&mut self, outcome: Outcome, word: String) {
        self.state = AccountState::Over(outcome, word);
    }

    /// The target did not begin it.
    pub(crate) fn not_begun(&mut self) {
        self.state = AccountState::NotBegun;
    }

    /// Whether it may have done anything.
    pub(crate) fn has_begun(&self) -> bool {
        !matches!(self.state, AccountState::NotForwarded | AccountState::NotBegun)
    }

    /// Whether it may be running.
    pub(crate) fn is_underway(&self) -> bool {
        matches!(self.state, AccountState::Underway)
    }

    /// The record's last line. What was seen to begin and not to end is unknown.
    pub(crate) fn settle(self) -> Settlement {
        let Self { operation, bytes, state } = self;
        let (outcome, word) = match state {
            AccountState::NotForwarded => (Outcome::Refused, String::new()),
            AccountState::NotBegun => (Outcome::Failed, "not begun".to_owned()),
            AccountState::Underway => (Outcome::OutcomeUnknown, String::new()),
            AccountState::Over(outcome, word) => (outcome, word),
        };
        Settlement { operation, outcome, rows: 0, bytes, word, masked: MaskTally::default() }
    }
}
