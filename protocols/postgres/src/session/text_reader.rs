//! Where texts are read: in the grammar's own process. The tests of this crate read them in theirs.

use crate::classify::{Classified, Grammar};
use countersign_core::{agent::Identity, refusal::Refusal};
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
    pub(crate) async fn classify(
        &self,
        text: &str,
        agent: &Identity,
    ) -> Result<Arc<Classified>, Refusal> {
        match self {
            Self::Worker(grammar) => {
                let busy =
                    |_| Refusal::Overloaded { limit: "statements that wait for the grammar" };
                grammar.classify(text, agent).await.map_err(busy)
            }
            #[cfg(test)]
            Self::Here => Ok(Arc::new(crate::classify::classify(text))),
        }
    }
}
