//! Rotating the cluster's keys for SSH.

use crate::records::{Author, DrawnSshKey};

/// The cluster gets a new key for SSH.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RotateSshKey {
    /// The number that it gets: one more than the last of its role.
    pub number: u64,
    /// The key.
    pub key: DrawnSshKey,
    /// How long it is published before it is used, in milliseconds of log time.
    pub overlap_ms: u64,
    /// Who.
    pub author: Author,
}
