//! Credentials that the cluster issues to agents in exchange for their tokens.

use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `POST /v1/credentials/postgres`, with the agent's own token as bearer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CredentialRequest {
    /// A certificate signing request (PKCS#10, PEM). Only its public key counts.
    pub csr: String,
}

/// A client certificate.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Credential {
    /// Its id, by which it can be revoked.
    pub id: String,
    /// The certificate, PEM.
    pub certificate: String,
    /// When it ends: with the token, and after an hour at the latest.
    pub expires_at: Timestamp,
}
