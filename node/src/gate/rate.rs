//! So many of something a second, for what strangers can cause. What comes beyond that is only counted.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// The window in which is counted.
const WINDOW: Duration = Duration::from_secs(1);

/// Counts by the second.
#[derive(Debug)]
pub(super) struct Rate {
    most: u32,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    since: Option<Instant>,
    count: u32,
    /// Those beyond the rate since the last one that was not.
    beyond: u64,
}

/// There were too many this second.
#[derive(Debug)]
pub(super) struct TooMany;

impl Rate {
    pub(super) fn a_second(most: u32) -> Self {
        Self { most, seen: Mutex::default() }
    }

    /// Takes one; says how many were too many since the last one that was taken.
    pub(super) fn take(&self) -> Result<u64, TooMany> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.since.is_none_or(|since| since.elapsed() >= WINDOW) {
            seen.since = Some(Instant::now());
            seen.count = 0;
        }
        if seen.count >= self.most {
            seen.beyond = seen.beyond.saturating_add(1);
            return Err(TooMany);
        }
        seen.count += 1;
        Ok(std::mem::take(&mut seen.beyond))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn beyond_the_rate_is_counted_and_told_later() {
        let rate = Rate::a_second(2);
        assert_eq!(rate.take().unwrap(), 0);
        assert_eq!(rate.take().unwrap(), 0);
        for _ in 0..3 {
            rate.take().unwrap_err();
        }
        tokio::time::advance(WINDOW).await;
        assert_eq!(rate.take().unwrap(), 3);
        assert_eq!(rate.take().unwrap(), 0);
    }
}
