//! Credentials that the cluster issues to agents in exchange for their tokens.

use crate::{agent::Agent, time::Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `POST /v1/credentials/postgres`, with the agent's own token as bearer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CredentialRequest {
    /// A certificate signing request (PKCS#10, PEM). Only its public key counts.
    pub csr: String,
}

/// A certificate.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Credential {
    /// Its id, by which it can be revoked.
    pub id: String,
    /// The certificate: PEM, or for SSH a line as in a `-cert.pub` file.
    pub certificate: String,
    /// When it ends: with the token, and after an hour at the latest.
    pub expires_at: Timestamp,
}

/// `POST /v1/credentials/ssh`, with the agent's own token as bearer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SshCredentialRequest {
    /// The agent's public key, as a line of a `.pub` file: Ed25519, ECDSA, or RSA of at least 2048 bits.
    pub public_key: String,
    /// The logins that the certificate counts for, each as `LOGIN@TARGET` or `*@TARGET`; all, when none is named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub principals: Vec<String>,
    /// The addresses and networks that it counts from, with commas between; everywhere, when it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_address: Option<String>,
}

/// A credential that was issued, as administrators see it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct IssuedCredential {
    /// Its id, by which it can be revoked.
    pub id: String,
    /// `token`, `client_certificate` or `ssh_certificate`.
    pub form: String,
    /// The one Kubernetes target that it counts for; every target, when it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Whose it is.
    pub agent: Agent,
    /// The identity provider whose token it was issued for.
    pub provider: String,
    /// Whether it counts.
    pub state: IssuedState,
    /// Log time of its issue.
    pub issued_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// Whether a credential counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum IssuedState {
    /// It does, until its time is over.
    Valid,
    /// It was revoked, or the agent was.
    Revoked,
    /// Its time is over.
    Expired,
    /// Its identity provider has been defined anew since, or is gone.
    Void,
}
