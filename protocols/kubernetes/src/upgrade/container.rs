//! One program in a container, or what already runs there, from the upgraded connection to its status: judged, held where a human
//! is needed, forwarded, relayed, settled. The connection is upgraded at once, so that a waiting agent can be told what it waits
//! for; the target is dialled when the program may begin.

use super::{
    Protocol,
    input::{Input, Terminal},
    socket::{self, STATUS, STDERR, Socket},
    target::{self, Opened},
};
use crate::{
    classify::{Classified, RequestInfo},
    exchange::operation,
    forward,
    headers::Headers,
    hold_notice,
    mask::{self, Masker},
    record::Account,
    session::Session,
    status::Status,
    upstream::Link,
};
use countersign_core::{
    gate::{Admission, HoldNotice, Judged, Reply},
    mask::Masked,
    operation::Operation,
    permit::Release,
    refusal::{AgentFacing, Refusal},
};
use futures::{FutureExt as _, SinkExt as _, StreamExt as _, stream::SplitSink};
use hyper::upgrade::OnUpgrade;
use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{Bytes, Message, protocol::Role};

/// How long the agent's connection may take to be upgraded, once that is granted.
const UPGRADED_WITHIN: Duration = Duration::from_secs(10);
/// How long an agent that does not read may keep its last words, or a notice, from being written.
const WORDS_WITHIN: Duration = Duration::from_secs(5);

/// What is to run.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) classified: Classified,
    /// The request, as it is hashed.
    pub(crate) text: Vec<u8>,
    pub(crate) target: String,
    pub(crate) headers: Headers,
    pub(crate) protocol: Protocol,
}

/// A program that did not come to its end.
#[derive(Debug)]
pub(super) enum Stop {
    /// The agent is to hear why.
    Refused(Refusal),
    /// The agent has heard why, or nobody is there.
    Gone,
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// The agent's side: what it hears.
#[derive(Debug)]
pub(super) struct Agent(SplitSink<Socket, Message>);

/// The agent is gone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct AgentGone;

impl From<AgentGone> for Stop {
    fn from(AgentGone: AgentGone) -> Self {
        Self::Gone
    }
}

impl Agent {
    /// Writes on a channel.
    pub(super) async fn write(
        &mut self,
        channel: u8,
        bytes: Masked<Vec<u8>>,
    ) -> Result<(), AgentGone> {
        let message = socket::message(channel, &bytes.into_inner());
        self.0.send(message).await.map_err(|_| AgentGone)
    }

    /// Says that the program waits for humans. An agent that does not read is not waited for.
    pub(super) async fn tell(&mut self, notice: &HoldNotice) {
        let line = mask::own(hold_notice::line(notice).into_bytes());
        drop(timeout(WORDS_WITHIN, self.write(STDERR, line)).await);
    }

    /// Asks whether it is there. One that has sent more than is kept is heard by this alone.
    pub(super) async fn ask(&mut self) -> Result<(), AgentGone> {
        match timeout(WORDS_WITHIN, self.0.send(Message::Ping(Bytes::new()))).await {
            Ok(Err(_)) => Err(AgentGone),
            // One that does not read may do so later.
            Ok(Ok(())) | Err(_) => Ok(()),
        }
    }

    /// Says why the program does not run, or not on.
    pub(super) async fn refuse(&mut self, refusal: &Refusal) {
        let status = mask::own(Status::from(refusal).body());
        drop(timeout(WORDS_WITHIN, self.write(STATUS, status)).await);
    }

