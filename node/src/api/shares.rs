//! How much of something each holder has at a time: connections of a source, event streams of a caller. One that has its
//! share gets no more, so that nobody can take all there is.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Counts by holder. There are as many rows as holders of something.
#[derive(Debug)]
pub(super) struct Shares<K> {
    limit: usize,
    taken: Mutex<HashMap<K, usize>>,
}

/// One of a holder's things; dropped, it is counted no longer.
#[derive(Debug)]
pub(super) struct Share<K: Eq + Hash> {
    shares: Arc<Shares<K>>,
    holder: K,
}

impl<K: Clone + Eq + Hash> Shares<K> {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, taken: Mutex::default() }
    }

    /// Counts one more of this holder's; `None` when it has its share.
    pub(super) fn take(self: &Arc<Self>, holder: K) -> Option<Share<K>> {
        let mut taken = self.lock();
        let count = taken.get(&holder).copied().unwrap_or(0);
        if count >= self.limit {
            return None;
        }
        taken.insert(holder.clone(), count + 1);
        drop(taken);
        Some(Share { shares: Arc::clone(self), holder })
    }
}

impl<K> Shares<K> {
    fn lock(&self) -> MutexGuard<'_, HashMap<K, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash> Drop for Share<K> {
    fn drop(&mut self) {
        let mut taken = self.shares.lock();
        if let Some(count) = taken.get_mut(&self.holder) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                taken.remove(&self.holder);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_gets_its_share_and_others_get_theirs() {
        let shares = Arc::new(Shares::new(2));
        let first = shares.take("one").unwrap();
        let _second = shares.take("one").unwrap();
        assert!(shares.take("one").is_none());
        let _others = shares.take("other").unwrap();
        drop(first);
        let _third = shares.take("one").unwrap();
        assert!(shares.take("one").is_none());
    }

    #[test]
    fn nothing_is_remembered_of_who_has_left() {
        let shares = Arc::new(Shares::new(2));
        drop(shares.take("one"));
        assert!(shares.lock().is_empty());
    }
}
