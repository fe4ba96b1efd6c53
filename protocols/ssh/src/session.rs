//! An open session: what the programs on its channels share, and its end.

use crate::{
    credential::Admitted,
    error,
    line::Holds,
    mask,
    target::{SessionAuthority, SshTarget, TargetRole},
    upstream::Idle,
};
use countersign_core::{
    gate::{CloseReason, Gate, OpenedSession, Signal, Signals},
    mask::Masked,
    recording::{Entry, Recorder, Room},
    refusal::{AgentFacing, Refusal},
    session::Session as Opening,
};
use russh::{Disconnect, server::Handle};
use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio::{sync::OwnedSemaphorePermit, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How long programs may take to be told that the session ends.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How long an agent may take to go once it was told to.
const LEAVE_WITHIN: Duration = Duration::from_secs(1);
/// How long programs may take to end once their connection is gone.
const PROGRAMS_END_WITHIN: Duration = Duration::from_secs(15);

/// What a session is told from outside, with the node's end and what cuts the connection.
pub(crate) type Watched = (Box<dyn Signals>, CancellationToken, CancellationToken);

/// An open session.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) gate: Arc<dyn Gate>,
    pub(crate) opening: Opening,
    pub(crate) target: Arc<SshTarget>,
    pub(crate) role: TargetRole,
    /// What it logs in with where the role has no key.
    pub(crate) authority: Arc<dyn SessionAuthority>,
    /// Connections to the target that no program uses.
    pub(crate) idle: Idle,
    /// The operations of its connection that are held.
    pub(crate) holds: Arc<Holds>,
    recorder: Arc<dyn Recorder>,
    agent: Handle,
    ending: CancellationToken,
    why: OnceLock<Refusal>,
    programs: TaskTracker,
    _room: OwnedSemaphorePermit,
}

impl Session {
    /// The session that the gate has opened.
    pub(crate) fn new(
        (gate, authority): (Arc<dyn Gate>, Arc<dyn SessionAuthority>),
        admitted: Admitted,
        (agent, holds, room): (Handle, Arc<Holds>, OwnedSemaphorePermit),
    ) -> (Arc<Self>, Box<dyn Signals>) {
        let Admitted { opened, target, role } = admitted;
        let OpenedSession { session: opening, signals, cancel: _, recorder } = opened;
        let session = Self {
            gate,
            opening,
            target,
            role,
            authority,
            idle: Idle::default(),
            holds,
            recorder,
            agent,
            ending: CancellationToken::new(),
            why: OnceLock::new(),
            programs: TaskTracker::new(),
            _room: room,
        };
        (Arc::new(session), signals)
    }

    /// The agent's connection.
    pub(crate) fn agent(&self) -> Handle {
        self.agent.clone()
    }

    /// Runs a program of the session's.
    pub(crate) fn spawn(&self, program: impl Future<Output = ()> + Send + 'static) {
        drop(self.programs.spawn(program));
    }

    /// Programs that run, or are being ended.
    pub(crate) fn program_count(&self) -> usize {
        self.programs.len()
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

    /// Puts something into the recording, and waits until it may go on.
    pub(crate) async fn record(&self, entry: Masked<Entry>) -> Result<(), Refusal> {
        match self.recorder.take(entry)? {
            Room::Left => Ok(()),
            Room::Full => self.recorder.room().await,
        }
    }

    /// Whether what programs say can pass at all, under the masks that the node knows now.
    pub(crate) fn maskable(&self) -> Result<(), Refusal> {
        mask::passes(&self.gate.masks(&self.opening)).map_err(|error| error.refusal())
    }

    /// Ends the session when it is told to from outside, and goes when it is over.
    pub(crate) async fn watch(self: Arc<Self>, (mut signals, shutdown, cut): Watched) {
        let why = loop {
            tokio::select! {
                signal = signals.next() => match signal {
                    // Nothing here gives a cancel key away.
                    Signal::Cancel => {}
                    Signal::End(refusal) => break refusal,
                },
                () = shutdown.cancelled() => break Refusal::ShuttingDown,
                () = cut.cancelled() => return,
            }
        };
        let word = error::last_word(&why);
        self.why.get_or_init(|| why);
        self.ending.cancel();
        self.programs.close();
        drop(timeout(LAST_WORDS, self.programs.wait()).await);
        let leaving = async {
            // It has gone already where this fails.
            drop(self.agent.disconnect(Disconnect::ByApplication, word, String::new()).await);
            cut.cancelled().await;
        };
        drop(timeout(LEAVE_WITHIN, leaving).await);
        cut.cancel();
    }

    /// The connection is over: what still runs is ended, and the session is closed.
    pub(crate) async fn over(&self) {
        self.ending.cancel();
        self.programs.close();
        if timeout(PROGRAMS_END_WITHIN, self.programs.wait()).await.is_err() {
            tracing::warn!(session.id = %self.opening.id(), "a program did not end in time");
        }
        let reason = match self.why.get() {
            Some(refusal) => CloseReason::Refused(refusal.clone()),
            None => CloseReason::Agent,
        };
        self.gate.close(self.opening.id(), reason).await;
    }
}
