//! Grants, as the replicated state holds them.

use countersign_core::{
    grant::Grant, hold::Decision, id::HoldId, log_time::LogTime, target::Protocol,
};

/// A grant with what is shown beside it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GrantRecord {
    /// Its place in the order of grants; the sequence of the audit event that made it.
    pub number: u64,
    /// The grant itself.
    pub grant: Grant,
    /// The hold that it was made with.
    pub hold: HoldId,
    /// The agent's name.
    pub agent_name: String,
    /// The protocol.
    pub protocol: Protocol,
    /// What it covers, for people.
    pub shape: String,
    /// One line for people: the operation that it was made for.
    pub summary: String,
    /// The approvals.
    pub decisions: Vec<Decision>,
    /// Log time.
    pub granted_at: LogTime,
    /// How many operations have gone through on it.
    pub uses: u64,
    /// Log time of the last of them.
    pub last_used_at: Option<LogTime>,
}
