//! The names of nodes in certificates: `node-<id>.<cluster>.countersign.internal`, one DNS name that says which node of
//! which cluster holds the key.

use rustls_pki_types::CertificateDer;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::raft_types::NodeId;

const SUFFIX: &str = "countersign.internal";
/// RFC 1035, section 2.3.4: a label has at most 63 octets.
const LABEL_BYTES: usize = 63;

/// The name of a cluster: one lower-case DNS label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterName(String);

/// A text that is not the name of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a cluster's name is 1 to 63 lower-case letters, digits and inner hyphens")]
pub struct ClusterNameError;

impl ClusterName {
    /// Takes a name that can stand in a certificate.
    ///
    /// # Errors
    /// [`ClusterNameError`] for anything but one lower-case DNS label.
    pub fn new(name: &str) -> Result<Self, ClusterNameError> {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let label = (1..=LABEL_BYTES).contains(&name.len()) && name.bytes().all(fits);
        if !label || name.starts_with('-') || name.ends_with('-') {
            return Err(ClusterNameError);
        }
        Ok(Self(name.to_owned()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The DNS name that the certificate of node `id` must carry.
    pub fn node_name(&self, id: NodeId) -> String {
        format!("node-{id}.{}.{SUFFIX}", self.0)
    }

    /// The node that a certificate speaks for; none unless exactly one name in it is a node of this cluster.
    pub(crate) fn node_of(&self, certificate: &CertificateDer<'_>) -> Option<NodeId> {
        let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
        let names = certificate.subject_alternative_name().ok()??;
        let mut nodes = names.value.general_names.iter().filter_map(|name| match name {
            GeneralName::DNSName(name) => self.parse(name),
            GeneralName::OtherName(..)
            | GeneralName::RFC822Name(_)
            | GeneralName::X400Address(_)
            | GeneralName::DirectoryName(_)
            | GeneralName::EDIPartyName(_)
            | GeneralName::URI(_)
            | GeneralName::IPAddress(_)
            | GeneralName::RegisteredID(_)
            | GeneralName::Invalid(..) => None,
        });
        let node = nodes.next()?;
        nodes.next().is_none().then_some(node)
    }

    /// Only the one spelling that [`ClusterName::node_name`] gives.
    fn parse(&self, name: &str) -> Option<NodeId> {
        let id = name.strip_prefix("node-")?.split('.').next()?.parse().ok()?;
        (self.node_name(id) == name).then_some(id)
    }
}

impl std::fmt::Display for ClusterName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::ClusterName;

    #[test]
    fn a_cluster_is_named_by_one_dns_label() {
        for name in ["a", "blue", "blue-2", "0"] {
            assert!(ClusterName::new(name).is_ok(), "{name}");
        }
        let long = "a".repeat(64);
        for name in ["", "-a", "a-", "A", "a.b", "a b", "ä", "*", &long] {
            assert!(ClusterName::new(name).is_err(), "{name}");
        }
    }

    #[test]
    fn only_the_exact_name_of_a_node_counts() {
        let blue = ClusterName::new("blue").unwrap();
        assert_eq!(blue.parse(&blue.node_name(17)), Some(17));
        for name in [
            "node-17.green.countersign.internal",
            "node-017.blue.countersign.internal",
            "node-+17.blue.countersign.internal",
            "NODE-17.blue.countersign.internal",
            "node-17.blue.countersign.internal.",
            "node-17.blue.countersign.internal.example",
            "*.blue.countersign.internal",
            "node-.blue.countersign.internal",
            "xnode-17.blue.countersign.internal",
        ] {
            assert_eq!(blue.parse(name), None, "{name}");
        }
    }
}
