//! Whether this node may act. The lease itself is kept by the engine; here it is looked at, and its loss has consequences.
//!
//! A lease may run out for a moment, while a new leader is elected or after the machine stood still. An operation that
//! arrives meanwhile waits a little; once the lease is lost for longer, everything is refused at once.

use super::Inner;
use countersign_core::{permit::Leased, refusal::Refusal};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::{Instant, sleep};

/// How long a lost lease may take to come back before operations are refused at once.
const GRACE: Duration = Duration::from_millis(1500);
/// How long after the end of the lease the node's sessions are ended: nobody here would hear of a revocation. The lease
/// has been without an answer for its whole length by then, so this is only for an answer that is on its way.
const SESSIONS_END_AFTER: Duration = Duration::from_secs(1);
/// How often the lease is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How often an operation looks that waits for it.
const WAIT_STEP: Duration = Duration::from_millis(20);

/// Since when the lease is lost.
#[derive(Debug)]
pub(super) struct LeaseWatch {
    lost: Mutex<Option<Instant>>,
}

impl LeaseWatch {
    pub(super) fn new() -> Self {
        Self { lost: Mutex::new(None) }
    }

    fn seen(&self, held: Held) -> Option<Instant> {
        let mut lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        match held {
            Held::Yes => *lost = None,
            Held::No => *lost = Some(lost.unwrap_or_else(Instant::now)),
        }
        *lost
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    Yes,
    No,
}

impl Inner {
    /// A proof that the node may act right now.
    pub(super) fn leased(&self) -> Result<Leased, Refusal> {
        if self.incarnation.get().is_none() || !self.store.has_lease() {
            return Err(Refusal::NoQuorum);
        }
        #[expect(clippy::disallowed_methods, reason = "the lease was looked at just now")]
        let leased = Leased::checked();
        Ok(leased)
    }

    /// The same, waiting for a lease that was lost only a moment ago.
    pub(super) async fn await_lease(&self) -> Result<Leased, Refusal> {
        loop {
            let refused = match self.leased() {
                Ok(leased) => return Ok(leased),
                Err(refused) => refused,
            };
            let lost = self.lease.seen(Held::No);
            if self.incarnation.get().is_none() || lost.is_none_or(|since| since.elapsed() >= GRACE)
            {
                return Err(refused);
            }
            sleep(WAIT_STEP).await;
        }
    }
}

/// Looks at the lease until shutdown, and ends the node's sessions when it stays lost.
pub(super) async fn watch(inner: Arc<Inner>) {
    loop {
        let lapsed = inner.store.lease_lapsed();
        inner.lease.seen(if lapsed.is_none() { Held::Yes } else { Held::No });
        // By the engine's clock: the one of this task stands still while the machine sleeps.
        if lapsed.is_some_and(|lapsed| lapsed >= SESSIONS_END_AFTER) {
            inner.sessions.end_all(&Refusal::NoQuorum);
        }
        tokio::select! {
            () = sleep(LOOK_EVERY) => {}
            () = inner.shutdown.stopping() => return,
        }
    }
}
