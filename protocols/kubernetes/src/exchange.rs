//! One request, from its whole to the end of its answer: judged, held where a human is needed, forwarded, answered, settled.
//! It runs in a task of its own, so that what was forwarded is settled whoever goes away meanwhile. What other requests of the
//! session do it knows nothing of.

mod agent;
mod answering;
mod held;
pub(crate) mod operation;

use crate::{
    answer,
    classify::{self, Classified, Method, RequestInfo, Verb},
    forward::{self, ForwardError, Outgoing},
    headers::Headers,
    hold_notice,
    memory::Taken,
    record::Account,
    request::Request,
    session::Session,
    status::Status,
    upstream::{Link, Unsent},
};
pub(crate) use agent::Waiting;

use agent::Agent;
use answering::Answering;
use countersign_core::{
    gate::{Admission, Judged, Reply},
    id::HoldId,
    operation::{Action, Demand, Operation, Resource},
    refusal::{AgentFacing, Refusal},
};
use futures::FutureExt as _;
use hyper::{Response, body::Incoming};
use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};
use tokio::time::{Instant, sleep};

/// For the head of the answer to a request that the target answers in one piece. An API server itself gives up after one minute.
const HEAD_DEADLINE: Duration = Duration::from_secs(90);
/// How long the answer to what was forwarded is waited for when nobody is there to have it: to know what became of it.
const SETTLE_WITHIN: Duration = Duration::from_secs(5);
/// Bytes of a body from which on it is read on a thread for blocking work.
const LONG_BODY: usize = 256 * 1024;

/// A request that has come whole.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) target: String,
    pub(crate) headers: Headers,
    pub(crate) body: Vec<u8>,
    /// What it takes of the memory.
    pub(crate) taken: Taken,
}

/// A request that did not come to its end.
#[derive(Debug)]
enum Stop {
    /// The agent is to hear why.
    Said(Box<Status>),
    /// Nobody is there to hear anything, or has heard half of it.
    Gone,
}

impl<T: Into<Status>> From<T> for Stop {
    fn from(status: T) -> Self {
        Self::Said(Box::new(status.into()))
    }
}

/// A request and what it needs.
#[derive(Debug)]
struct Exchange {
    session: Arc<Session>,
    headers: Headers,
    agent: Agent,
    begun: Instant,
    link: Option<Link>,
    /// The hold that it waited for.
    hold: Option<HoldId>,
}

/// Carries a request through, to the end of its answer.
pub(crate) async fn carry_through(session: Arc<Session>, asked: Asked, waiting: Waiting) {
    let Asked { method, target, headers, body, taken } = asked;
    let (agent, begun) = (Agent::Waits(waiting), Instant::now());
    let mut exchange = Exchange { session, headers, agent, begun, link: None, hold: None };
    match exchange.run((method, target, body)).await {
        Ok(()) | Err(Stop::Gone) => {}
        Err(Stop::Said(status)) => exchange.agent.hears(answer::of_status(&status)),
    }
    drop(taken);
}

impl Exchange {
    async fn run(&mut self, request: (Method, String, Vec<u8>)) -> Result<(), Stop> {
        let session = Arc::clone(&self.session);
        let content_type = self.headers.content_type.clone();
        let (classified, text) = understood(request, content_type).await?;
        supported(&classified)?;
        let info = classified.info.clone();
        let operation = Arc::new(operation::of(&session, classified, text));
        let judged = tokio::select! {
            judged = session.gate.judge(&session.opening, &operation) => judged.map_err(said)?,
            refusal = session.ending() => return Err(said(refusal)),
        };
        let admission = match judged {
            Judged::Cleared(cleared) => {
                self.make_ready().await.map_err(said)?;
                let admitted = session.gate.admit(&session.opening, &operation, cleared).await;
                admitted.map_err(said)?
            }
            Judged::Held(held) => self.wait(held).await?,
        };
        self.carry_out(&operation, &info, admission).await
    }

    /// Has the target ready for the request, before anything is used up.
    async fn make_ready(&mut self) -> Result<(), Refusal> {
        if self.link.is_some() {
            return Ok(());
        }
        let link = self.session.upstream.ready().await.map_err(|error| {
            let refusal = error.refusal();
            let error = &error as &dyn std::error::Error;
            tracing::warn!(target.name = %self.session.target.name, error, "a target cannot be used");
            refusal
        })?;
        self.link = Some(link);
        Ok(())
    }

    /// Forwards what was admitted and answers with what comes back. Whatever becomes of it is settled.
    async fn carry_out(
        &mut self,
        operation: &Operation,
        info: &RequestInfo,
        admission: Admission,
    ) -> Result<(), Stop> {
        let mut account = Account::of(operation);
        let forwarded = self.forwarded((operation, info), admission, &mut account);
        let ended = AssertUnwindSafe(forwarded).catch_unwind().await.unwrap_or_else(|_| {
            tracing::error!("a request has panicked");
            Err(Some(Refusal::Internal))
        });
        let has_gone = account.has_gone();
        self.session.gate.settle(&self.session.opening, account.settle()).await;
        ended.map_err(|refusal| match refusal {
            Some(refusal) if has_gone => said(refusal.after_forward(operation.effect())),
            Some(refusal) => said(refusal),
            None => Stop::Gone,
        })
    }

