//! Placeholder.

pub mod classify;
mod target;
pub use target::{PostgresTarget, SecretError, SecretReference, TargetAddress, TargetRole, TargetTls, Targets};
