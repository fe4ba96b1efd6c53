//! Revocations: what must be out everywhere, at once.

use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `POST /v1/revocations`: exactly one of them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum RevocationRequest {
    /// An agent or a reviewer, by issuer and subject.
    Identity {
        /// The issuer, exactly as its provider writes it.
        issuer: String,
        /// The subject within that issuer.
        subject: String,
    },
    /// A session, by id.
    Session {
        /// The session's id.
        id: String,
    },
    /// A credential, by id, and the sessions that were opened with it.
    Credential {
        /// The credential's id.
        id: String,
    },
    /// An identity provider, by name: as if everybody of its issuer were revoked, until it is defined otherwise.
    Provider {
        /// The name of the `IdentityProvider`.
        name: String,
    },
}

/// A revocation that holds on every node.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Revocation {
    /// The log index: a node that has applied it admits nothing more for what was revoked.
    pub index: u64,
    /// Log time.
    pub at: Timestamp,
    /// How long after its commit it held on every node: each has applied it, or has had no lease since.
    pub everywhere_after_ms: u64,
    /// The nodes that have not said that they have applied it: their leases have run out instead.
    #[serde(default)]
    pub lapsed: Vec<u64>,
}
