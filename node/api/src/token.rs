//! `POST /v1/token`: an agent's token is exchanged for a credential of the cluster's own (RFC 8693).

use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The one grant type of the route (RFC 8693, section 2.1).
pub const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
/// The types of a token that an identity provider issued (section 3). It is checked by what it is, whatever it is called.
pub const SUBJECT_TOKEN_TYPES: &[&str] = &[
    "urn:ietf:params:oauth:token-type:jwt",
    "urn:ietf:params:oauth:token-type:id_token",
    ACCESS_TOKEN,
];
/// The type of a short opaque token.
pub const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
/// The type of an X.509 client certificate.
pub const CLIENT_CERTIFICATE: &str = "urn:countersign:token-type:client-certificate";
/// The type of an OpenSSH user certificate.
pub const SSH_CERTIFICATE: &str = "urn:countersign:token-type:ssh-certificate";

/// The type of a short opaque token for the API of one Kubernetes target.
pub const KUBERNETES_TOKEN: &str = "urn:countersign:token-type:kubernetes-token";

/// The request, as a form (RFC 6749, appendix B) or as JSON. What is not known is ignored and what is empty counts as not said
/// (section 3.2); what a server has to understand and this one has nothing of is named here, so that it can be refused.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct TokenRequest {
    /// `urn:ietf:params:oauth:grant-type:token-exchange`.
    #[serde(default)]
    pub grant_type: String,
    /// The agent's token, as its identity provider issued it.
    #[serde(default)]
    pub subject_token: String,
    /// `urn:ietf:params:oauth:token-type:jwt`, or `…:id_token`, or `…:access_token`.
    #[serde(default)]
    pub subject_token_type: String,
    /// What is wanted: `urn:ietf:params:oauth:token-type:access_token` (a short opaque token, also when it is not said),
    /// `urn:countersign:token-type:client-certificate`, `urn:countersign:token-type:ssh-certificate`, or
    /// `urn:countersign:token-type:kubernetes-token`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_token_type: Option<String>,
    /// For a client certificate: the certificate signing request (PKCS#10, PEM). Only its public key counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub csr: Option<String>,
    /// For an SSH certificate: the public key, as a line of a `.pub` file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
    /// For an SSH certificate: the logins that it counts for, each as `LOGIN@TARGET` or `*@TARGET`, with spaces between; all,
    /// when it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principals: Option<String>,
    /// For an SSH certificate: the addresses and networks that it counts from, with commas between.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_address: Option<String>,
    /// For a token for Kubernetes: the name of the target, for whose API alone it counts. Refused otherwise: what is issued is
    /// for the cluster that issues it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// Refused: a target is named by `audience`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// Refused: what an agent may do, policy says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// Refused: nobody acts for another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor_token: Option<String>,
}

/// The answer (RFC 8693, section 2.2.1).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IssuedToken {
    /// What was issued: the token, or the certificate as text.
    pub access_token: String,
    /// What that is.
    pub issued_token_type: String,
    /// `Bearer`, or `N_A` for what is of no use without a key.
    pub token_type: String,
    /// How long it counts, in seconds.
    pub expires_in: u64,
    /// When it ends: with the token that it was issued for, and after an hour at the latest.
    pub expires_at: Timestamp,
    /// The credential's id, by which it can be revoked.
    pub id: String,
}

/// Without what is secret.
impl std::fmt::Debug for TokenRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenRequest")
            .field("subject_token_type", &self.subject_token_type)
            .field("requested_token_type", &self.requested_token_type)
            .finish_non_exhaustive()
    }
}

/// Without what is secret.
impl std::fmt::Debug for IssuedToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IssuedToken")
            .field("id", &self.id)
            .field("issued_token_type", &self.issued_token_type)
            .finish_non_exhaustive()
    }
}
