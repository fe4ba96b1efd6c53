//! Who was revoked. What a revocation ends is `apply`'s business.

use super::Author;
use countersign_core::{agent::Identity, id::LogIndex, log_time::LogTime};
use std::collections::BTreeSet;

/// A revoked identity.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RevocationRecord {
    /// Which.
    pub identity: Identity,
    /// Why.
    pub reason: String,
    /// Who revoked it.
    pub author: Author,
    /// Log time.
    pub at: LogTime,
    /// The log entry.
    pub index: LogIndex,
}

/// An issuer whose identities are all revoked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IssuerRevocation {
    /// Which.
    pub issuer: String,
    /// The providers that were revoked and stand for it: it is revoked until each of them is defined otherwise.
    pub providers: BTreeSet<String>,
    /// Why.
    pub reason: String,
    /// Who revoked it first.
    pub author: Author,
    /// Log time.
    pub at: LogTime,
    /// The log entry.
    pub index: LogIndex,
}
