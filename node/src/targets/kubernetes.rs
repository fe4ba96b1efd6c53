//! Kubernetes targets as the adapter uses them.

use super::Unusable;
use countersign_api::resource::{AddressError, KubernetesTarget as Definition, KubernetesTls};
use countersign_core::target::TargetName;
use countersign_edge::{Keepalive, SecretReference};
use countersign_kubernetes::{
    ClientCertificate, Credential, Impersonation, KubernetesTarget, TargetTls,
};

/// The target that is defined.
pub(super) fn target(
    name: TargetName,
    definition: Definition,
    keepalive: Keepalive,
) -> Result<KubernetesTarget, Unusable> {
    let (host, port) = definition.address().ok_or(AddressError)?;
    let Definition { tls, token, certificate, impersonate, address: _ } = definition;
    let KubernetesTls { ca_file, server_name } = tls;
    let credential = match (token, certificate) {
        (Some(token), None) => Credential::Token(SecretReference::parse(&token)?),
        (None, Some(certificate)) => Credential::Certificate(ClientCertificate {
            chain: SecretReference::parse(&certificate.cert)?,
            key: SecretReference::parse(&certificate.key)?,
        }),
        (Some(_), Some(_)) | (None, None) => return Err(Unusable::Credential),
    };
    let impersonation = match impersonate {
        Some(definition) => Some(Impersonation::with_prefix(&definition.prefix)?),
        None => None,
    };
    let tls = TargetTls { ca_file, server_name };
    Ok(KubernetesTarget { name, host, port, tls, credential, impersonation, keepalive })
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_api::resource::is_impersonation_prefix;

    #[test]
    fn what_is_applied_as_a_prefix_is_what_the_adapter_takes() {
        for prefix in ["cs:", "a", "s", "sys", "system:", "System:x", "", "a b", "x\n", "-._:/@#"] {
            let takes = Impersonation::with_prefix(prefix).is_ok();
            assert_eq!(is_impersonation_prefix(prefix), takes, "{prefix:?}");
        }
        let long = "x".repeat(64);
        assert!(!is_impersonation_prefix(&long) && Impersonation::with_prefix(&long).is_err());
    }
}
