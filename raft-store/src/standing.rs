//! What is asked of the applied state in front of every noted read, kept in memory: log time, and a count of the changes
//! that can take a session's standing away. It is told of what was written; it decides nothing and is no part of the state.

use crate::{
    apply::StateMachine,
    key_space::{self, Single, Table},
    machine::{Applied, Batch, Halt, Machine, View, Writes},
    state,
};
use countersign_core::log_time::LogTime;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// What a node has applied, at a moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Standing {
    /// Log time.
    pub log_time: LogTime,
    /// Grows with whatever ends or opens a session, revokes, or changes the rules in force. What was read of these while it
    /// was the same is still so.
    pub epoch: u64,
}

/// Keeps the standing of a node.
#[derive(Debug, Default)]
pub(crate) struct Standings {
    log_time: AtomicU64,
    epoch: AtomicU64,
}

impl Standings {
    /// The standing now. What is read of the state behind this is at least as new.
    pub(crate) fn now(&self) -> Standing {
        Standing {
            log_time: LogTime(self.log_time.load(Ordering::Acquire)),
            epoch: self.epoch.load(Ordering::Acquire),
        }
    }

    fn written(&self, writes: &Writes) {
        if writes.iter().any(|(key, _)| can_end_a_standing(key)) {
            self.epoch.fetch_add(1, Ordering::AcqRel);
        }
        let time = writes.get(&key_space::single(Single::LogTime)).flatten();
        if let Some(time) = time.and_then(|bytes| bytes.try_into().ok()).map(u64::from_be_bytes) {
            self.log_time.fetch_max(time, Ordering::AcqRel);
        }
    }

    fn replaced(&self, view: &dyn View) {
        // What cannot be read is found out by whoever reads it next; here it only ends what was believed.
        let time = state::number(view, Single::LogTime).unwrap_or_default();
        self.log_time.fetch_max(time, Ordering::AcqRel);
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }
}

fn can_end_a_standing(key: &[u8]) -> bool {
    let tables = [Table::Session, Table::Revocation, Table::RevokedIssuer].map(|table| table as u8);
    key.first().is_some_and(|table| tables.contains(table))
        || key == key_space::single(Single::PolicyRevision)
}

/// The state machine of Countersign, whose standing is watched.
pub(crate) struct Watched(pub(crate) Arc<Standings>);

impl Machine for Watched {
    fn apply(&self, view: &dyn View, batch: Batch<'_>) -> Result<Applied, Halt> {
        StateMachine.apply(view, batch)
    }

    fn written(&self, writes: &Writes) {
        self.0.written(writes);
    }

    fn replaced(&self, view: &dyn View) {
        self.0.replaced(view);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_core::{agent::Identity, id::SessionId};
    use std::collections::BTreeMap;

    fn epoch_after(key: Vec<u8>) -> u64 {
        let standings = Standings::default();
        let mut writes = Writes::new();
        writes.put(key, b"1");
        standings.written(&writes);
        standings.now().epoch
    }

    #[test]
    fn whatever_can_take_the_standing_of_a_session_away_is_a_new_epoch() {
        let identity = Identity { issuer: "https://issuer".into(), subject: "bot".into() };
        assert_eq!(epoch_after(key_space::session(SessionId::from_bytes([1; 16]))), 1);
        assert_eq!(epoch_after(key_space::revocation(&identity)), 1);
        assert_eq!(epoch_after(key_space::revoked_issuer("i")), 1);
        assert_eq!(epoch_after(key_space::single(Single::PolicyRevision)), 1);
        assert_eq!(epoch_after(key_space::audit(7)), 0);
        assert_eq!(epoch_after(key_space::single(Single::LogTime)), 0);
    }

    #[test]
    fn log_time_is_that_of_the_last_entry_and_never_goes_back() {
        let standings = Standings::default();
        for (written, seen) in [(20_u64, 20), (10, 20), (30, 30)] {
            let mut writes = Writes::new();
            writes.put(key_space::single(Single::LogTime), written.to_be_bytes());
            standings.written(&writes);
            assert_eq!(standings.now().log_time, LogTime(seen));
        }
    }

    #[test]
    fn a_replaced_state_is_a_new_epoch_with_its_log_time() {
        let standings = Standings::default();
        let state =
            BTreeMap::from([(key_space::single(Single::LogTime), 40_u64.to_be_bytes().to_vec())]);
        standings.replaced(&state);
        assert_eq!(standings.now(), Standing { log_time: LogTime(40), epoch: 1 });
    }
}
