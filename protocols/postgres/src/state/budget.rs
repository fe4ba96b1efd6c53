//! The memory that one session may hold in names: what is kept is charged, and given back when the last owner lets go of
//! it. A portal keeps its statement after the statement's name is gone, so that counting names would not do.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// Bytes of prepared statements and portals of one session, at most. A largest Bind fits several times.
const MAX_BYTES: usize = 16 * 1024 * 1024;
/// What one of them takes beside its texts and values.
const EACH: usize = 256;

/// What a session holds.
#[derive(Debug, Default)]
pub(super) struct Budget {
    used: Arc<AtomicUsize>,
}

/// A part of a budget. Dropped, it is given back.
#[derive(Debug)]
pub(super) struct Charge {
    bytes: usize,
    used: Arc<AtomicUsize>,
}

/// The budget does not reach so far.
#[derive(Debug)]
pub(super) struct Exhausted;

impl Budget {
    /// Takes so many bytes.
    pub(super) fn charge(&self, bytes: usize) -> Result<Charge, Exhausted> {
        let bytes = bytes.saturating_add(EACH);
        // Only the session's own task charges: nothing is added between the look and the addition.
        if self.used.load(Ordering::Relaxed).saturating_add(bytes) > MAX_BYTES {
            return Err(Exhausted);
        }
        self.used.fetch_add(bytes, Ordering::Relaxed);
        Ok(Charge { bytes, used: Arc::clone(&self.used) })
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let budget = Budget::default();
        let most = budget.charge(MAX_BYTES - EACH).unwrap();
        budget.charge(0).unwrap_err();
        drop(most);
        let _half = budget.charge(MAX_BYTES / 2).unwrap();
        budget.charge(MAX_BYTES / 2).unwrap_err();
        budget.charge(usize::MAX).unwrap_err();
    }
}
