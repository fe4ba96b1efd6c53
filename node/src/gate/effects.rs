//! Following what the log does: holds that change, sessions that end, resources that change. Effects are only hints to
//! look at the state: when some were missed, everything is looked at.

use super::Inner;
use crate::{identify, metrics::counters, shutdown::Why};
use countersign_core::{
    id::{LogIndex, SessionId},
    refusal::Refusal,
};
use countersign_raft_store::{
    command::CloseSession,
    effect::Effect,
    handle::{Effects, ReadError},
    records::{SessionRecord, SessionState},
};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::broadcast::error::RecvError,
    time::{Instant, sleep},
};

/// How often everything is looked at, whether effects came or not.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// The pause before resources that could not be read are read again.
const READ_AGAIN: Duration = Duration::from_secs(1);

/// What is to be done about an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Todo {
    /// It is done.
    Nothing,
    /// Resources are to be read.
    Resources,
    /// Anything may have changed.
    Everything,
    /// This node does not count any more.
    Stop,
}

/// Follows until shutdown.
pub(super) async fn follow(inner: Arc<Inner>, mut effects: Effects) {
    let mut pause = LOOK_EVERY;
    let mut uncarried = HashMap::new();
    let mut todo = Todo::Everything;
    loop {
        match todo {
            Todo::Nothing => {}
            Todo::Stop => return,
            Todo::Resources | Todo::Everything => {
                if todo == Todo::Everything {
                    inner.bells.ring_all();
                    inner.end_closed_sessions();
                    inner.close_uncarried_sessions(&mut uncarried);
                }
                pause = match inner.read_resources().await {
                    Ok(()) => LOOK_EVERY,
                    Err(error) => {
                        tracing::warn!(error = error.as_ref(), "resources could not be read");
                        READ_AGAIN
                    }
                };
            }
        }
        todo = tokio::select! {
            received = effects.recv() => match received {
                Ok((index, bytes)) => inner.take(index, &bytes),
                Err(RecvError::Lagged(missed)) => {
                    tracing::info!(missed, "effects were missed: everything is looked at");
                    Todo::Everything
                }
                Err(RecvError::Closed) => Todo::Stop,
            },
            () = sleep(pause) => Todo::Everything,
            () = inner.shutdown.stopping() => Todo::Stop,
        };
        if todo == Todo::Stop {
            inner.sessions.end_all(&Refusal::ShuttingDown);
        }
    }
}

impl Inner {
    fn take(&self, index: u64, bytes: &[u8]) -> Todo {
        let effect = match self.store.effect(index, bytes) {
            Ok(happened) => happened.effect,
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    index,
                    "an effect is not readable"
                );
                return Todo::Everything;
            }
        };
        match effect {
            Effect::HoldChanged { hold, phase, .. } => {
                counters::hold_changed(phase);
                self.bells.ring(hold);
            }
            Effect::SessionEnded { session, reason, .. } => {
                self.sessions.end(session, &Refusal::SessionEnded { reason });
            }
            Effect::CancelRequested { session, .. } => {
                self.sessions.cancel(session, LogIndex(index));
            }
            Effect::ResourcesChanged { .. } => return Todo::Resources,
            // The sessions that this concerns have effects of their own; a grant is looked up when it is used.
            Effect::Revoked { .. } | Effect::IssuerRevoked { .. } | Effect::GrantChanged { .. } => {
            }
            Effect::NodeUp { node, incarnation } => {
                let ours = self.incarnation.get();
                if node == self.node && ours.is_some_and(|ours| *ours != incarnation) {
                    return self.superseded("another process has started as this node");
                }
            }
            Effect::NodeRemoved { node } => {
                if node == self.node {
                    return self.superseded("this node was removed from the cluster");
                }
            }
        }
        Todo::Nothing
    }

    /// What this process does counts no more: it ends.
    fn superseded(&self, why: &'static str) -> Todo {
        tracing::error!("{why}: it stops");
        self.sessions.end_all(&Refusal::ShuttingDown);
        self.shutdown.drain(Why::Superseded(why));
        Todo::Stop
    }

    /// Ends the sessions of this node that the state has closed without its hearing of it.
    fn end_closed_sessions(&self) {
        let view = match self.store.view() {
            Ok(view) => view,
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "sessions could not be read"
                );
                return;
            }
        };
        for id in self.sessions.ids() {
            if let Ok(Some(SessionRecord { state: SessionState::Closed { reason, .. }, .. })) =
                view.session(id)
            {
                self.sessions.end(id, &Refusal::SessionEnded { reason });
            }
        }
    }

    /// Closes the sessions of this start that are open in the state and that nobody here carries: their closing was lost, or
    /// came before their opening. `seen` has those that were found before; what is new may be on its way still.
    fn close_uncarried_sessions(&self, seen: &mut HashMap<SessionId, Instant>) {
        let Some(incarnation) = self.incarnation.get() else { return };
        // Without a lease closings only pile up.
        if self.leased().is_err() {
            return;
        }
        let open = match self.store.view().and_then(|v| v.open_sessions_of(self.node, *incarnation))
        {
            Ok(open) => open,
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "open sessions could not be read"
                );
                return;
            }
        };
        let carried: HashSet<SessionId> = self.sessions.ids().into_iter().collect();
        let uncarried: HashSet<SessionId> =
            open.into_iter().filter(|id| !carried.contains(id)).collect();
        seen.retain(|id, _since| uncarried.contains(id));
        for id in uncarried {
            let since = *seen.entry(id).or_insert_with(Instant::now);
            if since.elapsed() >= LOOK_EVERY {
                tracing::warn!(session.id = %id, "a session was open that nobody carries");
                let reason = "the node does not carry it any more".to_owned();
                self.journal.close(CloseSession { id, reason });
            }
        }
    }

    /// Reads policies, identity providers and targets as this node has applied them.
    async fn read_resources(&self) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        self.policies.refresh().await?;
        let (store, table) = (self.store.clone(), Arc::clone(&self.targets));
        let read = tokio::task::spawn_blocking(move || {
            let view = store.view()?;
            Ok::<_, ReadError>((identify::providers(&view)?, table.read(&view)?))
        });
        let (providers, targets) = read.await??;
        self.identify.trust(providers);
        self.targets.replace(targets);
        Ok(())
    }
}
