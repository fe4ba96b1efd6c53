//! Target: a Kubernetes API server.

use super::{
    Invalid, SecretReference,
    target::{CertificateReferences, host_and_port},
};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use utoipa::ToSchema;

/// The longest prefix of impersonated names, in bytes.
const MAX_PREFIX: usize = 63;
/// What the API's own users and groups begin with.
const RESERVED: &str = "system:";

/// A Kubernetes API server as agents reach it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KubernetesTarget {
    /// `host:port`, or `[ipv6]:port`.
    pub address: String,
    /// How the connection is secured: always by TLS that is verified.
    pub tls: KubernetesTls,
    /// A reference to the bearer token that the gateway logs in with: `file:/path` or `env:NAME`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// The certificate that the gateway logs in with, instead of a token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<CertificateReferences>,
    /// Whether the gateway acts as the agent there, so that the server's own rules and audit know it. What the gateway logs in
    /// with needs the right to impersonate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impersonate: Option<Impersonate>,
}

/// How the connection to an API server is secured.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KubernetesTls {
    /// The certificates to trust (PEM), on every node.
    #[schema(value_type = String)]
    pub ca_file: PathBuf,
    /// The name in the server's certificate; the host of its address when it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
}

/// How agents are called at an API server.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Impersonate {
    /// What stands before `ISSUER#SUBJECT` in the agent's name there, and before the names of its groups.
    pub prefix: String,
}

/// Whether names behind this prefix can be nobody's but agents'.
pub fn is_impersonation_prefix(prefix: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._:/@#".contains(c);
    let small = prefix.to_ascii_lowercase();
    (1..=MAX_PREFIX).contains(&prefix.len())
        && prefix.chars().all(plain)
        && !small.starts_with(RESERVED)
        && !RESERVED.starts_with(&small)
}

impl KubernetesTarget {
    /// The host and the port; `None` when the address is none.
    pub fn address(&self) -> Option<(String, u16)> {
        host_and_port(&self.address)
    }

    pub(super) fn check(&self, found: &mut Vec<Invalid>) {
        let mut fault = |at: &str, message: String| {
            found.push(Invalid::at(format!("/kubernetes/{at}"), message));
        };
        if self.address().is_none() {
            fault("address", "an address is host:port or [ipv6]:port".to_owned());
        }
        if !self.tls.ca_file.is_absolute() {
            fault("tls/ca_file", "the path is absolute".to_owned());
        }
        let certificate = self.certificate.as_ref();
        if self.token.is_some() == certificate.is_some() {
            let message = "the gateway logs in with a token or a certificate: name one of the two";
            fault("token", message.to_owned());
        }
        let references = [
            ("token", self.token.as_deref()),
            ("certificate/cert", certificate.map(|references| references.cert.as_str())),
            ("certificate/key", certificate.map(|references| references.key.as_str())),
        ];
        for (at, reference) in references {
            if let Some(Err(error)) = reference.map(str::parse::<SecretReference>) {
                fault(at, error.to_string());
            }
        }
        let prefix = self.impersonate.as_ref().map(|impersonate| impersonate.prefix.as_str());
        if prefix.is_some_and(|prefix| !is_impersonation_prefix(prefix)) {
            let message = format!(
                "a prefix has 1 to {MAX_PREFIX} characters of a-z, A-Z, 0-9 and -._:/@#, and does not begin like `{RESERVED}`"
            );
            fault("impersonate/prefix", message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(change: impl FnOnce(&mut KubernetesTarget)) -> Vec<String> {
        let mut target = KubernetesTarget {
            address: "[::1]:6443".to_owned(),
            tls: KubernetesTls { ca_file: "/etc/kube/ca.crt".into(), server_name: None },
            token: Some("file:/etc/kube/token".to_owned()),
            certificate: None,
            impersonate: Some(Impersonate { prefix: "countersign:".to_owned() }),
        };
        change(&mut target);
        let mut found = Vec::new();
        target.check(&mut found);
        found.into_iter().map(|fault| fault.pointer).collect()
    }

    #[test]
    fn a_fault_is_told_with_its_place() {
        assert_eq!(faults(|_| ()), [""; 0]);
        let address = |target: &mut KubernetesTarget| target.address = "kube".to_owned();
        assert_eq!(faults(address), ["/spec/kubernetes/address"]);
        let relative = |target: &mut KubernetesTarget| target.tls.ca_file = "ca.crt".into();
        assert_eq!(faults(relative), ["/spec/kubernetes/tls/ca_file"]);
        assert_eq!(faults(|target| target.token = None), ["/spec/kubernetes/token"]);
        let secret = |target: &mut KubernetesTarget| target.token = Some("hunter2".to_owned());
        assert_eq!(faults(secret), ["/spec/kubernetes/token"]);
        let both = |target: &mut KubernetesTarget| {
            let (cert, key) = ("file:/c".to_owned(), "hunter2".to_owned());
            target.certificate = Some(CertificateReferences { cert, key });
        };
        assert_eq!(faults(both), ["/spec/kubernetes/token", "/spec/kubernetes/certificate/key"]);
        let prefix = |target: &mut KubernetesTarget| {
            target.impersonate = Some(Impersonate { prefix: "system:".to_owned() });
        };
        assert_eq!(faults(prefix), ["/spec/kubernetes/impersonate/prefix"]);
    }
}
