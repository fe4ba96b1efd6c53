//! An open session: what the requests of one proof at one target share on a connection, and its end.

use crate::{
    credential::Admitted, forward::ActsAs, mask, memory::Memory, target::KubernetesTarget,
    upstream::Upstream,
};
use countersign_core::{
    gate::{CloseReason, Gate, OpenedSession, Signal, Signals},
    id::Revision,
    mask::Masked,
    recording::{Entry, Recorder, Room},
    refusal::{AgentFacing, Refusal},
    session::Session as Opening,
};
use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio::{
    sync::{OnceCell, OwnedSemaphorePermit},
    time::{Instant, interval_at, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How long requests may take to be told that the session ends.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How often it is looked at whether the policy that something goes on under is still in force.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long they may take to end once their connection is gone: what became of what was forwarded is waited for.
const REQUESTS_END_WITHIN: Duration = Duration::from_secs(10);

/// An open session.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) gate: Arc<dyn Gate>,
    pub(crate) opening: Opening,
    pub(crate) target: Arc<KubernetesTarget>,
    pub(crate) acts_as: ActsAs,
    pub(crate) upstream: Upstream,
    pub(crate) memory: Memory,
    recorder: Arc<dyn Recorder>,
    ending: CancellationToken,
    why: OnceLock<Refusal>,
    requests: TaskTracker,
    closed: OnceCell<()>,
    _room: OwnedSemaphorePermit,
}

impl Session {
    /// The session that the gate has opened.
    pub(crate) fn new(
        gate: Arc<dyn Gate>,
        admitted: Admitted,
        (memory, room): (Memory, OwnedSemaphorePermit),
    ) -> (Arc<Self>, Box<dyn Signals>) {
        let Admitted { opened, target, acts_as } = admitted;
        // Nothing here gives a cancel key away.
        let OpenedSession { session: opening, signals, cancel: _, recorder } = opened;
        let session = Self {
            gate,
            opening,
            upstream: Upstream::of(Arc::clone(&target)),
            target,
            acts_as,
            memory,
            recorder,
            ending: CancellationToken::new(),
            why: OnceLock::new(),
            requests: TaskTracker::new(),
            closed: OnceCell::new(),
            _room: room,
        };
        (Arc::new(session), signals)
    }

    /// Carries a request through, in a task of its own: whoever asked may go, and what became of it is recorded.
    pub(crate) fn spawn(&self, request: impl Future<Output = ()> + Send + 'static) {
        drop(self.requests.spawn(request));
    }

    /// Puts something into the recording, and waits until it may go on.
    pub(crate) async fn record(&self, entry: Masked<Entry>) -> Result<(), Refusal> {
        match self.recorder.take(entry)? {
            Room::Left => Ok(()),
            Room::Full => self.recorder.room().await,
        }
    }

    /// Whether what programs say can pass at all, under the masks that the node knows now.
    pub(crate) fn streams_pass(&self) -> Result<(), Refusal> {
        let masks = self.gate.masks(&self.opening);
        mask::streams_pass(&masks).map_err(|error| error.refusal())
    }

    /// Nothing goes on for ever under a policy that has changed. A lease that is lost ends the session, if it stays so.
    pub(crate) fn still_in_force(&self, revision: Revision) -> Result<(), Refusal> {
        match self.gate.goes_on(revision) {
            Err(Refusal::PolicyChanged) => Err(Refusal::PolicyChanged),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Waits until the policy of `revision` is in force no more, and says so.
    pub(crate) async fn outdated(&self, revision: Revision) -> Refusal {
        let mut look = interval_at(Instant::now() + LOOK_EVERY, LOOK_EVERY);
        loop {
            look.tick().await;
            if let Err(refusal) = self.still_in_force(revision) {
                return refusal;
            }
        }
    }

    /// Whether the session must end.
    pub(crate) fn is_ending(&self) -> bool {
        self.ending.is_cancelled()
    }

    /// Waits until the session must end, and says why.
    pub(crate) async fn ending(&self) -> Refusal {
        self.ending.cancelled().await;
        self.why()
    }

    /// Why the session must end, if it must.
    pub(crate) fn ended(&self) -> Option<Refusal> {
        self.is_ending().then(|| self.why())
    }

    fn why(&self) -> Refusal {
        self.why.get().cloned().unwrap_or(Refusal::ShuttingDown)
    }

    /// Ends the session when it is told to from outside. Over when its requests have heard of it, or `gone` is cancelled.
    pub(crate) async fn watch(
        &self,
        mut signals: Box<dyn Signals>,
        (shutdown, gone): (CancellationToken, CancellationToken),
    ) {
        let why = loop {
            tokio::select! {
                signal = signals.next() => match signal {
                    Signal::Cancel => {}
                    Signal::End(refusal) => break refusal,
                },
                () = shutdown.cancelled() => break Refusal::ShuttingDown,
                () = gone.cancelled() => return,
            }
        };
        self.why.get_or_init(|| why);
        self.ending.cancel();
        self.requests.close();
        drop(timeout(LAST_WORDS, self.requests.wait()).await);
    }

    /// The session is over, or its connection is: what still runs is ended, and the session is closed, once.
    pub(crate) async fn over(&self) {
        self.closed.get_or_init(|| self.close()).await;
    }

    async fn close(&self) {
        self.ending.cancel();
        self.requests.close();
        if timeout(REQUESTS_END_WITHIN, self.requests.wait()).await.is_err() {
            tracing::warn!(session.id = %self.opening.id(), "a request did not end in time");
        }
        self.upstream.cut();
        let reason = match self.why.get() {
            Some(refusal) => CloseReason::Refused(refusal.clone()),
            None => CloseReason::Agent,
        };
        self.gate.close(self.opening.id(), reason).await;
    }
}