    async fn forwarded(
        &mut self,
        (operation, info): (&Operation, &RequestInfo),
        Admission { permit, reply }: Admission,
        account: &mut Account,
    ) -> Result<(), Option<Refusal>> {
        self.make_ready().await?;
        let mut link = self.link.take().ok_or(Refusal::Internal)?;
        self.may_begin()?;
        let headers = self.headers.upstream().map_err(|_| Refusal::Internal)?;
        let revision = permit.revision();
        let warning = hold_notice::warning(permit.ground(), self.hold);
        let outgoing = (headers, &self.session.acts_as);
        let outgoing = forward::open(permit, operation, self.session.gate.as_ref(), outgoing)
            .map_err(not_forwarded)?;
        account.forwarded();
        let answer = self.sent(&outgoing, &mut link, (info, account)).await?;
        account.answered(answer.status());
        let release = match reply {
            Reply::Released(release) => release,
            Reply::Awaited(release) => release.await?,
        };
        let mut answering = Answering::new((&release, info), &self.headers, revision, warning);
        let ended = answering.write(&self.session, &mut self.agent, answer, account).await;
        answering.add_to(account);
        if ended.is_ok() {
            self.session.upstream.keep(link);
        }
        ended
    }

    /// Looks once more, right before the request goes: since it was admitted, its agent or its session may have gone.
    fn may_begin(&self) -> Result<(), Option<Refusal>> {
        if let Some(refusal) = self.session.ended() {
            return Err(Some(refusal));
        }
        if self.agent.is_gone() { Err(None) } else { Ok(()) }
    }

    /// Sends the request and waits for the head of its answer. It is sent again only where no byte of it has gone: a connection
    /// that was kept can be over before anything is written to it.
    async fn sent(
        &self,
        outgoing: &Outgoing,
        link: &mut Link,
        (info, account): (&RequestInfo, &mut Account),
    ) -> Result<Response<Incoming>, Refusal> {
        let target = &self.session.target;
        let request = outgoing.request(target, link).map_err(not_forwarded)?;
        let first = self.head(link.send(request), info).await?;
        let Err(Unsent::Certainly(error)) = first else { return first.map_err(lost) };
        tracing::debug!(error = &error as &dyn std::error::Error, "a kept connection was over");
        account.not_forwarded();
        *link = self.session.upstream.fresh().await.map_err(|error| error.refusal())?;
        if let Some(refusal) = self.session.ended() {
            return Err(refusal);
        }
        drop(self.session.gate.lease()?);
        let request = outgoing.request(target, link).map_err(not_forwarded)?;
        account.forwarded();
        let second = self.head(link.send(request), info).await?;
        second.map_err(|unsent| {
            if matches!(unsent, Unsent::Certainly(_)) {
                account.not_forwarded();
            }
            lost(unsent)
        })
    }

    /// Waits for the head of an answer: not for ever, unless it is one of those that come when something happens.
    async fn head<T>(
        &self,
        answer: impl Future<Output = T>,
        info: &RequestInfo,
    ) -> Result<T, Refusal> {
        let late = async {
            if is_long(info) {
                std::future::pending::<()>().await;
            } else {
                sleep(HEAD_DEADLINE).await;
            }
        };
        let abandoned = async {
            let why = tokio::select! {
                refusal = self.session.ending() => refusal,
                () = self.agent.gone() => Refusal::OutcomeUnknown {
                    reason: "the agent has gone".to_owned(),
                },
            };
            sleep(SETTLE_WITHIN).await;
            why
        };
        tokio::select! {
            biased;
            answer = answer => Ok(answer),
            why = abandoned => Err(why),
            () = late => Err(Refusal::TargetUnavailable),
        }
    }
}

/// Whether an answer goes on for as long as it is listened to.
fn is_long(info: &RequestInfo) -> bool {
    let follows = match &info.subject {
        classify::Subject::Object(object) => object.subresource == "log",
        classify::Subject::Url(_) => false,
    };
    info.verb == Verb::Watch || follows
}

/// Classifies a request; a long one where nobody waits for the thread.
pub(crate) async fn understood(
    (method, target, body): (Method, String, Vec<u8>),
    content_type: Option<String>,
) -> Result<(Classified, Vec<u8>), Status> {
    let is_long = body.len() > LONG_BODY;
    let classify = move || {
        let (target, content_type) = (target.as_str(), content_type.as_deref());
        let request = Request { method, target, content_type, body: &body };
        classify::classify(&request).map(|classified| (classified, request.text()))
    };
    let classified = if is_long {
        let worked = tokio::task::spawn_blocking(classify).await;
        worked.map_err(|_| Status::from(&Refusal::Internal))?
    } else {
        classify()
    };
    Ok(classified?)
}

/// Refuses what needs another protocol than HTTP, whatever headers it came with, and what no agent is to reach: a node's own
/// interface, through which everything on it can be had.
fn supported(classified: &Classified) -> Result<(), Stop> {
    let refused = |message: &str| Err(said(Refusal::NotSupported { message: message.to_owned() }));
    for Demand { action, resource } in &classified.demands {
        let streams =
            [Action::KubernetesExec, Action::KubernetesAttach, Action::KubernetesPortForward];
        if streams.contains(action) {
            return refused("a stream without an upgrade to WebSocket, and port-forward");
        }
        if let Resource::ApiObject { group, resource, subresource, .. } = resource
            && (group.as_str(), resource.as_str(), subresource.as_str()) == ("", "nodes", "proxy")
        {
            return refused("requests to the node itself through the API server's proxy");
        }
    }
    Ok(())
}

fn said(refusal: Refusal) -> Stop {
    Stop::Said(Box::new(Status::from(&refusal)))
}

fn not_forwarded(error: ForwardError) -> Refusal {
    tracing::warn!(error = &error as &dyn std::error::Error, "nothing was forwarded");
    error.refusal()
}

fn lost(unsent: Unsent) -> Refusal {
    let (Unsent::Certainly(error) | Unsent::Perhaps(error)) = unsent;
    tracing::warn!(error = &error as &dyn std::error::Error, "a target has not answered");
    Refusal::TargetUnavailable
}
