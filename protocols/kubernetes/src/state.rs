//! How far a connection has come: whether anybody was let in on it, what goes on, and why it must end. It reads and writes
//! nothing.

use std::{
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    time::Duration,
};
use tokio::{sync::watch, time::sleep};
use tokio_util::sync::CancellationToken;

/// Requests on one connection, at most; then it ends, and the client comes on another.
const MAX_REQUESTS: u32 = 100_000;
/// Proofs on one connection that were refused, at most.
const MAX_REFUSED: u32 = 10;
/// How long a connection may have no request.
const IDLE: Duration = Duration::from_mins(5);

/// The state of a connection.
#[derive(Debug)]
pub(crate) struct State {
    requests: AtomicU32,
    refused: AtomicU32,
    under_way: watch::Sender<usize>,
    is_upgraded: AtomicBool,
    let_in: CancellationToken,
    winds_up: CancellationToken,
    cut: CancellationToken,
}

/// A request that is under way, until this is dropped.
#[derive(Debug)]
#[must_use = "it counts for as long as it lives"]
pub(crate) struct UnderWay(watch::Sender<usize>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count = count.saturating_sub(1));
    }
}

impl State {
    pub(crate) fn new() -> Self {
        Self {
            requests: AtomicU32::new(0),
            refused: AtomicU32::new(0),
            under_way: watch::Sender::new(0),
            is_upgraded: AtomicBool::new(false),
            let_in: CancellationToken::new(),
            winds_up: CancellationToken::new(),
            cut: CancellationToken::new(),
        }
    }

    /// A request has come.
    pub(crate) fn begun(&self) -> UnderWay {
        if self.requests.fetch_add(1, Ordering::Relaxed) >= MAX_REQUESTS {
            self.wind_up();
        }
        self.under_way.send_modify(|count| *count = count.saturating_add(1));
        UnderWay(self.under_way.clone())
    }

    /// Somebody was identified, and has a session.
    pub(crate) fn let_in(&self) {
        self.let_in.cancel();
    }

    /// A proof was refused.
    pub(crate) fn refused(&self) {
        if self.refused.fetch_add(1, Ordering::Relaxed) >= MAX_REFUSED {
            self.wind_up();
        }
    }

    /// No more requests are to come: those that are here are answered.
    pub(crate) fn wind_up(&self) {
        self.winds_up.cancel();
    }

    /// Nothing more is read or written.
    pub(crate) fn cut(&self) {
        self.cut.cancel();
    }

    /// The connection is not going to be HTTP any more.
    pub(crate) fn upgrade(&self) {
        self.is_upgraded.store(true, Ordering::Relaxed);
    }

    /// An upgraded connection lives as long as what was begun on it.
    pub(crate) async fn upgraded_is_over(&self) {
        if !self.is_upgraded.load(Ordering::Relaxed) {
            return;
        }
        let mut under_way = self.under_way.subscribe();
        tokio::select! {
            // The sender lives as long as this.
            ended = under_way.wait_for(|count| *count == 0) => drop(ended),
            () = self.cut.cancelled() => {}
        }
    }

    /// Waits until somebody is let in.
    pub(crate) async fn is_let_in(&self) {
        self.let_in.cancelled().await;
    }

    /// What is cancelled when the connection is cut.
    pub(crate) fn cut_token(&self) -> CancellationToken {
        self.cut.clone()
    }

    /// Waits until no more requests are to come, also because there were none for long.
    pub(crate) async fn winds_up(&self) {
        tokio::select! {
            () = self.winds_up.cancelled() => {}
            () = self.is_idle() => {}
        }
    }

    /// Waits until there was no request for long.
    pub(crate) async fn is_idle(&self) {
        let mut under_way = self.under_way.subscribe();
        loop {
            // The sender lives as long as this.
            drop(under_way.wait_for(|count| *count == 0).await);
            tokio::select! {
                _ = under_way.changed() => {}
                () = sleep(IDLE) => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::Instant;

    #[tokio::test(start_paused = true)]
    async fn a_connection_winds_up_when_it_has_had_no_request_for_long() {
        let state = State::new();
        let begun = Instant::now();
        let under_way = state.begun();
        tokio::join!(state.winds_up(), async {
            sleep(IDLE * 3).await;
            drop(under_way);
        });
        assert_eq!(begun.elapsed(), IDLE * 4);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_takes_so_many_requests_and_so_many_refused_proofs() {
        let begun = Instant::now();
        let state = State::new();
        for _ in 0..=MAX_REFUSED {
            state.refused();
        }
        state.winds_up().await;
        let state = State::new();
        state.requests.store(MAX_REQUESTS, Ordering::Relaxed);
        drop(state.begun());
        state.winds_up().await;
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }
}
