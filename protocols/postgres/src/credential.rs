//! From a start-up packet to an open session: the proof of identity, the agent, the target and its role, the gate's consent.
//! `AuthenticationCleartextPassword` is asked for only here, behind TLS. The target is not dialled.
//!
//! Who shows a certificate is identified by it and by nothing else: no password is asked for then, and a certificate that
//! identifies nobody is not made good by a token.

use crate::{
    error::{Complaint, Severity, SqlState},
    frame::{AgentWriter, FrameError, FrameReader, FrontendKind, Stream, message, read_text},
    mask::Masker,
    startup::StartupParameters,
    target::{PostgresTarget, Targets},
};
use bytes::BufMut;
use countersign_core::{
    gate::{Gate, OpenedSession, Proof, SessionWish, Source},
    refusal::Refusal,
    secret::Secret,
    target::{Protocol, TargetName},
};
use rustls_pki_types::CertificateDer;
use std::{sync::Arc, time::Duration};
use tokio::{
    io::{ReadHalf, WriteHalf},
    time::timeout,
};

/// From the start-up packet to the password.
const PASSWORD_DEADLINE: Duration = Duration::from_secs(10);
/// From the password to the open session; the gate's own waits are shorter.
const IDENTIFY_DEADLINE: Duration = Duration::from_secs(10);

pub(crate) type Reader = FrameReader<ReadHalf<Stream>>;
pub(crate) type Writer = AgentWriter<WriteHalf<Stream>>;

/// A session that was let in.
pub(crate) struct Admitted {
    pub(crate) reader: Reader,
    pub(crate) writer: Writer,
    pub(crate) opened: OpenedSession,
    pub(crate) target: Arc<PostgresTarget>,
    pub(crate) role: String,
    pub(crate) database: String,
    pub(crate) startup: StartupParameters,
}

/// Why nobody was let in. The agent has been told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CredentialError {
    #[error("the agent's connection failed")]
    Frame(#[from] FrameError),
    #[error("no password arrived in time")]
    Late,
    #[error("refused: {0}")]
    Refused(Refusal),
}

/// Asks for the token and opens the session.
pub(crate) async fn admit(
    (stream, certificate): (Stream, Option<CertificateDer<'static>>),
    startup: StartupParameters,
    source: Source,
    gate: &dyn Gate,
    targets: &dyn Targets,
) -> Result<Admitted, CredentialError> {
    let (reader, writer) = tokio::io::split(stream);
    let (mut reader, mut writer) = (FrameReader::new(reader), AgentWriter::new(writer));
    let shows_certificate = certificate.is_some();
    let proof = if let Some(certificate) = certificate {
        Ok(Proof::Certificate(certificate.to_vec()))
    } else {
        let asked = timeout(PASSWORD_DEADLINE, password(&mut reader, &mut writer)).await;
        asked.map_err(|_| CredentialError::Late)?.map(Proof::Token)
    };
    let opened = match proof {
        Ok(proof) => {
            let opened =
                timeout(IDENTIFY_DEADLINE, open(proof, &startup, source, gate, targets)).await;
            opened.unwrap_or(Err(Refusal::Overloaded { limit: "identify_deadline" }))
        }
        Err(error @ (FrameError::Closed | FrameError::Io(_) | FrameError::Late)) => {
            return Err(error.into());
        }
        // No password that could be one. That it was too long, or something else, is told to nobody.
        Err(
            FrameError::UnknownType { .. }
            | FrameError::Length { .. }
            | FrameError::TooLong { .. }
            | FrameError::Malformed { .. },
        ) => Err(Refusal::NotIdentified),
    };
    match opened {
        Ok(Open { opened, target, role, database }) => {
            Ok(Admitted { reader, writer, opened, target, role, database, startup })
        }
        Err(refusal) => {
            let complaint = if shows_certificate && refusal == Refusal::NotIdentified {
                not_certified()
            } else {
                Complaint::from(&refusal)
            };
            writer.say(Masker::own(complaint.encode(Severity::Fatal)));
            // The agent that went away needs no answer.
            if let Ok(Ok(())) = timeout(PASSWORD_DEADLINE, writer.close()).await {
                reader.drain().await;
            }
            Err(CredentialError::Refused(refusal))
        }
    }
}

/// The same for every certificate that identifies nobody.
fn not_certified() -> Complaint {
    Complaint::new(SqlState::INVALID_AUTHORIZATION, "the client certificate is not accepted").hint(
        "Get a new one with `countersignctl credential postgres`, or show none to log in with a token.",
    )
}

async fn password(reader: &mut Reader, writer: &mut Writer) -> Result<Secret, FrameError> {
    // AuthenticationCleartextPassword
    writer.say(Masker::own(message(b'R', |out| out.put_i32(3))));
    writer.flush().await?;
    let head = reader.head().await?;
    if FrontendKind::of(head)? != FrontendKind::Password {
        return Err(FrameError::UnknownType { kind: head.kind });
    }
    let body = reader.whole(head).await?;
    Ok(Secret::new(read_text(body)?.to_vec()))
}

struct Open {
    opened: OpenedSession,
    target: Arc<PostgresTarget>,
    role: String,
    database: String,
}

async fn open(
    proof: Proof,
    startup: &StartupParameters,
    source: Source,
    gate: &dyn Gate,
    targets: &dyn Targets,
) -> Result<Open, Refusal> {
    let who = gate.identify(proof, source.clone()).await?;
    let name = TargetName::parse(&startup.target).map_err(|_| Refusal::NoSuchTarget)?;
    let (revision, target) = targets.postgres(&name).ok_or(Refusal::NoSuchTarget)?;
    let (role, _) = target.role(&startup.user, &who.agent.name).ok_or(Refusal::NoSuchTarget)?;
    let role = role.to_owned();
    let database =
        target.database(startup.database.as_deref()).ok_or(Refusal::NoSuchTarget)?.to_owned();
    let client = startup.application_name.clone();
    let wish = SessionWish {
        who,
        target: name,
        revision,
        protocol: Protocol::Postgres,
        role: role.clone(),
        source,
        client,
    };
    let opened = gate.open(wish).await?;
    Ok(Open { opened, target, role, database })
}
