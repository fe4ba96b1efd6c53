//! Credentials that the cluster issues to agents, for an hour at most, in exchange for a provider's token: X.509 certificates
//! and short tokens.
//!
//! The authority of the certificates signs nothing else, and nothing else is signed by another: it is not the peers', and
//! what it signs is for clients only. A credential says no more than which one it is; who that is, and whether it still is,
//! stands in the replicated state (`CredentialRecord`). How a token is checked is not decided here, nor who may have a credential.

mod authority;
mod certificate;
mod token;

pub(crate) use authority::{Bearer, CredentialAuthority, make_authority};
pub(crate) use certificate::{CertificateError, Presented};
pub(crate) use token::TokenText;

#[cfg(test)]
mod tests;
