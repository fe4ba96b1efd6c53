//! The HTTP API: every node answers everything, from the replicated state.
//!
//! `routes` is the table of all routes with what each asks of its caller; `accept` takes connections; what a decision
//! or a change means is decided in the replicated state, not here. A `GET` never changes anything.

mod accept;
mod answers;
mod apply;
mod audit;
pub(crate) mod caller;
mod cluster;
mod convert;
mod credentials;
mod events;
pub(crate) mod failure;
mod grants;
pub(crate) mod holds;
mod input;
mod keyed;
mod members;
mod open_api;
mod own_token;
mod pace;
mod policy;
mod reading;
mod recordings;
mod refusals;
mod rejudge;
mod resources;
mod revocations;
mod routes;
mod sessions;
mod shares;
mod sign_ins;
mod snapshots;
mod ssh_keys;
mod token;

pub use accept::serve;
pub use open_api::document as open_api_document;

use crate::{
    app::{App, Node},
    identify::Failures,
};
use countersign_api::problem::ProblemKind;
use countersign_core::agent::Identity;
use failure::{Answer, Failure, not_initialised};
use pace::Pace;
use recordings::live::Watchers;
use rejudge::LastCompiled;
use shares::Shares;
use sign_ins::SignIns;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Refused accesses that are being recorded at a time; more are not recorded.
const MAX_REFUSALS_UNDER_WAY: usize = 8;
/// Event streams on this node at a time.
const MAX_STREAMS: usize = 512;
/// Event streams of one caller on this node at a time: some open pages, some scripts.
const MAX_STREAMS_OF_ONE: usize = 16;

/// People who are on their way to or from an identity provider at a time: each costs a request or two to it.
const MAX_SIGNING_IN: usize = 16;

/// What every handler has. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    pub(crate) app: Arc<App>,
    refusals: Arc<Semaphore>,
    /// Refused accesses, those apart that are counted where persons' tokens are checked.
    proofs: Arc<Failures>,
    pace: Arc<Pace>,
    sign_ins: Arc<SignIns>,
    signing_in: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    streams_of: Arc<Shares<Identity>>,
    watchers: Arc<Watchers>,
    last_compiled: Arc<LastCompiled>,
}

impl Api {
    pub(crate) fn new(app: Arc<App>) -> Self {
        let failures = app.config.limits.failed_logins_per_minute;
        Self {
            app,
            proofs: Arc::new(Failures::new(failures)),
            refusals: Arc::new(Semaphore::new(MAX_REFUSALS_UNDER_WAY)),
            pace: Arc::new(Pace::new()),
            sign_ins: Arc::new(SignIns::new()),
            signing_in: Arc::new(Semaphore::new(MAX_SIGNING_IN)),
            streams: Arc::new(Semaphore::new(MAX_STREAMS)),
            streams_of: Arc::new(Shares::new(MAX_STREAMS_OF_ONE)),
            watchers: Arc::default(),
            last_compiled: Arc::default(),
        }
    }

    /// The node, which belongs to a cluster.
    pub(crate) fn node(&self) -> Answer<&Arc<Node>> {
        self.app.node().ok_or_else(not_initialised)
    }

    /// A turn to ask an identity provider about somebody whom nobody knows yet.
    pub(crate) fn sign_in_turn(&self) -> Answer<OwnedSemaphorePermit> {
        Arc::clone(&self.signing_in).try_acquire_owned().map_err(|_| {
            Failure::new(ProblemKind::TooManyRequests, "too many people sign in at this moment")
                .hint("try again in a moment")
        })
    }
}

#[cfg(test)]
mod tests;
