//! How long a connection may live: until its first request, between two signs of life, and altogether. A sign of life is a
//! request that arrived, or a piece of an answer that went out: pings and window updates are none, so neither silence nor
//! an answer that nobody takes keeps a connection.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};
use tokio::time::{Instant, sleep_until};

/// The deadlines of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadlines {
    /// From the accept to the end of the TLS handshake.
    pub(super) handshake: Duration,
    /// From the accept to the first request: handshake, version and headers together.
    pub(super) first_request: Duration,
    /// Between two signs of life. Longer than a request may take, and than clients keep a connection for the next one.
    pub(super) idle: Duration,
    /// Altogether; whoever follows events longer comes back on another connection.
    pub(super) age: Duration,
    /// After a connection was told to end.
    pub(super) last_words: Duration,
}

impl Deadlines {
    pub(super) const DEFAULT: Self = Self {
        handshake: Duration::from_secs(10),
        first_request: Duration::from_secs(20),
        idle: Duration::from_mins(2),
        age: Duration::from_hours(1),
        last_words: Duration::from_secs(3),
    };
}

/// What is known of one connection's life.
#[derive(Debug)]
pub(super) struct Life {
    begun: Instant,
    deadlines: Deadlines,
    /// Milliseconds from the beginning to the last sign of life; [`NONE_YET`] before the first request.
    last: AtomicU64,
}

const NONE_YET: u64 = u64::MAX;

impl Life {
    pub(super) fn begin(deadlines: Deadlines) -> Self {
        Self { begun: Instant::now(), deadlines, last: AtomicU64::new(NONE_YET) }
    }

    /// A request arrived, or a piece of an answer went out.
    pub(super) fn sign(&self) {
        let since = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(NONE_YET - 1);
        self.last.store(since, Ordering::Relaxed);
    }

    /// Waits until the connection must end.
    pub(super) async fn over(&self) {
        loop {
            let end = self.end();
            if Instant::now() >= end {
                return;
            }
            sleep_until(end).await;
        }
    }

    fn end(&self) -> Instant {
        let quiet = match self.last.load(Ordering::Relaxed) {
            NONE_YET => self.deadlines.first_request,
            last => Duration::from_millis(last) + self.deadlines.idle,
        };
        self.begun + quiet.min(self.deadlines.age)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    /// How long a life lasts that shows signs as `signs` says, after each pause.
    async fn lasts(signs: &[Duration]) -> Duration {
        let (life, begun) = (Life::begin(Deadlines::DEFAULT), Instant::now());
        for pause in signs {
            advance(*pause).await;
            life.sign();
        }
        life.over().await;
        begun.elapsed()
    }

    fn about(found: Duration, expected: Duration) {
        assert!(found >= expected && found < expected + Duration::from_millis(5), "{found:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_without_a_first_request_after_a_silence_and_of_age() {
        about(lasts(&[]).await, Deadlines::DEFAULT.first_request);
        let (soon, idle) = (Duration::from_secs(7), Deadlines::DEFAULT.idle);
        about(lasts(&[soon]).await, soon + idle);
        about(lasts(&[soon, soon]).await, soon + soon + idle);
        about(lasts(&[Duration::from_mins(1); 59]).await, Deadlines::DEFAULT.age);
    }
}
