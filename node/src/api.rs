//! The HTTP API: every node answers everything, from the replicated state.
//!
//! `routes` is the table of all routes with what each asks of its caller; `accept` takes connections; what a decision
//! or a change means is decided in the replicated state, not here. A `GET` never changes anything.

mod accept;
mod answers;
mod apply;
mod audit;
mod caller;
mod cluster;
mod convert;
mod events;
mod failure;
mod holds;
mod input;
mod open_api;
mod policy;
mod reading;
mod resources;
mod revocations;
mod routes;
mod sessions;

pub use accept::serve;
pub use open_api::document as open_api_document;

use crate::app::{App, Node};
use failure::{Answer, not_initialised};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Refused accesses that are being recorded at a time; more are not recorded.
const MAX_REFUSALS_UNDER_WAY: usize = 8;
/// Event streams on this node at a time.
const MAX_STREAMS: usize = 512;

/// What every handler has. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    pub(crate) app: Arc<App>,
    refusals: Arc<Semaphore>,
    streams: Arc<Semaphore>,
}

impl Api {
    pub(crate) fn new(app: Arc<App>) -> Self {
        Self {
            app,
            refusals: Arc::new(Semaphore::new(MAX_REFUSALS_UNDER_WAY)),
            streams: Arc::new(Semaphore::new(MAX_STREAMS)),
        }
    }

    /// The node, which belongs to a cluster.
    fn node(&self) -> Answer<&Arc<Node>> {
        self.app.node().ok_or_else(not_initialised)
    }
}

#[cfg(test)]
mod tests;
