//! The serving lease: while it is valid, this node was part of a quorum not long ago and has applied what that quorum had
//! committed. Without it a node admits nothing.
//!
//! The node asks for a read index every second; an answer gives five seconds, counted in boot time from the *sending* of
//! the question. Boot time goes on while the process, or the machine, stands still, and every look at the lease reads that
//! clock, so a node that stood still finds its lease as old as it is. A stall of the event loop does not take the lease
//! away; it has the next question asked at once. Nothing is ever prolonged without an answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::read_index::Unconfirmed;
use crate::state_machine::StateMachine;

/// How the lease is kept.
#[derive(Debug, Clone, Copy)]
pub struct LeaseTimings {
    /// How often the leader is asked.
    pub ask_every: Duration,
    /// How long an answer counts, from the sending of its question.
    pub valid_for: Duration,
    /// After a stall of the event loop longer than this the leader is asked at once.
    pub stall: Duration,
}

impl Default for LeaseTimings {
    fn default() -> Self {
        Self {
            ask_every: Duration::from_secs(1),
            valid_for: Duration::from_secs(5),
            stall: Duration::from_millis(100),
        }
    }
}

/// How long the lease is still valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseLeft(pub Duration);

/// Why there is no valid lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LeaseLapsed {
    /// No quorum has answered for too long.
    #[error("no quorum has answered for too long")]
    NoQuorum,
    /// This node's state differs from its peers'.
    #[error("the state of this node differs from its peers' at entry {0}")]
    Diverged(u64),
}

#[derive(Debug, Default)]
struct Cells {
    /// The end of the lease in boot time, in nanoseconds.
    until: AtomicU64,
    /// When the watchdog last ran, in boot time.
    beat: AtomicU64,
    /// Rung after a stall.
    ask: Notify,
    /// Cancelled when nobody is served any more.
    given_up: CancellationToken,
}

/// The lease of this node. Clones are the same lease; [`Lease::check`] is cheap.
#[derive(Debug, Clone)]
pub struct Lease {
    cells: Arc<Cells>,
    clock: Arc<dyn Clock>,
    state: StateMachine,
    timings: LeaseTimings,
}

impl Lease {
    pub(crate) fn new(clock: Arc<dyn Clock>, state: StateMachine, timings: LeaseTimings) -> Self {
        Self { cells: Arc::default(), clock, state, timings }
    }

    /// Looks at the lease, right now.
    ///
    /// # Errors
    /// [`LeaseLapsed`]: this node must not admit anything.
    pub fn check(&self) -> Result<LeaseLeft, LeaseLapsed> {
        if let Some(index) = self.state.diverged_at() {
            return Err(LeaseLapsed::Diverged(index));
        }
        if self.cells.given_up.is_cancelled() {
            return Err(LeaseLapsed::NoQuorum);
        }
        match self.cells.until.load(Ordering::Acquire).checked_sub(self.now()) {
            None | Some(0) => Err(LeaseLapsed::NoQuorum),
            Some(left) => Ok(LeaseLeft(Duration::from_nanos(left))),
        }
    }

    /// Whether a quorum has answered a question that was sent not much longer ago than questions are sent.
    pub fn is_fresh(&self) -> bool {
        let LeaseTimings { ask_every, valid_for, stall: _ } = self.timings;
        self.check().is_ok_and(|LeaseLeft(left)| left + 2 * ask_every >= valid_for)
    }

    /// For how long the lease has been lapsed, in boot time; none while it is valid. A node that differs, stops or never
    /// had a lease has been without one for ever ([`Duration::MAX`]).
    pub fn lapsed_for(&self) -> Option<Duration> {
        match self.check() {
            Ok(LeaseLeft(_)) => None,
            Err(LeaseLapsed::Diverged(_)) => Some(Duration::MAX),
            Err(LeaseLapsed::NoQuorum) if self.cells.given_up.is_cancelled() => Some(Duration::MAX),
            Err(LeaseLapsed::NoQuorum) => match self.cells.until.load(Ordering::Acquire) {
                0 => Some(Duration::MAX),
                until => Some(Duration::from_nanos(self.now().saturating_sub(until))),
            },
        }
    }

    fn now(&self) -> u64 {
        nanos(self.clock.since_boot())
    }

    /// Asks for ever, by what gives a read index until a deadline. Drop the future to stop.
    pub(crate) async fn keep<A>(&self, ask: impl Fn(Instant) -> A)
    where
        A: Future<Output = Result<u64, Unconfirmed>>,
    {
        loop {
            let sent = self.now();
            let deadline = Instant::now() + self.timings.valid_for;
            let next = Instant::now() + self.timings.ask_every;
            if ask(deadline).await.is_ok() {
                self.grant(sent);
            }
            tokio::select! {
                () = sleep_until(next) => {}
                () = self.cells.ask.notified() => {}
            }
        }
    }

    /// An answer never shortens what an earlier one gave.
    fn grant(&self, sent: u64) {
        let until = sent.saturating_add(nanos(self.timings.valid_for));
        self.cells.until.fetch_max(until, Ordering::AcqRel);
    }

    /// Notices stalls of the event loop for ever. Drop the future to stop.
    pub(crate) async fn watch(&self) {
        loop {
            self.beat();
            sleep(self.timings.stall / 4).await;
        }
    }

    /// One look of the watchdog: has the leader asked at once when the last look was too long ago.
    fn beat(&self) {
        let now = self.now();
        let last = self.cells.beat.swap(now, Ordering::AcqRel);
        let stood_still = now.saturating_sub(last);
        if last != 0 && stood_still > nanos(self.timings.stall) {
            tracing::info!(for_ms = stood_still / 1_000_000, "the event loop stood still");
            self.cells.ask.notify_one();
        }
    }

    /// Nobody is served any more.
    pub(crate) fn give_up(&self) {
        self.cells.given_up.cancel();
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
