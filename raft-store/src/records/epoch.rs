//! The epochs of a cluster: a new one begins with each recovery.

use countersign_core::{log_time::LogTime, record::ChainHead};

/// The epoch that a cluster is in. Without a record it is the first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EpochRecord {
    /// Its number, from 1.
    pub number: u64,
    /// What was drawn for it; zeros for the first.
    pub id: [u8; 16],
    /// Log time at which it began.
    pub began_at: LogTime,
    /// The end of the audit chain that was known when it began. Events behind it that somebody else has are of the epoch before.
    pub known: ChainHead,
    /// What it went on from, for people.
    pub source: String,
    /// Whether agents are taken.
    pub service: Service,
}

impl Default for EpochRecord {
    fn default() -> Self {
        Self {
            number: 1,
            id: [0; 16],
            began_at: LogTime(0),
            known: ChainHead::default(),
            source: String::new(),
            service: Service::Open,
        }
    }
}

/// Whether a cluster takes agents.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Service {
    /// It does.
    Open,
    /// It was recovered, and no administrator has looked yet: revocations and policies of the lost time may be missing.
    Closed,
}
