//! The gate: the one place where policy, holds and the record meet.
//!
//! `judge` evaluates an operation under the policy in force and commits the hold or the refusal it comes to; `admit`
//! commits the intent; `held` waits with the agent for humans; `journal` records what became of it all. What an
//! operation is and how it is forwarded is the adapters' business, what is decided inside the log the state machine's.

mod admit;
mod audit;
mod cancel;
mod credentials;
mod effects;
mod held;
mod hold_bells;
mod journal;
mod judge;
mod lease;
mod limited;
mod open;
mod policies;
mod proposing;
mod rate;
mod recorded;
mod sessions;
mod signals;

pub use policies::{PoliciesInForce, PolicyReadError};

use crate::{
    clock::Clock,
    identify::Identify,
    metrics::counters::{self, answered},
    recording::Recordings,
    shutdown::Shutdown,
    targets::TargetTable,
};
use countersign_core::{
    gate::{
        Admission, BoxFuture, CancelKey, CloseReason, Gate, Identified, Judged, OpenedSession,
        Proof, SessionWish, Settlement, Source,
    },
    hold::HoldState,
    id::{HoldId, Incarnation, NodeId, Revision, SessionId},
    mask::{MaskKey, MaskPlan},
    operation::Operation,
    permit::{Cleared, Leased},
    refusal::Refusal,
    session::Session,
};
use countersign_raft_store::handle::Store;
use futures::FutureExt;
use std::sync::{Arc, OnceLock};
use tokio_util::task::TaskTracker;

/// How long a shutdown waits for the ends of recordings.
const RECORDINGS_END_WITHIN: std::time::Duration = std::time::Duration::from_secs(3);

/// The gate of a node. Cheap to clone.
#[derive(Debug, Clone)]
pub struct NodeGate {
    inner: Arc<Inner>,
}

/// What a gate is made of.
#[derive(Debug)]
pub struct GateParts {
    /// This node.
    pub node: NodeId,
    /// The replicated state.
    pub store: Store,
    /// Checks agents' tokens.
    pub identify: Arc<Identify>,
    /// The targets as adapters see them.
    pub targets: Arc<TargetTable>,
    /// The clock that tokens are judged by.
    pub clock: Clock,
    /// The signals of a shutdown.
    pub shutdown: Shutdown,
    /// Where people follow holds, without a slash at the end.
    pub api_url: String,
    /// Open sessions, at most.
    pub max_sessions: usize,
    /// Holds of one agent, at most.
    pub most_holds: MostHolds,
    /// The key of the cluster's mask rules.
    pub mask_key: MaskKey,
    /// Where sessions are recorded.
    pub recordings: Recordings,
}

/// How many holds one agent may have.
#[derive(Debug, Clone, Copy)]
pub struct MostHolds {
    /// Open ones.
    pub open: u64,
    /// New ones in a minute.
    pub a_minute: u64,
}

#[derive(Debug)]
struct Inner {
    node: NodeId,
    store: Store,
    identify: Arc<Identify>,
    targets: Arc<TargetTable>,
    clock: Clock,
    shutdown: Shutdown,
    api_url: String,
    most_holds: MostHolds,
    incarnation: OnceLock<Incarnation>,
    policies: PoliciesInForce,
    sessions: Arc<sessions::Sessions>,
    recordings: Recordings,
    /// Sessions that are over, and whose recordings are not.
    closing: TaskTracker,
    bells: hold_bells::HoldBells,
    lease: lease::LeaseWatch,
    journal: journal::Journal,
    cancels: cancel::Attempts,
    limit_refusals: rate::Rate,
    /// Intents that are under way while their operations are forwarded already.
    ahead: Arc<tokio::sync::Semaphore>,
}

impl NodeGate {
    /// A gate that admits nothing until [`begin`](Self::begin) gives it an incarnation. Its tasks run until shutdown.
    pub fn start(parts: GateParts) -> Result<Self, PolicyReadError> {
        let GateParts { node, store, identify, targets, clock, shutdown, .. } = parts;
        let GateParts { api_url, max_sessions, most_holds, mask_key, recordings, .. } = parts;
        // Subscribed before anything is read, so that no change falls between.
        let effects = store.effects();
        let inner = Arc::new(Inner {
            policies: PoliciesInForce::new(store.clone(), mask_key)?,
            sessions: Arc::new(sessions::Sessions::new(max_sessions)),
            recordings,
            closing: TaskTracker::new(),
            bells: hold_bells::HoldBells::default(),
            lease: lease::LeaseWatch::new(),
            journal: journal::Journal::start(store.clone(), shutdown.stop_token()),
            cancels: cancel::Attempts::default(),
            limit_refusals: rate::Rate::a_second(limited::RECORDED_A_SECOND),
            ahead: Arc::new(tokio::sync::Semaphore::new(admit::MAX_AHEAD)),
            incarnation: OnceLock::new(),
            node,
            store,
            identify,
            targets,
            clock,
            shutdown,
            api_url,
            most_holds,
        });
        let shutdown = inner.shutdown.clone();
        let following = effects::follow(Arc::clone(&inner), effects);
        shutdown.keep_running("following the log", following);
        shutdown.keep_running("watching the lease", lease::watch(Arc::clone(&inner)));
        Ok(Self { inner })
    }

