//! The peer authority in use: its key lies sealed in the replicated state and is opened for the moment of signing.

use super::{ClusterError, ClusterKey, Purpose, certificates};
use countersign_core::id::NodeId;
use countersign_raft_store::records::ClusterRecord;

/// The authority of a cluster.
#[derive(Debug)]
pub(crate) struct Authority<'a> {
    cluster: &'a ClusterRecord,
    key: &'a ClusterKey,
}

impl<'a> Authority<'a> {
    pub(crate) fn of(cluster: &'a ClusterRecord, key: &'a ClusterKey) -> Self {
        Self { cluster, key }
    }

    /// Signs the certificate of a node that the state has admitted.
    pub(crate) fn sign(&self, request_pem: &str, node: NodeId) -> Result<String, ClusterError> {
        let sealed = &self.cluster.sealed_ca_key;
        let opened = self.key.open(Purpose::PeerAuthority, &self.cluster.id, sealed)?;
        let ca_key = opened.expose_text().ok_or(ClusterError::Sealing)?;
        let name = certificates::node_name(&self.cluster.name, node);
        certificates::sign(&self.cluster.ca_cert_pem, ca_key, request_pem, &name)
    }

    /// SHA-256 of the public key in a request.
    pub(crate) fn requested_key(request_pem: &str) -> Result<[u8; 32], ClusterError> {
        certificates::requested_key(request_pem)
    }

    /// SHA-256 of the authority's certificate.
    pub(crate) fn sha256(&self) -> Result<[u8; 32], ClusterError> {
        certificates::certificate_sha256(&self.cluster.ca_cert_pem).ok_or(ClusterError::Sealing)
    }
}
