//! Refused tokens are counted by source address and altogether, so that guessing stays slow. A source that brought no
//! refused token is never kept out by others.

use quick_cache::sync::Cache;
use std::{
    net::{IpAddr, Ipv6Addr},
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
/// Failures of all sources together that one source's limit is multiplied with before every source that failed in this
/// window is kept out.
const ALL_SOURCES_FACTOR: u32 = 100;

/// Counts of refused tokens.
#[derive(Debug)]
pub(super) struct Failures {
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
    pub(super) fn new(limit: u32) -> Self {
        let all = arc_swap::ArcSwap::from_pointee(Window::new());
        Self { limit, sources: Cache::new(MAX_SOURCES), all }
    }

    pub(super) fn too_many(&self, source: IpAddr) -> bool {
        let own = self.sources.get(&key(source)).map_or(0, |window| window.count());
        let all = self.all.load().count();
        own >= self.limit || (own > 0 && all >= self.limit.saturating_mul(ALL_SOURCES_FACTOR))
    }

    pub(super) fn count(&self, source: IpAddr) {
        let key = key(source);
        match self.sources.get(&key) {
            Some(window) if window.is_open() => window.add(),
            Some(_) | None => self.sources.insert(key, Arc::new(Window::with_one())),
        }
        let all = self.all.load();
        if all.is_open() {
            all.add();
        } else {
            self.all.store(Arc::new(Window::with_one()));
        }
    }
}

impl Window {
    fn new() -> Self {
        Self { since: Instant::now(), failures: AtomicU32::new(0) }
    }

    fn with_one() -> Self {
        let window = Self::new();
        window.add();
        window
    }

    fn is_open(&self) -> bool {
        self.since.elapsed() < WINDOW
    }

    fn count(&self) -> u32 {
        if self.is_open() { self.failures.load(Ordering::Relaxed) } else { 0 }
    }

    fn add(&self) {
        // Saturating: wrapping round would let everyone in again.
        let one_more = |n: u32| n.checked_add(1);
        let _ = self.failures.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
    }
}

/// One subscriber has a whole /64 of IPv6, so it counts as one source.
fn key(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_source_is_kept_out_at_its_limit_and_let_in_after_a_minute() {
        let failures = Failures::new(2);
        let source = "192.0.2.1".parse().unwrap();
        failures.count(source);
        assert!(!failures.too_many(source));
        failures.count(source);
        assert!(failures.too_many(source));
        assert!(!failures.too_many("192.0.2.2".parse().unwrap()));
        tokio::time::advance(WINDOW).await;
        assert!(!failures.too_many(source));
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_from_everywhere_keeps_out_only_those_that_failed() {
        let failures = Failures::new(10);
        for n in 0..=u8::MAX {
            for _ in 0..4 {
                failures.count(IpAddr::from([198, 51, 100, n]));
            }
        }
        assert!(failures.too_many("198.51.100.7".parse().unwrap()));
        assert!(!failures.too_many("203.0.113.1".parse().unwrap()));
    }

    #[test]
    fn addresses_of_one_ipv6_subscriber_are_one_source() {
        assert_eq!(key("2001:db8::1".parse().unwrap()), key("2001:db8::ffff".parse().unwrap()));
        assert_eq!(key("::ffff:192.0.2.1".parse().unwrap()), key("192.0.2.1".parse().unwrap()));
    }
}