    /// The node has announced itself: from now on the gate admits, as long as there is a lease.
    pub fn begin(&self, incarnation: Incarnation) {
        // A second call would be a second start of the same process, which there is not: the first one stays.
        let _ = self.inner.incarnation.set(incarnation);
    }

    /// The incarnation of this start, once it is in the log.
    pub fn incarnation(&self) -> Option<Incarnation> {
        self.inner.incarnation.get().copied()
    }

    /// Whether this node may act right now: it has an incarnation and a valid lease. The API asks too, right before it
    /// proposes a decision.
    pub fn may_act(&self) -> Result<Leased, Refusal> {
        self.inner.leased()
    }

    /// How many sessions are open on this node.
    pub fn open_sessions(&self) -> usize {
        self.inner.sessions.count()
    }

    /// The policies in force, as this node knows them.
    pub fn policies(&self) -> &PoliciesInForce {
        &self.inner.policies
    }

    /// Ends every session of this node. The last word to who waits for a hold is that it stays open.
    pub fn end_sessions(&self) {
        for (session, hold) in self.inner.waiting() {
            self.inner.sessions.end(session, &Refusal::Parked { hold });
        }
        self.inner.sessions.end_all(&Refusal::ShuttingDown);
    }

    /// Waits, for a bounded time, until what is to be recorded is recorded.
    pub async fn flush(&self) {
        // The end of a session is recorded behind the end of its recording.
        self.inner.closing.close();
        let ends = tokio::time::timeout(RECORDINGS_END_WITHIN, self.inner.closing.wait());
        if ends.await.is_err() {
            tracing::warn!("not every recording was ended before the node stopped");
        }
        self.inner.journal.flush().await;
    }
}

impl Inner {
    /// The sessions of this node that wait for a hold which is still open.
    fn waiting(&self) -> Vec<(SessionId, HoldId)> {
        let view = match self.store.view() {
            Ok(view) => view,
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "holds could not be read"
                );
                return Vec::new();
            }
        };
        let open = |hold| match view.hold(hold) {
            Ok(Some(record)) => match record.hold.state {
                HoldState::Pending { .. } | HoldState::Approved { .. } => record.attached,
                HoldState::Consumed { .. }
                | HoldState::Rejected { .. }
                | HoldState::Withdrawn { .. }
                | HoldState::Expired { .. }
                | HoldState::Invalidated { .. } => Vec::new(),
            },
            Ok(None) | Err(_) => Vec::new(),
        };
        let waited_for = self.bells.waited_for().into_iter();
        waited_for
            .flat_map(|hold| open(hold).into_iter().map(move |waits| (waits.session, hold)))
            .collect()
    }
}

impl Gate for NodeGate {
    fn identify(&self, proof: Proof, source: Source) -> BoxFuture<'_, Result<Identified, Refusal>> {
        Box::pin(open::identify(&self.inner, proof, source).map(answered))
    }

    fn open(&self, wish: SessionWish) -> BoxFuture<'_, Result<OpenedSession, Refusal>> {
        Box::pin(open::open(&self.inner, wish).map(answered))
    }

    fn judge<'a>(
        &'a self,
        session: &'a Session,
        operation: &'a Arc<Operation>,
    ) -> BoxFuture<'a, Result<Judged, Refusal>> {
        Box::pin(async move {
            let judged = recorded::judge(&self.inner, session, operation).await;
            answered(judged.inspect_err(|refusal| self.inner.limited(session, operation, refusal)))
        })
    }

    fn admit<'a>(
        &'a self,
        session: &'a Session,
        operation: &'a Arc<Operation>,
        cleared: Cleared,
    ) -> BoxFuture<'a, Result<Admission, Refusal>> {
        Box::pin(async move {
            let admitted = recorded::admit(&self.inner, session, operation, cleared).await;
            answered(
                admitted.inspect_err(|refusal| self.inner.limited(session, operation, refusal)),
            )
        })
    }

    fn lease(&self) -> Result<Leased, Refusal> {
        self.inner.leased()
    }

    fn goes_on(&self, admitted: Revision) -> Result<Leased, Refusal> {
        // What is applied may be ahead of what is compiled.
        let applied = self.inner.store.view().and_then(|view| view.policy_revision());
        if self.inner.policies.current().revision() == admitted && applied.ok() == Some(admitted) {
            self.inner.leased()
        } else {
            Err(Refusal::PolicyChanged)
        }
    }

    fn masks(&self, session: &Session) -> MaskPlan {
        self.inner.policies.current().masks.plan(session)
    }

    fn settle<'a>(&'a self, session: &'a Session, settlement: Settlement) -> BoxFuture<'a, ()> {
        counters::settled(&settlement);
        recorded::settled(&self.inner, session, &settlement);
        match self.inner.store.settle_noted(settlement) {
            // It goes into the log behind its intent.
            None => Box::pin(std::future::ready(())),
            Some(settlement) => Box::pin(self.inner.journal.settle(session.id(), settlement)),
        }
    }

    fn cancel(&self, key: CancelKey, source: Source) -> BoxFuture<'_, ()> {
        Box::pin(cancel::cancel(&self.inner, key, source))
    }

    fn close(&self, session: SessionId, reason: CloseReason) -> BoxFuture<'_, ()> {
        open::close(&self.inner, session, reason);
        Box::pin(std::future::ready(()))
    }
}

#[cfg(test)]
pub(crate) mod tests;
