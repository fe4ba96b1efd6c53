//! How much of a file went by, and the SHA-256 of it where it went by in order. What is in a file is not kept.

use sha2::{Digest as _, Sha256};

/// What went by of one file, one way.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    bytes: u64,
    order: Order,
}

#[derive(Clone, Debug, Default)]
enum Order {
    #[default]
    Nothing,
    /// One piece behind the other, from the first offset on.
    Kept { first: u64, next: u64, hash: Sha256 },
    /// Some piece was not behind the one before.
    Lost,
}

impl Tally {
    /// A piece went by.
    pub(crate) fn add(&mut self, offset: u64, data: &[u8]) {
        if data.is_empty() {
            return;
        }
        let length = u64::try_from(data.len()).unwrap_or(u64::MAX);
        self.bytes = self.bytes.saturating_add(length);
        self.order = match std::mem::take(&mut self.order) {
            Order::Nothing => Order::Kept {
                first: offset,
                next: offset.saturating_add(length),
                hash: Sha256::new_with_prefix(data),
            },
            Order::Kept { first, next, mut hash } if next == offset => {
                hash.update(data);
                Order::Kept { first, next: next.saturating_add(length), hash }
            }
            Order::Kept { .. } | Order::Lost => Order::Lost,
        };
    }

    /// The file became so long. What went by is still what is in it if it ends there.
    pub(crate) fn cut(&mut self, size: u64) {
        let same = match &self.order {
            Order::Nothing => size == 0,
            Order::Kept { first: _, next, hash: _ } => *next == size,
            Order::Lost => false,
        };
        if !same {
            self.order = Order::Lost;
        }
    }

    /// Something went by unseen.
    pub(crate) fn unseen(&mut self) {
        self.order = Order::Lost;
    }

    /// For the record. Nothing, if nothing went by.
    pub(crate) fn word(&self) -> Option<String> {
        let bytes = self.bytes;
        match &self.order {
            Order::Nothing => None,
            Order::Kept { first: 0, next: _, hash } => {
                Some(format!("{bytes} bytes sha256={}", hex::encode(hash.clone().finalize())))
            }
            Order::Kept { first, next: _, hash } => {
                let hash = hex::encode(hash.clone().finalize());
                Some(format!("{bytes} bytes from {first} sha256={hash}"))
            }
            Order::Lost => Some(format!("{bytes} bytes, not in order")),
        }
    }
}
