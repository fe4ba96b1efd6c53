//! The sessions that this node carries, and how they are told that something happened. What they do is not known here.

use super::signals::SessionSignals;
use crate::recording::SessionRecorder;
use countersign_core::{
    id::{LogIndex, Revision, SessionId},
    refusal::Refusal,
};
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::watch;

/// The sessions of this node.
#[derive(Debug)]
pub(super) struct Sessions {
    limit: usize,
    open: Mutex<HashMap<SessionId, Line>>,
}

/// How one session is told.
#[derive(Debug)]
struct Line {
    ended: watch::Sender<Option<Refusal>>,
    cancels: watch::Sender<u64>,
    recorder: SessionRecorder,
    /// The log entry under which it has begun last: a hold it waits for, or an intent.
    begun: LogIndex,
    /// When the state was last found to let it read, and under which rules.
    stood: Option<InForceAt>,
}

/// An epoch of the applied state, and the policy revision of it.
pub(super) type InForceAt = (u64, Revision);

impl Sessions {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, open: Mutex::new(HashMap::new()) }
    }

    /// Takes a place for a session that ends by itself after `lives`. The session is told from here on, also of what
    /// happens before its opening is answered.
    pub(super) fn enter(
        &self,
        id: SessionId,
        (lives, recorder): (Duration, SessionRecorder),
    ) -> Result<SessionSignals, Refusal> {
        let mut open = self.lock();
        if open.len() >= self.limit {
            return Err(Refusal::Overloaded { limit: "sessions" });
        }
        let (ended, hears_end) = watch::channel(None);
        let (cancels, hears_cancels) = watch::channel(0);
        open.insert(id, Line { ended, cancels, recorder, begun: LogIndex(0), stood: None });
        Ok(SessionSignals::new(hears_end, hears_cancels, lives))
    }

    /// Gives the place back, with the recorder of the session that had it.
    pub(super) fn leave(&self, id: SessionId) -> Option<SessionRecorder> {
        self.lock().remove(&id).map(|line| line.recorder)
    }

    /// The recorder of a session. One that this node does not carry has none, and nothing happens in it.
    pub(super) fn recorder(&self, id: SessionId) -> Result<SessionRecorder, Refusal> {
        let open = self.lock();
        open.get(&id).map(|line| line.recorder.clone()).ok_or(Refusal::NotRecorded)
    }

    pub(super) fn count(&self) -> usize {
        self.lock().len()
    }

    /// The ids of all.
    pub(super) fn ids(&self) -> Vec<SessionId> {
        self.lock().keys().copied().collect()
    }

    /// Ends one; the first word stays.
    pub(super) fn end(&self, id: SessionId, refusal: &Refusal) {
        if let Some(line) = self.lock().get(&id) {
            line.end(refusal);
        }
    }

    pub(super) fn end_all(&self, refusal: &Refusal) {
        for line in self.lock().values() {
            line.end(refusal);
        }
    }

    /// It has begun something that stands at this place of the log.
    pub(super) fn began(&self, id: SessionId, at: LogIndex) {
        if let Some(line) = self.lock().get_mut(&id) {
            line.begun = line.begun.max(at);
        }
    }

    /// The state says that it may read in this epoch, under these rules.
    pub(super) fn stands(&self, id: SessionId, stood: InForceAt) {
        if let Some(line) = self.lock().get_mut(&id) {
            line.stood = Some(stood);
        }
    }

    /// Whether the state has said so.
    pub(super) fn stood(&self, id: SessionId, stood: InForceAt) -> bool {
        self.lock().get(&id).is_some_and(|line| line.stood == Some(stood))
    }

    /// Cancels what it does. A cancel that stands before that in the log was meant for something else.
    pub(super) fn cancel(&self, id: SessionId, at: LogIndex) {
        if let Some(line) = self.lock().get(&id)
            && at >= line.begun
        {
            line.cancels.send_modify(|count| *count = count.wrapping_add(1));
        }
    }

    /// Nothing panics while it holds the lock.
    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Line>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    fn end(&self, refusal: &Refusal) {
        self.ended.send_if_modified(|said| {
            let first = said.is_none();
            if first {
                *said = Some(refusal.clone());
            }
            first
        });
    }
}
