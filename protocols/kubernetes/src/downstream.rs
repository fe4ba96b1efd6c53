//! An agent's connection: its requests, one by one or many at a time, each taken apart, put to the session of its proof and
//! target, and answered. What a request means is not known here.

use crate::{
    answer::{self, Answer},
    body::{MAX_BODY_BYTES, Unreadable},
    classify::{Method, Unclear},
    credential::{self, Key},
    exchange::{self, Asked},
    framing::{self, Head},
    headers::{BadHeader, Forms, Headers},
    memory::Taken,
    serve::Surroundings,
    session::Session,
    state::{State, UnderWay},
    status::Status,
    upgrade::{Wish, container},
};
use countersign_core::{
    gate::{Proof, Source},
    operation::Action,
    refusal::Refusal,
    target::TargetName,
};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::{
    Request,
    body::{Body as _, Incoming},
    header::UPGRADE,
    http::request::Parts,
    upgrade::OnUpgrade,
};
use std::{convert::Infallible, sync::Arc, time::Duration};
use tokio::{
    sync::{Mutex, oneshot},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

/// How long the body of a request may take to arrive.
const BODY_DEADLINE: Duration = Duration::from_secs(30);
/// Sessions on one connection: tokens are renewed, and one client may speak to several targets.
const MAX_SESSIONS: usize = 8;
/// Sessions of one connection, those among them that are over and wait for its end.
const MAX_SESSIONS_IN_ALL: usize = 4 * MAX_SESSIONS;
/// What a body is counted with against the memory, for each byte: itself, and what it is read into.
const MEMORY_A_BYTE: usize = 3;

/// Open sessions, by what they are found by.
type Open = Vec<(Key, Arc<Session>)>;

/// An agent's connection.
#[derive(Debug)]
pub(crate) struct Downstream {
    around: Surroundings,
    source: Source,
    certificate: Option<Vec<u8>>,
    pub(crate) state: State,
    /// Those that are open; none at all once the connection is over.
    sessions: Mutex<Option<Open>>,
}

impl Downstream {
    pub(crate) fn new(
        around: Surroundings,
        source: Source,
        certificate: Option<Vec<u8>>,
    ) -> Arc<Self> {
        let (state, sessions) = (State::new(), Mutex::new(Some(Vec::new())));
        Arc::new(Self { around, source, certificate, state, sessions })
    }

    /// Answers a request, whatever it is.
    pub(crate) async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> Result<Answer, Infallible> {
        let under_way = self.state.begun();
        Ok(match self.asked(request, under_way).await {
            Ok(answer) => answer,
            Err(status) => answer::of_status(&status),
        })
    }

    async fn asked(
        self: &Arc<Self>,
        mut request: Request<Incoming>,
        under_way: UnderWay,
    ) -> Result<Answer, Status> {
        let upgrading = hyper::upgrade::on(&mut request);
        let (parts, body) = request.into_parts();
        let head = framing::read(&parts).inspect_err(|_| self.state.wind_up())?;
        let headers = Headers::read_upgrade(&parts.headers, forms(&head))?;
        let wish = parts.headers.contains_key(UPGRADE);
        let wish = wish.then(|| Wish::read(parts.version, &parts.headers)).transpose()?;
        let session =
            self.session(&head, &headers).await.map_err(|refusal| Status::from(&refusal))?;
        let mut taken = self.around.memory.nothing();
        let body = read_body(&parts, body, &mut taken).await?;
        let Head { method, name: _, target } = head;
        if let Some(wish) = wish {
            let asked = self.stream(wish, (method, target, body), headers).await?;
            return Ok(self.upgraded(session, asked, (upgrading, under_way)));
        }
        let (reply, replied) = oneshot::channel();
        // Dropped with the request, when nobody is there any more to have its answer.
        let gone = CancellationToken::new();
        let guard = gone.clone().drop_guard();
        let asked = Asked { method, target, headers, body, taken };
        let carried = exchange::carry_through(Arc::clone(&session), asked, (reply, gone));
        session.spawn(async move {
            carried.await;
            drop(under_way);
        });
        // A task that is gone without a word may have forwarded anything.
        let lost = Refusal::OutcomeUnknown { reason: "an error of the gateway".to_owned() };
        let replied = replied.await;
        guard.disarm();
        replied.map_err(|_| Status::from(&lost))
    }

    /// What an agent wants to run in a container, if it is that.
    async fn stream(
        &self,
        wish: Wish,
        (method, target, body): (Method, String, Vec<u8>),
        headers: Headers,
    ) -> Result<(Wish, container::Asked), Status> {
        let request = (method, target.clone(), body);
        let (classified, text) = exchange::understood(request, None).await?;
        let streams = [Action::KubernetesExec, Action::KubernetesAttach];
        let is_stream = classified.demands.iter().all(|demand| streams.contains(&demand.action));
        if method != Method::Get || !is_stream {
            return Err(BadHeader::Upgrade.into());
        }
        let protocol = wish.protocol;
        Ok((wish, container::Asked { classified, text, target, headers, protocol }))
    }

    /// Grants the upgrade. Whether the program may run is judged behind it.
    fn upgraded(
        &self,
        session: Arc<Session>,
        (wish, asked): (Wish, container::Asked),
        (upgrading, under_way): (OnUpgrade, UnderWay),
    ) -> Answer {
        self.state.upgrade();
        let running = container::run(Arc::clone(&session), asked, upgrading);
        session.spawn(async move {
            running.await;
            drop(under_way);
        });
        wish.granted()
    }

    /// The session of a request, which is opened if there is none.
    async fn session(
        self: &Arc<Self>,
        head: &Head,
        headers: &Headers,
    ) -> Result<Arc<Session>, Refusal> {
        let proof = match (&headers.token, &self.certificate) {
            (Some(token), _) => Proof::Token(token.clone()),
            (None, Some(certificate)) => Proof::Certificate(certificate.clone()),
            (None, None) => return Err(Refusal::NotIdentified),
        };
        // One at a time: requests of one client come together, and are to be of one session.
        let mut open = self.sessions.lock().await;
        let sessions = open.as_mut().ok_or(Refusal::ShuttingDown)?;
        // One that is ending stays in the list: the end of the connection waits until it is closed.
        let living = sessions.iter().filter(|(_, session)| !session.is_ending());
        let key = head.name.as_ref().map(|name| Key::of(&proof, name));
        let known = living.clone().find(|(known, _)| Some(known) == key.as_ref());
        if let Some((_, session)) = known {
            return Ok(Arc::clone(session));
        }
        if living.count() >= MAX_SESSIONS || sessions.len() >= MAX_SESSIONS_IN_ALL {
            return Err(Refusal::Overloaded { limit: "sessions of a connection" });
        }
        let session = self.opened(proof, head.name.clone(), &headers.user_agent).await;
        let session = session.inspect_err(|_| self.state.refused())?;
        if let Some(key) = key {
            sessions.push((key, Arc::clone(&session)));
        }
        Ok(session)
    }

    async fn opened(
        self: &Arc<Self>,
        proof: Proof,
        name: Option<TargetName>,
        client: &str,
    ) -> Result<Arc<Session>, Refusal> {
        let around = &self.around;
        let full = Refusal::Overloaded { limit: "max_sessions" };
        let room = Arc::clone(&around.sessions).try_acquire_owned().map_err(|_| full)?;
        let (gate, targets) = (around.gate.as_ref(), around.targets.as_ref());
        let admitted =
            credential::open(proof, name, (self.source.clone(), client), (gate, targets)).await?;
        let (gate, memory) = (Arc::clone(&around.gate), around.memory.clone());
        let (session, signals) = Session::new(gate, admitted, (memory, room));
        self.state.let_in();
        let (connection, watched) = (Arc::clone(self), Arc::clone(&session));
        let told = (around.shutdown.clone(), self.state.cut_token());
        tokio::spawn(async move {
            watched.watch(signals, told).await;
            connection.ended().await;
            // Others may go on beside it for days.
            watched.over().await;
        });
        Ok(session)
    }

    /// A session has ended. Its connection takes no more requests, and what others still do on it may come to its end.
    async fn ended(&self) {
        self.state.wind_up();
        let sessions = self.sessions.lock().await;
        if sessions.iter().flatten().all(|(_, session)| session.is_ending()) {
            self.state.cut();
        }
    }

    /// The connection is over.
    pub(crate) async fn over(&self) {
        self.state.cut();
        let sessions = self.sessions.lock().await.take();
        for (_, session) in sessions.into_iter().flatten() {
            session.over().await;
        }
    }
}

/// Which forms of an answer can be asked for.
fn forms(head: &Head) -> Forms {
    if head.target.starts_with("/openapi/") { Forms::Schema } else { Forms::Masked }
}

/// Reads a body to its end, within its limits.
async fn read_body(parts: &Parts, body: Incoming, taken: &mut Taken) -> Result<Vec<u8>, Status> {
    if body.is_end_stream() {
        return Ok(Vec::new());
    }
    let too_long = || Status::from(Unclear::Body(Unreadable::TooLong));
    let most = u64::try_from(MAX_BODY_BYTES).unwrap_or(u64::MAX);
    let announced = body.size_hint().exact().unwrap_or(most);
    if announced > most {
        return Err(too_long());
    }
    let announced = usize::try_from(announced).unwrap_or(MAX_BODY_BYTES);
    let counted = announced.saturating_mul(MEMORY_A_BYTE);
    taken.grow_to(counted).map_err(|refusal| Status::from(&refusal))?;
    let read = timeout(BODY_DEADLINE, Limited::new(body, MAX_BODY_BYTES).collect()).await;
    let broken = |message: &str| {
        tracing::debug!(method = %parts.method, message, "the body of a request was not read");
        Status::from(&Refusal::Protocol { message: message.to_owned() })
    };
    match read {
        Ok(Ok(body)) => Ok(body.to_bytes().into()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_long()),
        Ok(Err(_)) => Err(broken("the body has ended early")),
        Err(_late) => Err(broken("the body did not arrive in time")),
    }
}
