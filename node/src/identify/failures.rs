//! Refused proofs of identity are counted by source address and altogether. What is over the limit is answered and leaves no
//! trace: whoever floods the gateway must not flood its log and its audit. Nobody is kept out for it, because everybody
//! behind one address would be.

use crate::source::subscriber;
use quick_cache::sync::Cache;
use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use tokio::time::Instant;

/// How long failures count.
const WINDOW: Duration = Duration::from_mins(1);
/// How many sources are remembered; the least recently seen is forgotten first.
const MAX_SOURCES: usize = 16_384;
/// How many times one source's limit all sources have together.
const ALL_SOURCES_FACTOR: u32 = 100;

/// Whether one more failure is within the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Throttle {
    /// It is: it is logged and recorded.
    Within,
    /// It is not.
    Over,
}

/// Counts of refused proofs.
#[derive(Debug)]
pub(crate) struct Failures {
    limit: u32,
    sources: Cache<IpAddr, Arc<Window>>,
    all: arc_swap::ArcSwap<Window>,
}

#[derive(Debug)]
struct Window {
    since: Instant,
    failures: AtomicU32,
}

impl Failures {
    pub(crate) fn new(limit: u32) -> Self {
        let all = arc_swap::ArcSwap::from_pointee(Window::new());
        Self { limit, sources: Cache::new(MAX_SOURCES), all }
    }

    /// Whether one more failure of this source would be within its limit. Counts nothing.
    pub(crate) fn look(&self, source: IpAddr) -> Throttle {
        let known = self.sources.get(&subscriber(source)).filter(|window| window.is_open());
        let failures = known.map_or(0, |window| window.failures.load(Ordering::Relaxed));
        if failures < self.limit { Throttle::Within } else { Throttle::Over }
    }

    /// Counts one more failure of this source.
    pub(crate) fn count(&self, source: IpAddr) -> Throttle {
        let source = subscriber(source);
        let known = self.sources.get(&source).filter(|window| window.is_open());
        let own = if let Some(window) = known {
            window.add()
        } else {
            self.sources.insert(source, Arc::new(Window::with_one()));
            1
        };
        if own > self.limit {
            return Throttle::Over;
        }
        let all = self.all.load();
        let all = if all.is_open() {
            all.add()
        } else {
            self.all.store(Arc::new(Window::with_one()));
            1
        };
        let limit = self.limit.saturating_mul(ALL_SOURCES_FACTOR);
        if all > limit { Throttle::Over } else { Throttle::Within }
    }
}

impl Window {
    fn new() -> Self {
        Self { since: Instant::now(), failures: AtomicU32::new(0) }
    }

    fn with_one() -> Self {
        Self { failures: AtomicU32::new(1), ..Self::new() }
    }

    fn is_open(&self) -> bool {
        self.since.elapsed() < WINDOW
    }

    /// Counts one more, and says the how manyth it is.
    fn add(&self) -> u32 {
        // Saturating: wrapping round would begin a new window.
        let one_more = |n: u32| Some(n.saturating_add(1));
        let before = self.failures.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        let (Ok(before) | Err(before)) = before;
        before.saturating_add(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn failures_over_the_limit_of_a_source_are_told_apart_for_a_minute() {
        let failures = Failures::new(2);
        let source = "192.0.2.1".parse().unwrap();
        assert_eq!(failures.look(source), Throttle::Within);
        assert_eq!(failures.count(source), Throttle::Within);
        assert_eq!(failures.look(source), Throttle::Within);
        assert_eq!(failures.count(source), Throttle::Within);
        assert_eq!(failures.look(source), Throttle::Over);
        assert_eq!(failures.count(source), Throttle::Over);
        assert_eq!(failures.count("192.0.2.2".parse().unwrap()), Throttle::Within);
        tokio::time::advance(WINDOW).await;
        assert_eq!(failures.look(source), Throttle::Within);
        assert_eq!(failures.count(source), Throttle::Within);
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_from_everywhere_has_a_limit_too() {
        let failures = Failures::new(10);
        let mut within = 0;
        for n in 0..=u8::MAX {
            for _ in 0..5 {
                let counted = failures.count(IpAddr::from([198, 51, 100, n]));
                within += u32::from(counted == Throttle::Within);
            }
        }
        assert_eq!(within, 10 * ALL_SOURCES_FACTOR);
    }
}
