//! Credentials that the cluster issues to agents: X.509 certificates for an hour at most, in exchange for a token.
//!
//! Their authority signs nothing else, and nothing else is signed by another: it is not the peers', and what it signs is
//! for clients only. A certificate says no more than which credential it is; who that is, and whether it still is, stands
//! in the replicated state (`CredentialRecord`). How a token is checked is not decided here, nor who may have a credential.

mod authority;
mod certificate;

pub(crate) use authority::{Bearer, CredentialAuthority, make_authority};
pub(crate) use certificate::{CertificateError, Presented};

#[cfg(test)]
mod tests;
