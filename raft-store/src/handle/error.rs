//! Why a proposal or a read failed. A refusal of the state is an answer; everything else means: nothing may be done.

use crate::{format::FormatError, reply::StateRefusal};

/// Why a proposal gave no answer that allows anything.
#[derive(Debug, thiserror::Error)]
pub enum ProposeError {
    /// The state refused it; nothing was changed.
    #[error("refused")]
    Refused(#[from] StateRefusal),
    /// It did not go through the log, or nobody can say whether it did.
    #[error("the log gave no answer")]
    Log(#[from] LogError),
    /// The answer, or the command, has no readable form.
    #[error("a stored form is not readable")]
    Format(#[from] FormatError),
    /// The answer belongs to another kind of command.
    #[error("the answer is not one to this command")]
    OtherAnswer,
}

/// Why the log gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// No leader or no quorum can be reached.
    #[error("no quorum")]
    NoQuorum,
    /// Too much is proposed already.
    #[error("too many proposals are under way")]
    Overloaded,
    /// It may or may not have been committed.
    #[error("it is not known whether it was committed")]
    Unknown,
    /// This node stops, or has halted.
    #[error("the store has stopped")]
    Stopped,
}

/// Why the state could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The engine failed.
    #[error("the store could not be read")]
    Store(#[from] crate::machine::StoreError),
    /// A stored form is not readable.
    #[error("a stored form is not readable")]
    Format(#[from] FormatError),
    /// The engine showed nothing.
    #[error("the store showed no state")]
    Unseen,
}
