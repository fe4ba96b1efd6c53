//! The beginning and the end of a session: identify, open, close.

use super::{
    Inner, cancel,
    credentials::{self, NotAccepted},
    proposing::{NO_QUORUM_AFTER, within},
    recorded,
    signals::SessionSignals,
};
use crate::{
    identify::{Automation, IdentifyError, Throttle},
    metrics::counters,
    recording::SessionRecorder,
};
use countersign_core::{
    agent::Identity,
    gate::{CloseReason, Identified, OpenedSession, Proof, SessionWish, Source},
    id::SessionId,
    refusal::Refusal,
    secret::Secret,
    session::{Opening, Session},
    target::Target,
};
use countersign_raft_store::{
    command::{AccessRefused, CloseSession, OpenSession},
    handle::Committed,
    records::RequestId,
    reply::SessionOpened,
};
use std::{sync::Arc, time::Duration};

/// Checks a proof of identity.
pub(super) async fn identify(
    inner: &Inner,
    proof: Proof,
    source: Source,
) -> Result<Identified, Refusal> {
    if inner.shutdown.takes_no_more() {
        return Err(Refusal::ShuttingDown);
    }
    match proof {
        Proof::Token(token) if !credentials::is_own(&token) => {
            by_token(inner, &token, source).await
        }
        own @ (Proof::Token(_) | Proof::Certificate(_) | Proof::SshCertificate { .. }) => {
            by_credential(inner, &own, source).await
        }
    }
}

async fn by_credential(
    inner: &Inner,
    proof: &Proof,
    source: Source,
) -> Result<Identified, Refusal> {
    let why = match credentials::agent(inner, proof, &source).await {
        Ok(identified) => return Ok(identified),
        Err(NotAccepted::Refused(refusal)) => return Err(refusal),
        Err(why) => why,
    };
    match inner.identify.refused_agent(source.address.ip()) {
        Throttle::Within => {
            let error = &why as &dyn std::error::Error;
            tracing::info!(source.address = %source.address, error, "a credential was refused");
            inner.not_let_in(&source, None, "identify", why.to_string());
            Err(Refusal::NotIdentified)
        }
        // As with tokens: who floods the gateway must not flood the log.
        Throttle::Over => Err(Refusal::Overloaded { limit: "failed_logins_per_minute" }),
    }
}

async fn by_token(inner: &Inner, token: &Secret, source: Source) -> Result<Identified, Refusal> {
    let error = match inner.identify.agent(token, source.address.ip()).await {
        Ok(Automation { agent, .. }) => return Ok(Identified { agent, credential: None }),
        Err(error) => error,
    };
    match &error {
        IdentifyError::NotAccepted(why) => {
            inner.not_let_in(&source, None, "identify", why.to_string());
            Err(Refusal::NotIdentified)
        }
        // Not recorded one by one: who floods the gateway must not flood the log.
        IdentifyError::TooMany => Err(Refusal::Overloaded { limit: "failed_logins_per_minute" }),
        IdentifyError::Unavailable { provider, .. } => {
            tracing::warn!(%provider, "an agent could not be identified: {error}");
            Err(Refusal::Overloaded { limit: "identity_provider" })
        }
    }
}

/// Opens a session.
pub(super) async fn open(inner: &Arc<Inner>, wish: SessionWish) -> Result<OpenedSession, Refusal> {
    if inner.shutdown.takes_no_more() {
        return Err(Refusal::ShuttingDown);
    }
    drop(inner.await_lease().await?);
    let id = SessionId::from_bytes(rand::random());
    let lives = wish.who.agent.expires_at.0.saturating_sub(inner.clock.now_ms());
    let recorder = recorded::recorder(inner, id);
    let signals = inner.sessions.enter(id, (Duration::from_millis(lives), recorder.clone()))?;
    let unopened = Unopened { inner: Arc::clone(inner), session: Some(id) };
    let opened = propose(inner, &wish, (id, signals, recorder)).await?;
    if wish.revision != opened.revision {
        // The adapter uses another definition than the log says is in force.
        return Err(Refusal::TargetUnavailable);
    }
    unopened.forget();
    counters::session_opened();
    Ok(opened.session)
}

struct Opened {
    session: OpenedSession,
    revision: countersign_core::id::Revision,
}

async fn propose(
    inner: &Inner,
    wish: &SessionWish,
    (id, signals, recorder): (SessionId, SessionSignals, SessionRecorder),
) -> Result<Opened, Refusal> {
    let cancel = cancel::draw_key(inner.node);
    let command = OpenSession {
        id,
        agent: wish.who.agent.clone(),
        credential: wish.who.credential,
        target: wish.target.clone(),
        protocol: wish.protocol,
        role: wish.role.clone(),
        source: wish.source.address,
        client: wish.client.clone(),
        node: inner.node,
        incarnation: inner.incarnation.get().copied().ok_or(Refusal::NoQuorum)?,
        cancel,
    };
    let answer = within(NO_QUORUM_AFTER, inner.store.open_session(command)).await;
    let Committed { value: SessionOpened { target_revision: revision, opened_at }, .. } = answer
        .map_err(|unproposed| {
            let refusal = unproposed.refusal();
            let who = Some(wish.who.agent.identity.clone());
            inner.not_let_in(&wish.source, who, "open a session", refusal.to_string());
            refusal
        })?;
    #[expect(clippy::disallowed_methods, reason = "the replicated state has accepted the session")]
    let session = Session::opened(Opening {
        id,
        agent: wish.who.agent.clone(),
        target: Target { name: wish.target.clone(), revision, protocol: wish.protocol },
        role: wish.role.clone(),
        opened_at,
    });
    let recorder = Arc::new(recorder);
    let session = OpenedSession { session, signals: Box::new(signals), cancel, recorder };
    Ok(Opened { session, revision })
}

/// Closes a session: its recording first, so that the end of the session says how far it came.
pub(super) fn close(inner: &Inner, session: SessionId, reason: CloseReason) {
    let recorder = inner.sessions.leave(session);
    let reason = match reason {
        CloseReason::Agent => "the agent ended it".to_owned(),
        CloseReason::Target => "the target ended it".to_owned(),
        CloseReason::Refused(refusal) => refusal.to_string(),
    };
    let journal = inner.journal.clone();
    inner.closing.spawn(async move {
        let reason = recorded::ended(recorder, reason).await;
        journal.close(CloseSession { id: session, reason });
    });
}

impl Inner {
    /// Tells the audit that somebody was not let in.
    fn not_let_in(&self, source: &Source, who: Option<Identity>, what: &str, reason: String) {
        self.journal.access_refused(AccessRefused {
            id: RequestId(rand::random()),
            node: self.node,
            source: source.address.to_string(),
            who,
            what: what.to_owned(),
            reason,
        });
    }
}

/// A session that may be in the log and is not handed over: dropped, it is closed.
struct Unopened {
    inner: Arc<Inner>,
    session: Option<SessionId>,
}

impl Unopened {
    fn forget(mut self) {
        self.session = None;
    }
}

impl Drop for Unopened {
    fn drop(&mut self) {
        if let Some(id) = self.session.take() {
            drop(self.inner.sessions.leave(id));
            let reason = "it was not opened to the end".to_owned();
            self.inner.journal.close(CloseSession { id, reason });
        }
    }
}
