//! Logs in at a target: SCRAM-SHA-256 (RFC 7677), bound to the TLS channel where the target offers that, or nothing at all
//! where the definition has no password. A target that asks for the password in clear or as MD5, or that lets the gateway
//! in without asking for it, is not used.

use super::{Asides, DialError, TargetCancel, Upstream, channel::Channel, connect::Connected};
use crate::{
    frame::{self, BackendKind, Body, FrameError, FrameReader, Stream, TargetWriter},
    target::{PostgresTarget, TargetRole},
};
use bytes::{BufMut, Bytes};
use countersign_core::secret::Secret;
use postgres_protocol::authentication::sasl::ScramSha256;
use std::sync::Arc;
use tokio::io::{ReadHalf, WriteHalf};

/// Mechanisms a target may offer at most.
const MAX_MECHANISMS: usize = 16;
/// Settings that a target may report at its login: PostgreSQL 18 has fifteen, extensions add some.
const MAX_REPORTED: usize = 128;
/// Bytes of their names and values together.
const MAX_REPORTED_BYTES: usize = 64 * 1024;

/// Whom and what to log in for.
#[derive(Debug)]
pub(crate) struct Login<'a> {
    pub(crate) role: &'a str,
    pub(crate) database: &'a str,
    pub(crate) application_name: &'a str,
    /// The agent's settings.
    pub(crate) settings: &'a [(String, String)],
}

/// Whether the target has been told to prove that it knows the password, and did.
enum Proof {
    NotAsked,
    Begun(Box<ScramSha256>),
    Given,
}

struct Talk {
    reader: FrameReader<ReadHalf<Stream>>,
    writer: TargetWriter<WriteHalf<Stream>>,
    channel: Channel,
}

