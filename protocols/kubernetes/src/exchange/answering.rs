//! From what the target answers to what the agent gets: whole where it is one document, piece by piece where it goes on. What
//! cannot be read is not written.

use super::agent::Agent;
use crate::{
    answer::{self, Answer, Piece, Pieces, Stream},
    classify::{RequestInfo, Subject, Verb},
    headers::{Headers, Label},
    mask::{self, Frames, MAX_DOCUMENT_BYTES, Masker, Reading},
    memory::Taken,
    record::Account,
    session::{LOOK_EVERY, Session},
};
use bytes::Bytes;
use countersign_core::{
    id::Revision,
    mask::{MaskError, Masked},
    permit::Release,
    refusal::{AgentFacing, Refusal},
};
use http_body_util::BodyExt as _;
use hyper::{
    HeaderMap, Response, StatusCode,
    body::{Body as _, Incoming},
    header::{
        CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER,
        WARNING,
    },
    http::response::Parts,
};
use std::time::Duration;
use tokio::time::{Instant, interval_at, timeout};

/// Between two pieces of an answer that comes in one go.
const NEXT_PIECE: Duration = Duration::from_mins(1);
/// Warnings of the target's that are passed on.
const MAX_WARNINGS: usize = 16;
/// A document from this size on is masked on a thread for blocking work.
const LONG_DOCUMENT: usize = 256 * 1024;
/// What a document is counted with against the memory, for each byte: itself, what it is read into, and what is written.
const MEMORY_A_BYTE: usize = 4;
/// By which the server's own log is searched for a request.
const AUDIT_ID: HeaderName = HeaderName::from_static("audit-id");

/// An answer that is being written. `Err(None)` is an agent that has gone, or has heard half of it.
#[derive(Debug)]
pub(super) struct Answering<'a> {
    masker: Option<Masker>,
    release: &'a Release,
    info: &'a RequestInfo,
    headers: &'a Headers,
    revision: Revision,
    warning: Option<HeaderValue>,
}

/// How an answer's body is written.
enum Manner {
    Empty,
    Whole,
    Pieces(Pieces),
}

fn masking(error: MaskError) -> Refusal {
    tracing::warn!(error = &error as &dyn std::error::Error, "an answer could not be masked");
    error.refusal()
}

impl<'a> Answering<'a> {
    pub(super) fn new(
        (release, info): (&'a Release, &'a RequestInfo),
        headers: &'a Headers,
        revision: Revision,
        warning: Option<HeaderValue>,
    ) -> Self {
        let masker = Some(Masker::new(release.masks(), info));
        Self { masker, release, info, headers, revision, warning }
    }

    /// Tells the account what was masked.
    pub(super) fn add_to(&self, account: &mut Account) {
        if let Some(masker) = &self.masker {
            account.masked(masker.tally());
        }
    }

    pub(super) async fn write(
        &mut self,
        session: &Session,
        agent: &mut Agent,
        answer: Response<Incoming>,
        account: &mut Account,
    ) -> Result<(), Option<Refusal>> {
        let (parts, body) = answer.into_parts();
        readable(&parts)?;
        let manner = self.manner(&parts, &body)?;
        let head = self.head(&parts)?;
        match manner {
            Manner::Empty => {
                agent.hears(answered(head, answer::whole(mask::own(Vec::new()))));
            }
            Manner::Whole => {
                let (masked, taken) = self.whole(session, body).await?;
                account.came(masked.get().len());
                agent.hears(answered(head, answer::counted(masked, taken)));
            }
            Manner::Pieces(pieces) => {
                let (stream, body_of_answer) = answer::stream();
                agent.listens(answered(head, body_of_answer), stream);
                let Some(stream) = agent.stream() else { return Err(Some(Refusal::Internal)) };
                if let Err(refusal) = self.pieces((session, stream), body, pieces, account).await {
                    tracing::debug!(?refusal, "an answer was broken off");
                    // Without its end it does not look complete.
                    *agent = Agent::Heard;
                    return Err(None);
                }
            }
        }
        Ok(())
    }

    fn masker(&mut self) -> Result<&mut Masker, Refusal> {
        self.masker.as_mut().ok_or(Refusal::Internal)
    }

