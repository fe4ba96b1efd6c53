//! The state that agent and target must agree on: where the target's transaction stands, whether messages are being
//! skipped, which statement and portal a name means, and what was set. Pure: nothing here talks to anyone.

mod budget;
mod changes;
mod names;

pub(crate) use changes::Changes;
pub(crate) use names::{Bound, NameError, Names, Portal, PortalPlace, Prepared, Stale};

/// Where the target's transaction stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Block {
    /// Nothing is open.
    Idle,
    /// Messages of the extended protocol ran since the last Sync, outside a transaction block: they share a transaction
    /// that the Sync ends.
    Implicit(Mode),
    /// Inside BEGIN.
    Explicit,
    /// Inside BEGIN, after an error.
    Failed,
}

/// What the transaction of a pipeline may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mode {
    /// A fenced read came first.
    ReadOnly,
    /// What was approved came first.
    Writable,
}

impl Block {
    /// What a `ReadyForQuery` says.
    pub(crate) const fn after_ready(status: u8) -> Self {
        match status {
            b'T' => Self::Explicit,
            b'E' => Self::Failed,
            _ => Self::Idle,
        }
    }

    /// The status of a `ReadyForQuery` that is sent now.
    pub(crate) const fn status(self) -> u8 {
        match self {
            Self::Idle | Self::Implicit(_) => b'I',
            Self::Explicit => b'T',
            Self::Failed => b'E',
        }
    }

    /// The name in fingerprints and for reviewers.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Idle => "none",
            Self::Implicit(_) => "pipeline",
            Self::Explicit => "open",
            Self::Failed => "failed",
        }
    }
}

/// What the transaction at the target has done so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Work {
    /// Nothing but fenced reads: its end leaves nothing behind.
    None,
    /// Something that was not fenced: its commit makes that last.
    Done,
}

/// What is done with the next message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Flow {
    /// It is taken.
    Ready,
    /// "it reads and discards messages until a Sync is reached" (Extended Query).
    SkipToSync,
}

#[cfg(test)]
mod tests;