    async fn close(&mut self) {
        drop(timeout(WORDS_WITHIN, self.0.send(socket::farewell())).await);
    }
}

/// A program and what it needs.
#[derive(Debug)]
pub(super) struct Container {
    pub(super) session: Arc<Session>,
    pub(super) agent: Agent,
    pub(super) input: Input,
    headers: Headers,
    protocol: Protocol,
    link: Option<Link>,
}

/// Runs a program on a connection that is being upgraded.
pub(crate) async fn run(session: Arc<Session>, asked: Asked, upgrading: OnUpgrade) {
    let Ok(Ok(upgraded)) = timeout(UPGRADED_WITHIN, upgrading).await else {
        return tracing::debug!("an agent's connection was not upgraded");
    };
    let Asked { classified, text, target, headers, protocol } = asked;
    let (sink, stream) = socket::of(upgraded, Role::Server).await.split();
    let (agent, input) = (Agent(sink), Input::of(stream, Terminal::of(&target)));
    let info = classified.info.clone();
    let operation = Arc::new(operation::of(&session, classified, text));
    let mut container = Container { session, agent, input, headers, protocol, link: None };
    let ended = container.carry_through((&operation, &info)).await;
    if let Err(Stop::Refused(refusal)) = ended {
        container.agent.refuse(&refusal).await;
    }
    container.agent.close().await;
}

impl Container {
    async fn carry_through(
        &mut self,
        (operation, info): (&Arc<Operation>, &RequestInfo),
    ) -> Result<(), Stop> {
        let session = Arc::clone(&self.session);
        session.streams_pass()?;
        let judged = tokio::select! {
            judged = session.gate.judge(&session.opening, operation) => judged?,
            refusal = session.ending() => return Err(refusal.into()),
        };
        let admission = match judged {
            Judged::Cleared(cleared) => {
                self.make_ready().await?;
                session.gate.admit(&session.opening, operation, cleared).await?
            }
            Judged::Held(held) => self.wait(held).await?,
        };
        self.carry_out((operation, info), admission).await
    }

    /// Has the target ready for the program, before anything is used up.
    pub(super) async fn make_ready(&mut self) -> Result<(), Refusal> {
        if self.link.is_none() {
            let link = self.session.upstream.for_upgrade().await.map_err(|error| {
                let refusal = error.refusal();
                let error = &error as &dyn std::error::Error;
                tracing::warn!(target.name = %self.session.target.name, error, "a target cannot be used");
                refusal
            })?;
            self.link = Some(link);
        }
        Ok(())
    }

    /// Forwards what was admitted and relays it. Whatever becomes of it is settled.
    async fn carry_out(
        &mut self,
        (operation, info): (&Operation, &RequestInfo),
        admission: Admission,
    ) -> Result<(), Stop> {
        let mut account = Account::of(operation);
        let forwarded = self.forwarded((operation, info), admission, &mut account);
        let ended = AssertUnwindSafe(forwarded).catch_unwind().await.unwrap_or_else(|_| {
            tracing::error!("a stream has panicked");
            Err(Refusal::Internal.into())
        });
        let has_gone = account.has_gone();
        self.session.gate.settle(&self.session.opening, account.settle()).await;
        ended.map_err(|stop| match stop {
            Stop::Refused(refusal) if has_gone => refusal.after_forward(operation.effect()).into(),
            stop @ (Stop::Refused(_) | Stop::Gone) => stop,
        })
    }

    async fn forwarded(
        &mut self,
        (operation, info): (&Operation, &RequestInfo),
        Admission { permit, reply }: Admission,
        account: &mut Account,
    ) -> Result<(), Stop> {
        self.make_ready().await?;
        let mut link = self.link.take().ok_or(Refusal::Internal)?;
        let release: Release = match reply {
            Reply::Released(release) => release,
            Reply::Awaited(release) => release.await?,
        };
        mask::streams_pass(release.masks()).map_err(|error| error.refusal())?;
        if let Some(refusal) = self.session.ended() {
            return Err(refusal.into());
        }
        let session = Arc::clone(&self.session);
        let headers = self.headers.upstream().map_err(|_| Refusal::Internal)?;
        let revision = permit.revision();
        let outgoing = (headers, &session.acts_as);
        let outgoing = forward::open(permit, operation, session.gate.as_ref(), outgoing);
        let outgoing = outgoing.map_err(|error| error.refusal())?;
        account.forwarded();
        let opened = tokio::select! {
            opened = target::open(&session, &outgoing, (&mut link, self.protocol)) => opened,
            refusal = session.ending() => return Err(refusal.into()),
        };
        match opened {
            Ok(Opened::Begun(socket, protocol)) => {
                let admitted = (operation, &release, revision);
                self.relay((*socket, protocol), admitted, account).await
            }
            Ok(Opened::Refused(status, reason)) => {
                account.answered(status);
                let mut masker = Masker::new(release.masks(), info);
                let masked = masker.document(&reason).map_err(|_| Refusal::TargetUnavailable)?;
                account.masked(masker.tally());
                Ok(self.agent.write(STATUS, masked).await?)
            }
            Err(error) => {
                if error.is_unsent() {
                    account.not_forwarded();
                }
                tracing::warn!(error = &error as &dyn std::error::Error, "no stream was opened");
                Err(error.refusal().into())
            }
        }
    }
}