    fn manner(&mut self, parts: &Parts, body: &Incoming) -> Result<Manner, Option<Refusal>> {
        if body.is_end_stream() {
            return Ok(Manner::Empty);
        }
        let content_type = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let content_type = content_type.unwrap_or_default();
        let is_schema = self.is_schema(content_type);
        let watches = self.info.verb == Verb::Watch && parts.status == StatusCode::OK;
        let masker = self.masker()?;
        if is_schema {
            return Ok(Manner::Pieces(Pieces::Passing));
        }
        let reading = masker.reading(content_type).map_err(masking)?;
        Ok(match reading {
            Reading::Document if watches => Manner::Pieces(Pieces::Frames(Frames::default())),
            Reading::Document => Manner::Whole,
            Reading::Lines if masker.passes(Reading::Lines) => Manner::Pieces(Pieces::Passing),
            Reading::Lines => Manner::Pieces(Pieces::Lines(Vec::new())),
        })
    }

    /// The schema of the API in protobuf, where nothing of the target is covered.
    fn is_schema(&self, content_type: &str) -> bool {
        let of_schema = match &self.info.subject {
            Subject::Url(path) => path.starts_with("/openapi/"),
            Subject::Object(_) => false,
        };
        of_schema && content_type.starts_with("application/com.github.proto-openapi.spec.")
    }

    /// The head of the answer: what of the target's is known to be harmless, and what the gateway says.
    fn head(&mut self, parts: &Parts) -> Result<(StatusCode, HeaderMap), Option<Refusal>> {
        let mut headers = HeaderMap::new();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
        if let Some(content_type) = parts.headers.get(CONTENT_TYPE) {
            headers.insert(CONTENT_TYPE, content_type.clone());
            let is_document = content_type.as_bytes().starts_with(b"application/json");
            if is_document && self.headers.label() == Label::Yaml {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/yaml"));
            }
        }
        let plain = |name: &HeaderName, fits: fn(u8) -> bool| {
            let value = parts.headers.get(name)?;
            value.as_bytes().iter().all(|byte| fits(*byte)).then(|| value.clone())
        };
        if let Some(id) = plain(&AUDIT_ID, |byte| byte.is_ascii_hexdigit() || byte == b'-') {
            headers.insert(AUDIT_ID, id);
        }
        // A server that says 429 has not begun; of others who knows what they have done.
        let full = parts.status == StatusCode::TOO_MANY_REQUESTS;
        if let (true, Some(after)) = (full, plain(&RETRY_AFTER, |byte| byte.is_ascii_digit())) {
            headers.insert(RETRY_AFTER, after);
        }
        for warning in parts.headers.get_all(WARNING).iter().take(MAX_WARNINGS) {
            let Ok(text) = warning.to_str() else { continue };
            if let Some(aside) = self.masker()?.aside(text).map_err(masking)?
                && let Ok(value) = HeaderValue::from_bytes(&aside.into_inner())
            {
                headers.append(WARNING, value);
            }
        }
        if let Some(warning) = self.warning.take() {
            headers.append(WARNING, warning);
        }
        Ok((parts.status, headers))
    }

    /// Reads and masks an answer that is one document. What it takes of the memory goes with it.
    async fn whole(
        &mut self,
        session: &Session,
        mut body: Incoming,
    ) -> Result<(Masked<Vec<u8>>, Taken), Option<Refusal>> {
        let mut taken = session.memory.nothing();
        let mut document = Vec::new();
        loop {
            let next = tokio::select! {
                next = timeout(NEXT_PIECE, body.frame()) => next,
                refusal = session.ending() => return Err(Some(refusal)),
            };
            let Some(piece) = next.map_err(|_| Refusal::TargetUnavailable)? else { break };
            let Some(piece) = data(piece)? else { continue };
            let length = document.len().saturating_add(piece.len());
            if length > MAX_DOCUMENT_BYTES {
                return Err(Some(masking(MaskError::TooLarge { most: MAX_DOCUMENT_BYTES })));
            }
            taken.grow_to(length.saturating_mul(MEMORY_A_BYTE))?;
            document.extend_from_slice(&piece);
        }
        if document.len() < LONG_DOCUMENT {
            return Ok((self.masker()?.document(&document).map_err(masking)?, taken));
        }
        let mut masker = self.masker.take().ok_or(Refusal::Internal)?;
        let work = move || {
            let masked = masker.document(&document);
            (masker, masked)
        };
        let worked = tokio::task::spawn_blocking(work).await;
        let (masker, masked) = worked.map_err(|_| Refusal::MaskFailed)?;
        self.masker = Some(masker);
        let masked = masked.map_err(masking)?;
        taken.shrink_to(masked.get().len());
        Ok((masked, taken))
    }

