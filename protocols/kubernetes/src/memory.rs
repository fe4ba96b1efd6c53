//! What requests and answers that are read whole may take of the node's memory, all of them together. Who finds none left is
//! refused and may come again; nobody waits for it, so that nobody who waits keeps it.

use countersign_core::refusal::Refusal;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// All of it, in bytes.
const MOST: usize = 512 * 1024 * 1024;
/// What it is counted in, in bytes.
const UNIT: usize = 1024;
/// The name of the limit.
const LIMIT: &str = "memory of Kubernetes requests and answers";

/// The memory of a listener. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Memory(Arc<Semaphore>);

/// Some of it, until it is dropped.
#[derive(Debug)]
#[must_use = "it counts for as long as it lives"]
pub(crate) struct Taken {
    memory: Memory,
    permit: Option<OwnedSemaphorePermit>,
    bytes: usize,
}

impl Default for Memory {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MOST / UNIT)))
    }
}

impl Memory {
    /// None yet.
    pub(crate) fn nothing(&self) -> Taken {
        Taken { memory: self.clone(), permit: None, bytes: 0 }
    }
}

impl Taken {
    /// So many bytes are needed from now on.
    pub(crate) fn grow_to(&mut self, bytes: usize) -> Result<(), Refusal> {
        let units = bytes.div_ceil(UNIT).saturating_sub(self.bytes.div_ceil(UNIT));
        if units > 0 {
            let full = Refusal::Overloaded { limit: LIMIT };
            let wanted = u32::try_from(units).map_err(|_| full.clone())?;
            let more = Arc::clone(&self.memory.0).try_acquire_many_owned(wanted);
            let more = more.map_err(|_| full)?;
            match &mut self.permit {
                Some(permit) => permit.merge(more),
                none @ None => *none = Some(more),
            }
        }
        self.bytes = self.bytes.max(bytes);
        Ok(())
    }

    /// So many bytes are still needed.
    pub(crate) fn shrink_to(&mut self, bytes: usize) {
        let spare = self.bytes.div_ceil(UNIT).saturating_sub(bytes.div_ceil(UNIT));
        if let Some(permit) = &mut self.permit {
            drop(permit.split(spare));
            self.bytes = self.bytes.min(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_given_back_and_who_finds_none_is_refused() {
        let memory = Memory::default();
        let (mut one, mut other) = (memory.nothing(), memory.nothing());
        one.grow_to(1).unwrap();
        one.grow_to(MOST - 10 * UNIT).unwrap();
        other.grow_to(10 * UNIT).unwrap();
        assert_eq!(other.grow_to(10 * UNIT + 1), Err(Refusal::Overloaded { limit: LIMIT }));
        drop(one);
        other.grow_to(10 * UNIT + 1).unwrap();
        other.shrink_to(3 * UNIT);
        other.shrink_to(5 * UNIT);
        assert_eq!(memory.0.available_permits(), MOST / UNIT - 3);
        other.grow_to(4 * UNIT).unwrap();
        assert_eq!(memory.0.available_permits(), MOST / UNIT - 4);
        drop(other);
        assert_eq!(memory.0.available_permits(), MOST / UNIT);
        assert!(memory.nothing().grow_to(MOST + 1).is_err());
    }
}
