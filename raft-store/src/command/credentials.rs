//! Issuing credentials.

use crate::records::{Audience, CredentialForm, Voucher};
use countersign_core::{
    agent::Agent,
    id::{CredentialId, NodeId},
};
use std::net::SocketAddr;

/// An identified agent is issued a credential.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IssueCredential {
    /// Drawn by the node; it goes into the certificate or the token.
    pub id: CredentialId,
    /// The agent, as its provider's token says. The credential ends with the token at the latest.
    pub agent: Agent,
    /// The provider, by whose definition the agent is looked at again each time.
    pub voucher: Voucher,
    /// What it will be shown as.
    pub form: CredentialForm,
    /// What it is going to open sessions with.
    pub audience: Audience,
    /// SHA-256 of the public key, or of the token.
    pub proof_sha256: [u8; 32],
    /// Where the request came from.
    pub source: SocketAddr,
    /// The node that issues it.
    pub node: NodeId,
    /// How many credentials the node lets the agent have at a time.
    pub most_live: u64,
}
