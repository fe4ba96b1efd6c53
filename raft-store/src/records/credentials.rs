//! The credentials of agents.

use countersign_core::{
    agent::Agent,
    id::{CredentialId, Revision},
    log_time::LogTime,
    target::{Protocol, TargetName},
};

/// A credential that an agent was issued. It is gone from the state when its time is over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CredentialRecord {
    /// Its id.
    pub id: CredentialId,
    /// The agent, with the end of the credential.
    pub agent: Agent,
    /// Who vouched for the agent.
    pub voucher: Voucher,
    /// What it is shown as.
    pub form: CredentialForm,
    /// What it opens sessions with.
    pub audience: Audience,
    /// SHA-256 of its public key, or of the token.
    pub proof_sha256: [u8; 32],
    /// Log time.
    pub issued_at: LogTime,
    /// Whether it was revoked.
    pub state: CredentialState,
}

/// An identity provider, as it was defined when it vouched for an agent. Defined anew it is another one, whatever its name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Voucher {
    /// The name of the `IdentityProvider` resource.
    pub provider: String,
    /// The revision of that resource.
    pub revision: Revision,
}

/// What a credential is shown as. One that is shown as another thing is not accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CredentialForm {
    /// An X.509 client certificate.
    ClientCertificate,
    /// An OpenSSH user certificate.
    SshCertificate,
    /// A short opaque token.
    Token,
}

impl CredentialForm {
    /// Every form.
    pub const ALL: &[Self] = &[Self::ClientCertificate, Self::SshCertificate, Self::Token];

    /// The name in the API and the audit.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ClientCertificate => "client_certificate",
            Self::SshCertificate => "ssh_certificate",
            Self::Token => "token",
        }
    }
}

/// What a credential opens sessions with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Audience {
    /// Every target of the cluster, by the protocols that take what it is shown as.
    Cluster,
    /// One target, by its API: clients of Kubernetes hand a token to whichever server they are configured to talk to.
    Kubernetes(TargetName),
}

impl Audience {
    /// Whether a session with this target may be opened by this protocol.
    pub fn has(&self, target: &TargetName, protocol: Protocol) -> bool {
        match self {
            Self::Cluster => true,
            Self::Kubernetes(only) => only == target && protocol == Protocol::Kubernetes,
        }
    }

    /// The one target, where there is one.
    pub const fn target(&self) -> Option<&TargetName> {
        match self {
            Self::Cluster => None,
            Self::Kubernetes(target) => Some(target),
        }
    }
}

/// Whether a credential was revoked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CredentialState {
    /// It was not.
    Valid,
    /// It was.
    Revoked,
}
