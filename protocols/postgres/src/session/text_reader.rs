//! Where texts are read: in the grammar's own process. The tests of this crate read them in theirs.

use crate::classify::{Classified, Grammar};
use std::sync::Arc;

/// Reads statement texts.
#[derive(Debug, Clone)]
pub(crate) enum TextReader {
    /// By the process that runs the grammar.
    Worker(Arc<Grammar>),
    /// In this process.
    #[cfg(test)]
    Here,
}

impl TextReader {
    pub(crate) async fn classify(&self, text: &str) -> Arc<Classified> {
        match self {
            Self::Worker(grammar) => grammar.classify(text).await,
            #[cfg(test)]
            Self::Here => Arc::new(crate::classify::classify(text)),
        }
    }
}
