//! What the state machine has lately read or written, by key: most of what a command asks for was asked for by the one
//! before. The state machine is the only writer, so what is here is what the database has, as long as every write goes
//! through [`Recent::wrote`] and whoever replaces the state forgets it.

use std::cell::RefCell;
use std::sync::{Mutex, MutexGuard, PoisonError};

use quick_cache::unsync::Cache;

use crate::disk::StateView;
use crate::machine::{Pair, StoreError, View, Writes};

/// Keys that are kept, absent ones too.
const KEYS: usize = 32 * 1024;
/// The longest value that is kept. Longer ones are mostly written once and not read here.
const VALUE_BYTES: usize = 512;

/// Values by key; nothing where the state has none.
type Values = Cache<Vec<u8>, Option<Vec<u8>>>;

/// See above.
pub(super) struct Recent(Mutex<Values>);

impl Default for Recent {
    fn default() -> Self {
        Self(Mutex::new(Cache::new(KEYS)))
    }
}

impl Recent {
    fn lock(&self) -> MutexGuard<'_, Values> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `base` as it is, through what is known of it.
    pub(super) fn over<'a>(&'a self, base: StateView<'a>) -> Remembered<'a> {
        Remembered { base, values: RefCell::new(self.lock()) }
    }

    /// These changes are in the database.
    pub(super) fn wrote(&self, writes: Writes) {
        let mut values = self.lock();
        for (key, value) in writes {
            match value {
                Some(long) if long.len() > VALUE_BYTES => drop(values.remove(&key)),
                value @ (Some(_) | None) => values.insert(key, value),
            }
        }
    }

    /// The state is another one.
    pub(super) fn forget(&self) {
        self.lock().clear();
    }
}

/// The state, read through what is known of it. While it is there nothing is written.
pub(super) struct Remembered<'a> {
    base: StateView<'a>,
    values: RefCell<MutexGuard<'a, Values>>,
}

impl View for Remembered<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        if let Some(known) = self.values.borrow().get(key) {
            return Ok(known.clone());
        }
        let found = self.base.get(key)?;
        if found.as_ref().is_none_or(|value| value.len() <= VALUE_BYTES) {
            self.values.borrow_mut().insert(key.to_vec(), found.clone());
        }
        Ok(found)
    }

    fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Pair>, StoreError> {
        self.base.scan(prefix, after, limit)
    }

    fn last(&self, prefix: &[u8], before: Option<&[u8]>) -> Result<Option<Pair>, StoreError> {
        self.base.last(prefix, before)
    }
}
