//! How fast one caller may write. A bucket for each identity: it allows a burst, and refills steadily. Every write costs the
//! whole cluster a commit, so one script that runs wild must not take what others need.

use countersign_core::agent::Identity;
use quick_cache::sync::Cache;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// Writes that one identity may send at once.
const BURST: u32 = 200;
/// How long one of them takes to come back.
const REFILL: Duration = Duration::from_millis(25);
/// How many identities are remembered; who is forgotten has a full bucket again.
const MAX_IDENTITIES: usize = 16_384;

/// The buckets of all identities.
#[derive(Debug)]
pub(super) struct Pace {
    buckets: Cache<Identity, Arc<Mutex<Bucket>>>,
}

/// When the bucket is full again, if nothing more is taken.
#[derive(Debug)]
struct Bucket {
    full_at: Instant,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self { buckets: Cache::new(MAX_IDENTITIES) }
    }

    /// Takes one write out of this identity's bucket; an error says when there is one again.
    pub(super) fn take(&self, who: &Identity) -> Result<(), Duration> {
        let now = Instant::now();
        let fresh =
            || Ok::<_, std::convert::Infallible>(Arc::new(Mutex::new(Bucket { full_at: now })));
        let bucket =
            self.buckets.get_or_insert_with(who, fresh).unwrap_or_else(|never| match never {});
        let mut bucket = bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let full_at = bucket.full_at.max(now) + REFILL;
        let over = (full_at - now).saturating_sub(REFILL * BURST);
        if over > Duration::ZERO {
            return Err(over);
        }
        bucket.full_at = full_at;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(subject: &str) -> Identity {
        Identity { issuer: "https://id.example".to_owned(), subject: subject.to_owned() }
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_allowed_and_then_a_steady_pace() {
        let (pace, one) = (Pace::new(), identity("one"));
        for _ in 0..BURST {
            pace.take(&one).unwrap();
        }
        assert_eq!(pace.take(&one), Err(REFILL));
        pace.take(&identity("other")).unwrap();
        tokio::time::advance(REFILL * 3).await;
        for _ in 0..3 {
            pace.take(&one).unwrap();
        }
        pace.take(&one).unwrap_err();
    }
}
