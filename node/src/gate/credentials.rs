//! Agents that show a credential of the cluster's own, in one of its forms. It only names a credential; what the state says
//! of that one counts, as of now, and by the identity providers in force.

use super::{Inner, proposing::NO_QUORUM_AFTER};
use crate::{
    credential::{CertificateError, Presented, TokenText},
    identify::Automation,
    ssh_keys::{self, PresentedSsh, SshCertificateError},
};
use countersign_core::{
    agent::Agent,
    gate::{Identified, Proof, Source},
    id::CredentialId,
    refusal::Refusal,
    secret::Secret,
};
use countersign_raft_store::{
    handle::StateView,
    records::{CredentialForm, CredentialRecord, CredentialState},
};
use tokio::time::timeout;

/// Why a credential identifies nobody. For the log and the audit.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotAccepted {
    #[error(transparent)]
    Certificate(CertificateError),
    #[error("it is no token as the cluster issues them")]
    NoToken,
    #[error(transparent)]
    SshCertificate(SshCertificateError),
    #[error("the state knows no such credential")]
    Unknown,
    #[error("the credential is for another key, or another thing")]
    OtherProof,
    #[error("the credential was revoked")]
    Revoked,
    #[error("the credential has expired")]
    Expired,
    #[error("its identity provider does not speak for agents any more, or is defined anew")]
    NoProvider,
    /// It could not be looked at.
    #[error("the credential could not be looked at")]
    Refused(Refusal),
}

/// A credential as it was shown.
struct Shown {
    credential: CredentialId,
    form: CredentialForm,
    proof_sha256: [u8; 32],
}

/// Whether a token is one of the cluster's own, and not a provider's.
pub(super) fn is_own(token: &Secret) -> bool {
    TokenText::is_one(token)
}

/// Whose credential it is.
pub(super) async fn agent(
    inner: &Inner,
    proof: &Proof,
    source: &Source,
) -> Result<Identified, NotAccepted> {
    let shown = match proof {
        Proof::Token(token) => of_token(token)?,
        Proof::Certificate(certificate) => of_certificate(inner, certificate)?,
        Proof::SshCertificate { certificate, user } => {
            of_ssh_certificate(inner, certificate, (user, source))?
        }
    };
    let known = record(inner, shown.credential, source).await?;
    let record = known.ok_or(NotAccepted::Unknown)?;
    // What was issued as one thing is not taken as another.
    if (record.form, record.proof_sha256) != (shown.form, shown.proof_sha256) {
        return Err(NotAccepted::OtherProof);
    }
    match record.state {
        CredentialState::Revoked => return Err(NotAccepted::Revoked),
        CredentialState::Valid => {}
    }
    let known = Automation { voucher: record.voucher, agent: record.agent };
    let agent: Agent = inner.identify.again(known).ok_or(NotAccepted::NoProvider)?;
    if agent.expires_at.0 <= inner.clock.now_ms() {
        return Err(NotAccepted::Expired);
    }
    Ok(Identified { agent, credential: Some(record.id) })
}

fn of_token(token: &Secret) -> Result<Shown, NotAccepted> {
    let token = TokenText::read(token).ok_or(NotAccepted::NoToken)?;
    Ok(Shown { credential: token.id(), form: CredentialForm::Token, proof_sha256: token.sha256() })
}

fn of_certificate(inner: &Inner, certificate: &[u8]) -> Result<Shown, NotAccepted> {
    let cluster = view(inner)?.cluster().map_err(unreadable)?.ok_or(NotAccepted::Unknown)?;
    let presented =
        Presented::read(certificate, &cluster.credential_ca_cert_pem, inner.clock.now_ms())
            .map_err(NotAccepted::Certificate)?;
    Ok(Shown {
        credential: presented.credential,
        form: CredentialForm::ClientCertificate,
        proof_sha256: presented.key_sha256,
    })
}

fn of_ssh_certificate(
    inner: &Inner,
    certificate: &[u8],
    (user, source): (&str, &Source),
) -> Result<Shown, NotAccepted> {
    let authorities = ssh_keys::agent_authorities(&view(inner)?).map_err(unreadable)?;
    let shown = (user, source.address.ip(), inner.clock.now_ms());
    let presented = PresentedSsh::read(certificate, &authorities, shown)
        .map_err(NotAccepted::SshCertificate)?;
    Ok(Shown {
        credential: presented.credential,
        form: CredentialForm::SshCertificate,
        proof_sha256: presented.key_sha256,
    })
}

/// What the state says of the credential. One that this node does not know yet was perhaps issued a moment ago at another:
/// a quorum is asked, but not for whoever makes ids up.
async fn record(
    inner: &Inner,
    credential: CredentialId,
    source: &Source,
) -> Result<Option<CredentialRecord>, NotAccepted> {
    let look = || view(inner)?.credential(credential).map_err(unreadable);
    if let Some(known) = look()? {
        return Ok(Some(known));
    }
    if !inner.identify.may_try(source.address.ip()) {
        return Ok(None);
    }
    match timeout(NO_QUORUM_AFTER, inner.store.read_index()).await {
        Ok(Ok(_index)) => look(),
        Ok(Err(_)) | Err(_) => Err(NotAccepted::Refused(Refusal::NoQuorum)),
    }
}

fn view(inner: &Inner) -> Result<StateView, NotAccepted> {
    inner.store.view().map_err(unreadable)
}

fn unreadable(error: impl std::error::Error + 'static) -> NotAccepted {
    tracing::error!(error = &error as &dyn std::error::Error, "a credential could not be read");
    NotAccepted::Refused(Refusal::Internal)
}
