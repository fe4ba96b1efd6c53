//! What can go wrong with a call, told apart by what the caller can do about it.

use crate::problem::{Problem, ProblemKind};

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The client was configured with something impossible.
    #[error("{problem}")]
    Configuration {
        /// What.
        problem: String,
    },
    /// The client could not be set up.
    #[error("setting up the HTTP client failed")]
    Setup {
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// The node did not answer. Whether it did what was asked is not known unless it could not be reached at all.
    #[error("{endpoint} did not answer")]
    Transport {
        /// The node's URL.
        endpoint: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// The node said no.
    #[error("{0}")]
    Problem(Box<Problem>),
    /// An event stream ended again and again, on every node that was asked.
    #[error("the event stream of {endpoint} ended again and again")]
    StreamEnded {
        /// The last node's URL.
        endpoint: String,
    },
    /// The answer is not one of this API.
    #[error("{endpoint} gave an answer that is not one of this API: {detail}")]
    Answer {
        /// The node's URL.
        endpoint: String,
        /// What was wrong with it.
        detail: String,
    },
}

impl ClientError {
    /// The kind of problem, if the node said no and this version knows the kind.
    pub fn problem_kind(&self) -> Option<ProblemKind> {
        self.problem().and_then(Problem::problem_kind)
    }

    /// The problem document, if the node said no.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Problem(problem) => Some(problem),
            Self::Configuration { .. }
            | Self::Setup { .. }
            | Self::Transport { .. }
            | Self::StreamEnded { .. }
            | Self::Answer { .. } => None,
        }
    }

    /// Whether the request certainly did nothing, so that it may be sent to another node.
    pub fn was_unsent(&self) -> bool {
        match self {
            Self::Transport { source, .. } => source.is_connect(),
            Self::Configuration { .. } | Self::Setup { .. } => true,
            Self::Problem(_) | Self::StreamEnded { .. } | Self::Answer { .. } => false,
        }
    }

    /// Whether another node, or the same one later, may answer.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Transport { .. } => true,
            Self::Problem(problem) => match problem.problem_kind() {
                Some(kind) => is_passing(kind),
                None => problem.status == 503,
            },
            Self::Configuration { .. }
            | Self::Setup { .. }
            | Self::StreamEnded { .. }
            | Self::Answer { .. } => false,
        }
    }
}

const fn is_passing(kind: ProblemKind) -> bool {
    matches!(
        kind,
        ProblemKind::NoQuorum
            | ProblemKind::Overloaded
            | ProblemKind::NotInitialised
            | ProblemKind::Behind
            | ProblemKind::ShuttingDown
    )
}
