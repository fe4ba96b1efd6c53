//! Cancelling by key, from any node. Keys are guessed at in vain: a wrong one changes nothing, is not told apart from a
//! right one, and does not reach the log.

use super::{
    Inner,
    proposing::{NO_QUORUM_AFTER, within},
};
use countersign_core::{
    gate::{CancelKey, Source},
    id::NodeId,
};
use countersign_raft_store::{command::Cancel, records::RequestId};
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// Attempts of one source that a node looks at in a second; further ones do nothing.
const MAX_A_SECOND: u32 = 200;
/// Sources that a node looks at in a second.
const MAX_SOURCES: usize = 4096;
/// Bits of the key's first half that name the node, below the sign bit.
const NODE_BITS: u32 = 11;
/// Bits of the key's first half that are random.
const RANDOM_BITS: u32 = 31 - NODE_BITS;

/// Counts attempts by source and second.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    second: Mutex<Option<Second>>,
}

#[derive(Debug)]
struct Second {
    since: Instant,
    by_source: HashMap<IpAddr, u32>,
}

impl Attempts {
    fn take(&self, source: IpAddr) -> Result<(), TooMany> {
        let mut second = self.second.lock().unwrap_or_else(PoisonError::into_inner);
        let current = match second.take() {
            Some(current) if current.since.elapsed() < Duration::from_secs(1) => current,
            Some(_) | None => Second { since: Instant::now(), by_source: HashMap::new() },
        };
        let by_source = &mut second.insert(current).by_source;
        if by_source.len() >= MAX_SOURCES && !by_source.contains_key(&source) {
            return Err(TooMany);
        }
        let count = by_source.entry(source).or_default();
        *count = count.saturating_add(1);
        if *count <= MAX_A_SECOND { Ok(()) } else { Err(TooMany) }
    }
}

#[derive(Debug)]
struct TooMany;

/// A key for a session of `node`. Clients treat the first half as a positive number, so its sign bit stays clear.
pub(super) fn draw_key(node: NodeId) -> CancelKey {
    let named = u32::try_from(node.0 % (1 << NODE_BITS)).unwrap_or_default();
    let random: u32 = rand::random();
    CancelKey {
        process: (named << RANDOM_BITS) | (random & ((1 << RANDOM_BITS) - 1)),
        secret: rand::random(),
    }
}

/// Has cancelled what the session of this key does, wherever it is.
pub(super) async fn cancel(inner: &Inner, key: CancelKey, source: Source) {
    if inner.cancels.take(source.counted()).is_err() {
        tracing::warn!(
            limit = "cancel_requests",
            "a cancel request is not looked at: there are too many"
        );
        return;
    }
    let known = inner.store.view().and_then(|view| view.session_of_key(key));
    match known {
        Ok(Some(_session)) => {}
        Ok(None) => return,
        Err(error) => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "a cancel key could not be looked up"
            );
            return;
        }
    }
    let command = Cancel { id: RequestId(rand::random()), key };
    if let Err(error) = within(NO_QUORUM_AFTER, inner.store.cancel(command)).await {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "a cancel request was not recorded"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_half_of_a_key_is_positive_and_names_the_node() {
        for node in [1, 3, 2047] {
            let key = draw_key(NodeId(node));
            assert!(i32::try_from(key.process).is_ok());
            assert_eq!(u64::from(key.process >> RANDOM_BITS), node);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_are_limited_by_source_and_second() {
        let attempts = Attempts::default();
        let (one, other): (IpAddr, IpAddr) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
        for _ in 0..MAX_A_SECOND {
            attempts.take(one).unwrap();
        }
        attempts.take(one).unwrap_err();
        attempts.take(other).unwrap();
        for n in 0..u32::try_from(MAX_SOURCES).unwrap() {
            drop(attempts.take(IpAddr::V4((0x0a00_0000 + n).into())));
        }
        attempts.take([192, 0, 2, 3].into()).unwrap_err();
        attempts.take(other).unwrap();
        tokio::time::advance(Duration::from_secs(1)).await;
        attempts.take(one).unwrap();
    }
}