    /// What containers have written is recorded as the agent sees it. Documents are not.
    async fn record(&self, session: &Session, bytes: &[u8]) -> Result<(), Refusal> {
        let is_log = match &self.info.subject {
            Subject::Object(object) => object.subresource == "log",
            Subject::Url(_) => false,
        };
        if !is_log {
            return Ok(());
        }
        let (plan, operation) = (self.release.masks(), self.release.operation());
        session.record(mask::of_log(plan, operation, bytes)).await
    }

    /// Masks and writes an answer as it comes. The agent is not sent faster than it takes it, nor is the target read.
    async fn pieces(
        &mut self,
        (session, agent): (&Session, &Stream),
        mut body: Incoming,
        mut pieces: Pieces,
        account: &mut Account,
    ) -> Result<(), Refusal> {
        let mut look = interval_at(Instant::now() + LOOK_EVERY, LOOK_EVERY);
        let revision = self.revision;
        let mut taken = session.memory.nothing();
        loop {
            let next = tokio::select! {
                biased;
                refusal = session.ending() => return Err(refusal),
                () = agent.closed() => return Err(Refusal::ShuttingDown),
                _ = look.tick() => {
                    session.still_in_force(revision)?;
                    continue;
                }
                next = body.frame() => next,
            };
            let Some(piece) = next else { break };
            let Some(piece) = data(piece)? else { continue };
            let masked = pieces.push(&piece, self.masker()?).map_err(|error| error.refusal())?;
            let begun = pieces.begun().saturating_mul(MEMORY_A_BYTE);
            taken.shrink_to(begun);
            taken.grow_to(begun)?;
            for piece in masked {
                account.came(piece.get().len());
                self.record(session, piece.get()).await?;
                send((session, agent), counted(session, piece)?, revision).await?;
            }
        }
        let last = pieces.finish(self.masker()?).map_err(|error| error.refusal())?;
        if let Some(last) = last {
            account.came(last.get().len());
            self.record(session, last.get()).await?;
            send((session, agent), counted(session, last)?, revision).await?;
        }
        send((session, agent), Piece::End, revision).await
    }
}

/// A piece, which counts until it is written.
fn counted(session: &Session, bytes: Masked<Vec<u8>>) -> Result<Piece, Refusal> {
    let mut taken = session.memory.nothing();
    taken.grow_to(bytes.get().len())?;
    Ok(Piece::Bytes(bytes, taken))
}

/// Gives the agent a piece when it takes one.
async fn send(
    (session, agent): (&Session, &Stream),
    piece: Piece,
    revision: Revision,
) -> Result<(), Refusal> {
    let mut look = interval_at(Instant::now() + LOOK_EVERY, LOOK_EVERY);
    let mut room = std::pin::pin!(agent.reserve());
    loop {
        tokio::select! {
            biased;
            refusal = session.ending() => return Err(refusal),
            _ = look.tick() => session.still_in_force(revision)?,
            room = room.as_mut() => {
                room.map_err(|_| Refusal::ShuttingDown)?.send(piece);
                return Ok(());
            }
        }
    }
}

/// Refuses what was not asked for: another protocol, a way to somewhere else, a coding that hides what is in it.
fn readable(parts: &Parts) -> Result<(), Option<Refusal>> {
    if parts.status.is_informational() || parts.status.is_redirection() {
        let message = format!("the target's answer, {}", parts.status.as_str());
        return Err(Some(Refusal::NotSupported { message }));
    }
    match parts.headers.get(CONTENT_ENCODING).map(HeaderValue::as_bytes) {
        None | Some(b"identity") => Ok(()),
        Some(_) => Err(Some(masking(MaskError::Unreadable))),
    }
}

fn data(piece: Result<hyper::body::Frame<Bytes>, hyper::Error>) -> Result<Option<Bytes>, Refusal> {
    match piece {
        // What comes behind the body is no part of the answer.
        Ok(frame) => Ok(frame.into_data().ok()),
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "an answer has ended early");
            Err(Refusal::TargetUnavailable)
        }
    }
}

fn answered((status, headers): (StatusCode, HeaderMap), body: answer::AnswerBody) -> Answer {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    *answer.headers_mut() = headers;
    answer
}
