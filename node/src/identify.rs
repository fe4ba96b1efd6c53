//! Who is it: tokens of agents and of reviewers, checked.

use countersign_core::{agent::Agent, log_time::LogTime, reviewer::Reviewer, secret::Secret};
use std::net::IpAddr;

/// A person whose token was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The name of the `IdentityProvider` resource, which Bindings name.
    pub provider: String,
    /// Who.
    pub reviewer: Reviewer,
    /// When the token ends.
    pub expires_at: LogTime,
}

/// Why a token was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum IdentifyError {
    /// It is not accepted. The reason is for the log, not for who brought it.
    #[error("the token is not accepted")]
    NotAccepted,
    /// Too many refused tokens came from there: try again later.
    #[error("too many refused tokens from this address")]
    TooMany,
    /// The provider's keys cannot be had.
    #[error("the keys of the identity provider cannot be had")]
    Unavailable,
}

/// Checks tokens.
#[derive(Debug)]
pub struct Identify {}

impl Identify {
    /// Checks an agent's token.
    pub async fn agent(&self, token: &Secret, source: IpAddr) -> Result<Agent, IdentifyError> {
        let _ = (token, source);
        Err(IdentifyError::NotAccepted)
    }

    /// Checks a reviewer's token.
    pub async fn person(&self, token: &Secret, source: IpAddr) -> Result<Person, IdentifyError> {
        let _ = (token, source);
        Err(IdentifyError::NotAccepted)
    }
}