pub(super) async fn log_in(
    Connected { stream, channel }: Connected,
    (target, role): (&Arc<PostgresTarget>, &TargetRole),
    login: &Login<'_>,
) -> Result<Upstream, DialError> {
    let password = match &role.password {
        Some(reference) => Some(reference.resolve().await?),
        None => None,
    };
    let (reader, writer) = tokio::io::split(stream);
    let mut talk =
        Talk { reader: FrameReader::new(reader), writer: TargetWriter::new(writer), channel };
    let search_path = search_path(&target.search_path);
    let mut parameters = vec![
        ("user", role.user.as_str()),
        ("database", login.database),
        ("application_name", login.application_name),
        ("client_encoding", "UTF8"),
        ("standard_conforming_strings", "on"),
        ("search_path", search_path.as_str()),
        ("default_transaction_read_only", "on"),
    ];
    parameters.extend(login.settings.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    talk.writer.queue(&frame::startup(&parameters));
    talk.writer.flush().await?;
    talk.authenticate(password.as_ref()).await?;
    talk.settle(target).await
}

/// The pinned search path: temporary objects last. `pg_catalog` is searched first because it is not named; naming it would
/// make it the schema in which things are created.
pub(crate) fn search_path(schemas: &[String]) -> String {
    let quoted = |schema: &String| format!("\"{}\"", schema.replace('"', "\"\""));
    let schemas = schemas.iter().map(quoted);
    let path: Vec<String> = schemas.chain(std::iter::once("pg_temp".to_owned())).collect();
    path.join(", ")
}

impl Talk {
    async fn next(&mut self) -> Result<(BackendKind, Bytes), DialError> {
        let head = self.reader.head().await?;
        let kind = BackendKind::of(head)?;
        Ok((kind, self.reader.whole(head).await?))
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "whatever else a target sends here ends the session: fail closed"
    )]
    async fn authenticate(&mut self, password: Option<&Secret>) -> Result<(), DialError> {
        let mut proof = Proof::NotAsked;
        loop {
            let (kind, body) = self.next().await?;
            match kind {
                BackendKind::Authentication => {}
                BackendKind::ErrorResponse => return Err(DialError::Refused(error_code(body))),
                BackendKind::NoticeResponse => continue,
                other => return Err(unexpected(other)),
            }
            let mut body = Body::new("Authentication", body);
            proof = match (body.int()?, proof, password) {
                (0, Proof::Given, Some(_)) => return Ok(body.end()?),
                (0, Proof::NotAsked, None) => {
                    self.channel.without_password()?;
                    return Ok(body.end()?);
                }
                (0, _, _) => return Err(DialError::Downgrade("no password")),
                (10, Proof::NotAsked, Some(password)) => {
                    self.begin_scram(&mut body, password).await?
                }
                (11, Proof::Begun(scram), _) => self.answer_scram(body, scram).await?,
                (12, Proof::Begun(mut scram), _) => {
                    scram.finish(&body.rest()).map_err(DialError::Scram)?;
                    Proof::Given
                }
                (3, _, _) => return Err(DialError::Downgrade("the password in clear")),
                (5, _, _) => return Err(DialError::Downgrade("an MD5 password")),
                _ => return Err(DialError::Downgrade("another proof")),
            };
        }
    }

    async fn begin_scram(
        &mut self,
        body: &mut Body,
        password: &Secret,
    ) -> Result<Proof, DialError> {
        let mut offered = Vec::new();
        loop {
            let mechanism = body.text()?;
            if mechanism.is_empty() {
                break;
            }
            offered.push(mechanism);
            if offered.len() > MAX_MECHANISMS {
                return Err(DialError::Downgrade("too many mechanisms"));
            }
        }
        let (mechanism, binding) = self.channel.mechanism(&offered)?;
        let scram = ScramSha256::new(password.expose(), binding);
        let first = frame::message(b'p', |out| {
            out.put_slice(mechanism.as_bytes());
            out.put_u8(0);
            out.put_u32(u32::try_from(scram.message().len()).unwrap_or(u32::MAX));
            out.put_slice(scram.message());
        });
        self.writer.queue(&first);
        self.writer.flush().await?;
        Ok(Proof::Begun(Box::new(scram)))
    }

    async fn answer_scram(
        &mut self,
        mut body: Body,
        mut scram: Box<ScramSha256>,
    ) -> Result<Proof, DialError> {
        scram.update(&body.rest()).map_err(DialError::Scram)?;
        self.writer.queue(&frame::message(b'p', |out| out.put_slice(scram.message())));
        self.writer.flush().await?;
        Ok(Proof::Begun(scram))
    }

    /// Everything up to the first `ReadyForQuery`.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "whatever else a target sends here ends the session: fail closed"
    )]
    async fn settle(mut self, target: &Arc<PostgresTarget>) -> Result<Upstream, DialError> {
        let mut cancel = TargetCancel { target: Arc::clone(target), process: 0, secret: 0 };
        let (mut reported, mut bytes) = (Vec::new(), 0_usize);
        loop {
            let (kind, body) = self.next().await?;
            match kind {
                BackendKind::ParameterStatus => {
                    bytes += body.len();
                    if reported.len() >= MAX_REPORTED || bytes > MAX_REPORTED_BYTES {
                        return Err(FrameError::Malformed { what: "number of settings" }.into());
                    }
                    reported.push(read_status(body)?);
                }
                BackendKind::BackendKeyData => {
                    let mut body = Body::new("BackendKeyData", body);
                    (cancel.process, cancel.secret) = (body.oid()?, body.oid()?);
                    body.end()?;
                }
                BackendKind::NoticeResponse => {}
                BackendKind::ErrorResponse => return Err(DialError::Refused(error_code(body))),
                BackendKind::ReadyForQuery => break,
                other => return Err(unexpected(other)),
            }
        }
        // The grammar reads UTF-8; a server with another encoding may read names differently.
        let encoding = reported.iter().find(|(name, _)| name == "server_encoding");
        match encoding {
            Some((_, encoding)) if encoding == "UTF8" => {}
            other => {
                return Err(DialError::Encoding(
                    other.map(|(_, name)| name.clone()).unwrap_or_default(),
                ));
            }
        }
        Ok(Upstream {
            reader: self.reader,
            writer: self.writer,
            cancel,
            reported,
            asides: Asides::default(),
        })
    }
}

/// A `ParameterStatus`.
pub(crate) fn read_status(body: Bytes) -> Result<(String, String), FrameError> {
    let mut body = Body::new("ParameterStatus", body);
    let status = (body.text()?, body.text()?);
    body.end()?;
    Ok(status)
}

/// The SQLSTATE of an `ErrorResponse`; empty when it has none (CVE-2026-6666).
pub(crate) fn error_code(body: Bytes) -> String {
    let mut body = Body::new("ErrorResponse", body);
    while let Ok(field) = body.byte() {
        match (field, body.until_nul()) {
            (b'C', Ok(code)) => return String::from_utf8_lossy(&code).into_owned(),
            (0, _) | (_, Err(_)) => break,
            (_, Ok(_)) => {}
        }
    }
    String::new()
}

fn unexpected(kind: BackendKind) -> DialError {
    tracing::debug!(?kind, "a message that has no place in a login");
    FrameError::Malformed { what: "login" }.into()
}
