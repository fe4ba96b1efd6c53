//! A bell for each hold that is waited for on this node. A ring says only that the hold may have changed: who waits reads
//! the state, so a ring too many does no harm, and rings for all follow when effects were missed.

use countersign_core::id::HoldId;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::watch;

/// The bells.
#[derive(Debug, Default, Clone)]
pub(super) struct HoldBells {
    bells: Arc<Mutex<HashMap<HoldId, watch::Sender<u64>>>>,
}

/// One bell, as who waits hears it.
#[derive(Debug)]
pub(super) struct Bell {
    hold: HoldId,
    rings: watch::Receiver<u64>,
    bells: HoldBells,
}

impl HoldBells {
    /// Hears rings for `hold` from now on. Read the state after this, not before.
    pub(super) fn listen(&self, hold: HoldId) -> Bell {
        let mut bells = self.lock();
        let rings = if let Some(known) = bells.get(&hold) {
            known.subscribe()
        } else {
            let (bell, rings) = watch::channel(0);
            bells.insert(hold, bell);
            rings
        };
        Bell { hold, rings, bells: self.clone() }
    }

    /// The holds that somebody on this node waits for.
    pub(super) fn waited_for(&self) -> Vec<HoldId> {
        self.lock().keys().copied().collect()
    }

    pub(super) fn ring(&self, hold: HoldId) {
        if let Some(bell) = self.lock().get(&hold) {
            bell.send_modify(|count| *count = count.wrapping_add(1));
        }
    }

    pub(super) fn ring_all(&self) {
        for bell in self.lock().values() {
            bell.send_modify(|count| *count = count.wrapping_add(1));
        }
    }

    /// Nothing panics while it holds the lock.
    fn lock(&self) -> MutexGuard<'_, HashMap<HoldId, watch::Sender<u64>>> {
        self.bells.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bell {
    /// Waits for the next ring since the last one heard. Safe to drop and call again.
    pub(super) async fn rung(&mut self) {
        if self.rings.changed().await.is_err() {
            // The bell is kept as long as somebody listens, so this does not happen; waiting is the safe answer.
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        let mut bells = self.bells.lock();
        // One listener is this one: nobody else waits.
        if bells.get(&self.hold).is_some_and(|bell| bell.receiver_count() <= 1) {
            bells.remove(&self.hold);
        }
    }
}
