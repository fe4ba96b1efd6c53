//! Agents that show a certificate of the cluster's own. It names a credential; what the state says of that credential
//! counts, as of now, and by the identity providers in force.

use super::{Inner, proposing::NO_QUORUM_AFTER};
use crate::{
    credential::{CertificateError, Presented},
    identify::Automation,
};
use countersign_core::{agent::Agent, gate::Identified, refusal::Refusal};
use countersign_raft_store::{
    handle::StateView,
    records::{CredentialRecord, CredentialState},
};
use tokio::time::timeout;

/// Why a certificate identifies nobody. For the log and the audit.
#[derive(Debug, thiserror::Error)]
pub(super) enum Uncertified {
    #[error(transparent)]
    Certificate(CertificateError),
    #[error("the state knows no credential of the certificate")]
    Unknown,
    #[error("the credential is for another key")]
    OtherKey,
    #[error("the credential was revoked")]
    Revoked,
    #[error("the credential has expired")]
    Expired,
    #[error("its identity provider does not speak for agents any more")]
    NoProvider,
    /// It could not be looked at.
    #[error("the certificate could not be looked at")]
    Refused(Refusal),
}

/// Whose certificate it is.
pub(super) async fn agent(inner: &Inner, certificate: &[u8]) -> Result<Identified, Uncertified> {
    let authority = view(inner)?.cluster().map_err(unreadable)?.ok_or(Uncertified::Unknown)?;
    let presented =
        Presented::read(certificate, &authority.credential_ca_cert_pem, inner.clock.now_ms())
            .map_err(Uncertified::Certificate)?;
    let record = record(inner, &presented).await?.ok_or(Uncertified::Unknown)?;
    if record.key_sha256 != presented.key_sha256 {
        return Err(Uncertified::OtherKey);
    }
    match record.state {
        CredentialState::Revoked => return Err(Uncertified::Revoked),
        CredentialState::Valid => {}
    }
    let known = Automation { provider: record.provider, agent: record.agent };
    let agent: Agent = inner.identify.again(known).ok_or(Uncertified::NoProvider)?;
    if agent.expires_at.0 <= inner.clock.now_ms() {
        return Err(Uncertified::Expired);
    }
    Ok(Identified { agent, credential: Some(record.id) })
}

/// What the state says of the credential. One that this node does not know yet was perhaps issued a moment ago at another.
async fn record(
    inner: &Inner,
    presented: &Presented,
) -> Result<Option<CredentialRecord>, Uncertified> {
    let look = || view(inner)?.credential(presented.credential).map_err(unreadable);
    if let Some(known) = look()? {
        return Ok(Some(known));
    }
    match timeout(NO_QUORUM_AFTER, inner.store.read_index()).await {
        Ok(Ok(_index)) => look(),
        Ok(Err(_)) | Err(_) => Err(Uncertified::Refused(Refusal::NoQuorum)),
    }
}

fn view(inner: &Inner) -> Result<StateView, Uncertified> {
    inner.store.view().map_err(unreadable)
}

fn unreadable(error: impl std::error::Error + 'static) -> Uncertified {
    tracing::error!(error = &error as &dyn std::error::Error, "a credential could not be read");
    Uncertified::Refused(Refusal::Internal)
}
