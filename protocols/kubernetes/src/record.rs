//! What became of an operation, from what was seen of its answer. It records nothing: the gate does.

use countersign_core::{
    gate::Settlement, id::OperationId, mask::MaskTally, operation::Operation, record::Outcome,
};
use hyper::StatusCode;

/// The account of one operation. Whoever drops it has to settle it first.
#[derive(Debug)]
pub(crate) struct Account {
    operation: OperationId,
    bytes: u64,
    masked: MaskTally,
    state: AccountState,
}

#[derive(Debug, Clone)]
enum AccountState {
    /// Nothing of it has gone to the target.
    NotForwarded,
    /// The target may be at it.
    Underway,
    /// The target has said what became of it.
    Answered(StatusCode),
    /// The program has ended, which did what it did, whatever is said of it.
    Exited(String),
}

impl Account {
    pub(crate) fn of(operation: &Operation) -> Self {
        Self {
            operation: operation.id(),
            bytes: 0,
            masked: MaskTally::default(),
            state: AccountState::NotForwarded,
        }
    }

    /// It goes to the target now.
    pub(crate) fn forwarded(&mut self) {
        self.state = AccountState::Underway;
    }

    /// It did not: it is certain that no byte of it has gone.
    pub(crate) fn not_forwarded(&mut self) {
        self.state = AccountState::NotForwarded;
    }

    /// Whether it may have been executed.
    pub(crate) fn has_gone(&self) -> bool {
        match self.state {
            AccountState::NotForwarded => false,
            AccountState::Underway | AccountState::Answered(_) | AccountState::Exited(_) => true,
        }
    }

    /// The target has answered.
    pub(crate) fn answered(&mut self, code: StatusCode) {
        self.state = AccountState::Answered(code);
    }

    /// The program has ended, with this word of the target's.
    pub(crate) fn exited(&mut self, word: String) {
        self.state = AccountState::Exited(word);
    }

    /// So many bytes of its answer have come.
    pub(crate) fn came(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    /// So much of its answer was masked.
    pub(crate) fn masked(&mut self, tally: &MaskTally) {
        self.masked.merge(tally);
    }

    /// The record's last line. What was seen to begin and not to end is unknown, and so is what a server in between says it
    /// heard nothing of.
    pub(crate) fn settle(self) -> Settlement {
        let Self { operation, bytes, masked, state } = self;
        let (outcome, word) = match state {
            AccountState::NotForwarded => (Outcome::Refused, String::new()),
            AccountState::Underway => (Outcome::OutcomeUnknown, String::new()),
            AccountState::Answered(code) => (outcome(code), code.as_str().to_owned()),
            AccountState::Exited(word) => (Outcome::Completed, word),
        };
        Settlement { operation, outcome, rows: 0, bytes, word, masked }
    }
}

fn outcome(code: StatusCode) -> Outcome {
    if code.is_success() {
        Outcome::Completed
    } else if [StatusCode::BAD_GATEWAY, StatusCode::GATEWAY_TIMEOUT].contains(&code) {
        Outcome::OutcomeUnknown
    } else {
        Outcome::Failed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_target_says_is_what_became_of_it() {
        for (code, expected) in [
            (200, Outcome::Completed),
            (201, Outcome::Completed),
            (404, Outcome::Failed),
            (409, Outcome::Failed),
            (302, Outcome::Failed),
            (500, Outcome::Failed),
            (502, Outcome::OutcomeUnknown),
            (504, Outcome::OutcomeUnknown),
        ] {
            assert_eq!(outcome(StatusCode::from_u16(code).unwrap()), expected, "{code}");
        }
    }
}
